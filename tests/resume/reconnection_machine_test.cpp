#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <rejoin/resume/circuit_breaker.hpp>
#include <rejoin/resume/reconnection_machine.hpp>

using namespace rejoin;
using namespace std::chrono_literals;
using Kind = ReconnectionAction::Kind;
using State = ReconnectionMachine::State;
using TimePoint = ReconnectionMachine::TimePoint;

namespace {

Attempt refused() {
    Attempt attempt;
    attempt.end = EndReason::connect_failed;
    attempt.error = std::make_error_code(std::errc::connection_refused);
    attempt.sent = false;
    return attempt;
}

Attempt answered(int status) {
    Attempt attempt;
    attempt.status = status;
    attempt.end = EndReason::complete;
    return attempt;
}

Attempt stream(EndReason end, std::error_code error = {}) {
    Attempt attempt;
    attempt.status = 200;
    attempt.event_stream = true;
    attempt.end = end;
    attempt.error = error;
    return attempt;
}

ReconnectionOptions plain() {
    ReconnectionOptions options;
    options.backoff.jitter = Jitter::none;
    return options;
}

/// A machine with its clock and its owner.
struct Driver {
    ReconnectionMachine machine;
    TimePoint now{1000h};
    ReconnectionAction last{};

    explicit Driver(ReconnectionOptions options = plain()) : machine{std::move(options)} { last = machine.start(now); }

    /// The stream opens, brings `events`, stands for `time` and ends.
    ReconnectionAction run(std::chrono::milliseconds time, int events, Attempt attempt = stream(EndReason::truncated),
                           std::string_view cursor = "1") {
        machine.on_open(now, machine.generation());
        for (int i = 0; i < events; ++i) machine.on_progress(machine.generation());
        now += time;
        return last = machine.on_end(now, machine.generation(), attempt, cursor);
    }

    ReconnectionAction fail(Attempt attempt = refused()) {
        return last = machine.on_end(now, machine.generation(), attempt);
    }

    /// Waits as told; the machine then connects.
    void wait() {
        REQUIRE(last.kind == Kind::wait);
        now = last.deadline;
        last = machine.on_timer(now);
        REQUIRE(last.kind == Kind::connect);
    }
};

}  // namespace

// --- policy ---

TEST_CASE("policy: 204 stops, whenever it comes") {
    const RetryPolicy policy = default_retry_policy();
    const Decision decision = policy(answered(204));
    CHECK(decision.kind == Decision::Kind::stop);
    CHECK(decision.error == Error::no_content);
}

TEST_CASE("policy: other statuses") {
    const RetryPolicy policy = default_retry_policy();
    for (const int status : {408, 425, 429, 500, 501, 502, 503, 504, 599}) {
        CAPTURE(status);
        CHECK(policy(answered(status)).kind == Decision::Kind::retry);
    }
    for (const int status :
         {101, 201, 202, 205, 206, 299, 300, 301, 304, 307, 400, 401, 403, 404, 409, 410, 418, 421, 426, 600, 999}) {
        CAPTURE(status);
        const Decision decision = policy(answered(status));
        CHECK(decision.kind == Decision::Kind::fail);
        CHECK(decision.error == Error::bad_status);
    }
}

TEST_CASE("policy: 200 that is no event stream") {
    const Decision decision = default_retry_policy()(answered(200));
    CHECK(decision.kind == Decision::Kind::fail);
    CHECK(decision.error == Error::bad_content_type);
}

TEST_CASE("policy: a GET stream reconnects on every end") {
    const RetryPolicy policy = default_retry_policy();
    for (const EndReason end : {EndReason::complete, EndReason::close_delimited, EndReason::truncated, EndReason::reset,
                                EndReason::timed_out, EndReason::protocol_error}) {
        CAPTURE(to_string(end));
        CHECK(policy(stream(end)).kind == Decision::Kind::retry);
    }
    const Decision closed = policy(stream(EndReason::closed));
    CHECK(closed.kind == Decision::Kind::stop);
    CHECK(closed.error == Error::closed);
}

TEST_CASE("policy: no answer") {
    const RetryPolicy policy = default_retry_policy();
    CHECK(policy(refused()).kind == Decision::Kind::retry);
    Attempt silent;
    silent.end = EndReason::timed_out;
    silent.error = Error::response_timeout;
    CHECK(policy(silent).kind == Decision::Kind::retry);

    RetryPolicyOptions options;
    options.retry_initial = false;
    const RetryPolicy fast = default_retry_policy(options);
    Attempt attempt = refused();
    CHECK(fast(attempt).kind == Decision::Kind::fail);
    CHECK(fast(attempt).error == std::errc::connection_refused);
    CHECK(fast(answered(503)).error == Error::bad_status);
    attempt.initial = false;
    CHECK(fast(attempt).kind == Decision::Kind::retry);

    for (const Error error : {Error::bad_url, Error::unsupported_scheme, Error::bad_redirect, Error::too_many_redirects,
                              Error::bad_content_encoding, Error::invalid_head}) {
        attempt.error = error;
        CHECK(policy(attempt).kind == Decision::Kind::fail);
        CHECK(policy(attempt).error == error);
    }
}

TEST_CASE("policy: Retry-After") {
    const RetryPolicy policy = default_retry_policy();
    Attempt attempt = answered(503);
    CHECK(policy(attempt).min_delay == 0ms);
    attempt.retry_after = 7s;
    CHECK(policy(attempt).min_delay == 7s);
    attempt.retry_after = std::chrono::milliseconds{1'000'000'000'000};
    CHECK(policy(attempt).min_delay == 300s);
    attempt.retry_after = -5s;
    CHECK(policy(attempt).min_delay == 0ms);
    attempt.status = 404;
    CHECK(policy(attempt).kind == Decision::Kind::fail);

    RetryPolicyOptions options;
    options.retry_after_cap = 0ms;
    attempt.status = 429;
    attempt.retry_after = 7s;
    CHECK(default_retry_policy(options)(attempt).min_delay == 0ms);
}

TEST_CASE("policy: what is not idempotent is not sent twice") {
    const RetryPolicy policy = default_retry_policy();
    Attempt attempt = stream(EndReason::complete);
    attempt.idempotent = false;
    attempt.any_event = true;
    CHECK(policy(attempt).kind == Decision::Kind::stop);
    CHECK_FALSE(policy(attempt).error);
    attempt.end = EndReason::close_delimited;
    CHECK(policy(attempt).kind == Decision::Kind::stop);
    for (const EndReason end :
         {EndReason::truncated, EndReason::reset, EndReason::timed_out, EndReason::protocol_error}) {
        attempt.end = end;
        CHECK(policy(attempt).kind == Decision::Kind::fail);
        CHECK(policy(attempt).error == Error::not_resumable);
    }
    attempt.has_cursor = true;
    CHECK(policy(attempt).error == Error::not_resumable);

    Attempt never_sent = refused();
    never_sent.idempotent = false;
    CHECK(policy(never_sent).kind == Decision::Kind::retry);
    never_sent.any_event = true;
    CHECK(policy(never_sent).error == Error::not_resumable);

    Attempt unanswered;
    unanswered.idempotent = false;
    unanswered.end = EndReason::reset;
    CHECK(policy(unanswered).error == Error::not_resumable);
    unanswered.sent = false;  // a pooled connection found dead
    CHECK(policy(unanswered).kind == Decision::Kind::retry);
    RetryPolicyOptions options;
    options.resend = Resend::unanswered;
    unanswered.sent = true;
    CHECK(default_retry_policy(options)(unanswered).kind == Decision::Kind::retry);
    unanswered.any_event = true;
    CHECK(default_retry_policy(options)(unanswered).error == Error::not_resumable);

    Attempt busy = answered(503);
    busy.idempotent = false;
    CHECK(policy(busy).kind == Decision::Kind::retry);
    busy.any_event = true;
    CHECK(policy(busy).error == Error::not_resumable);
}

TEST_CASE("policy: resilient also retries 409 when resuming") {
    Attempt attempt = answered(409);
    CHECK(resilient_retry_policy()(attempt).error == Error::bad_status);
    attempt.has_cursor = true;
    CHECK(resilient_retry_policy()(attempt).kind == Decision::Kind::retry);
    CHECK(default_retry_policy()(attempt).kind == Decision::Kind::fail);
    CHECK(resilient_retry_policy()(answered(404)).kind == Decision::Kind::fail);
}

// --- machine ---

TEST_CASE("machine: connect, stream, drop, wait, connect") {
    ReconnectionMachine machine{plain()};
    TimePoint now{1h};
    CHECK(machine.state() == State::idle);
    auto action = machine.start(now);
    CHECK(action.kind == Kind::connect);
    CHECK(action.generation == 1);
    CHECK(action.attempt == 0);
    CHECK(machine.state() == State::connecting);
    CHECK(machine.start(now).kind == Kind::none);

    CHECK(machine.on_open(now, 1).kind == Kind::none);
    CHECK(machine.state() == State::streaming);
    action = machine.on_end(now, 1, stream(EndReason::truncated, Error::truncated));
    CHECK(action.kind == Kind::wait);
    CHECK(action.delay == 250ms);
    CHECK(action.deadline == now + 250ms);
    CHECK(action.error == Error::truncated);
    CHECK(action.attempt == 1);
    CHECK(machine.state() == State::waiting);

    action = machine.on_timer(now + 100ms);  // early
    CHECK(action.kind == Kind::wait);
    CHECK(action.deadline == now + 250ms);
    CHECK(action.delay == 150ms);
    action = machine.on_timer(now + 250ms);
    CHECK(action.kind == Kind::connect);
    CHECK(action.generation == 2);
    CHECK(action.attempt == 1);

    action = machine.stop();
    CHECK(action.kind == Kind::finish);
    CHECK(action.error == Error::closed);
    CHECK_FALSE(action.regular_end());
    CHECK(machine.state() == State::finished);
    CHECK(machine.stop().kind == Kind::none);
    CHECK(machine.on_timer(now + 1h).kind == Kind::none);
    CHECK(machine.reconnect_now(now).kind == Kind::none);
}

TEST_CASE("machine: the server's end is regular") {
    Driver driver;
    CHECK(driver.fail(answered(204)).kind == Kind::finish);
    CHECK(driver.last.error == Error::no_content);
    CHECK(driver.last.regular_end());

    Driver post;
    Attempt attempt = stream(EndReason::complete);
    attempt.idempotent = false;
    post.run(1s, 3, attempt);
    CHECK(post.last.kind == Kind::finish);
    CHECK(post.last.regular_end());

    Driver cut;
    attempt.end = EndReason::reset;
    attempt.error = std::make_error_code(std::errc::connection_reset);
    cut.run(1s, 3, attempt);
    CHECK(cut.last.error == Error::not_resumable);
    CHECK(cut.last.cause == std::errc::connection_reset);
    CHECK_FALSE(cut.last.regular_end());
}

TEST_CASE("machine: a failure of the first attempt, retried or not") {
    Driver driver;
    CHECK(driver.fail().kind == Kind::wait);

    RetryPolicyOptions fast;
    fast.retry_initial = false;
    ReconnectionOptions options = plain();
    options.policy = default_retry_policy(fast);
    Driver once{options};
    CHECK(once.fail().kind == Kind::finish);
    CHECK(once.last.error == std::errc::connection_refused);

    Driver later{options};
    later.run(10s, 1);
    later.wait();
    CHECK(later.fail().kind == Kind::wait);  // a stream was open once
}

TEST_CASE("machine: accept and close: the delay grows to the cap") {
    Driver driver;
    std::vector<std::chrono::milliseconds> delays;
    for (int i = 0; i < 70; ++i) {
        driver.machine.on_retry(100ms);  // on every connection
        driver.run(0ms, 0, stream(EndReason::complete));
        delays.push_back(driver.last.delay);
        driver.wait();
    }
    CHECK(delays[0] == 100ms);
    CHECK(delays[1] == 200ms);
    CHECK(delays[2] == 400ms);
    for (std::size_t i = 10; i < delays.size(); ++i) CHECK(delays[i] == 30s);
}

TEST_CASE("machine: an event is progress, the base of retry stays") {
    Driver driver;
    driver.machine.on_retry(50ms);
    for (int i = 0; i < 3; ++i) {
        driver.run(1ms, 1);
        CHECK(driver.last.delay == 50ms);
        driver.wait();
        driver.fail();
        CHECK(driver.last.delay == 100ms);
        driver.wait();
    }
}

TEST_CASE("machine: healthy time is progress, a little less is not") {
    Driver driver;
    driver.run(4999ms, 0);
    driver.wait();
    driver.run(4999ms, 0);
    CHECK(driver.last.delay == 500ms);
    CHECK(driver.machine.retries() == 2);
    driver.wait();
    driver.run(5000ms, 0);
    CHECK(driver.last.delay == 250ms);
    CHECK(driver.machine.retries() == 1);

    ReconnectionOptions options = plain();
    options.healthy_after = 0ms;
    Driver only_events{options};
    only_events.run(100h, 0);
    only_events.wait();
    only_events.run(100h, 0);
    CHECK(only_events.last.delay == 500ms);
}

TEST_CASE("machine: healthy time is counted from the head, not from the connect") {
    Driver driver;
    driver.fail();
    driver.wait();
    driver.now += 20s;  // a slow connect
    driver.run(1s, 0);
    CHECK(driver.last.delay == 500ms);
}

TEST_CASE("machine: Retry-After") {
    Driver driver;
    Attempt attempt = answered(503);
    attempt.retry_after = 10s;
    driver.fail(attempt);
    CHECK(driver.last.delay == 10s);
    driver.wait();
    attempt.retry_after = 1ms;
    driver.fail(attempt);
    CHECK(driver.last.delay == 500ms);

    ReconnectionOptions options = plain();
    options.max_outage = 60s;
    Driver bounded{options};
    attempt.retry_after = 200s;
    bounded.fail(attempt);
    CHECK(bounded.last.delay == 60s);  // the last attempt, when the outage has lasted as long as it may
    bounded.wait();
    bounded.fail(attempt);
    CHECK(bounded.last.error == Error::retries_exhausted);
}

TEST_CASE("machine: exactly so many attempts, and the last cause is told") {
    ReconnectionOptions options = plain();
    options.max_attempts = 3;
    Driver driver{options};
    int connects = 1;
    while (driver.fail().kind == Kind::wait) {
        driver.wait();
        CHECK(driver.last.attempt == static_cast<std::uint32_t>(connects));
        ++connects;
    }
    CHECK(connects == 4);
    CHECK(driver.last.kind == Kind::finish);
    CHECK(driver.last.error == Error::retries_exhausted);
    CHECK(driver.last.cause == std::errc::connection_refused);

    Driver progress{options};
    for (int i = 0; i < 20; ++i) {
        progress.run(1ms, i % 3 == 0 ? 1 : 0);
        progress.wait();
    }
    CHECK(progress.machine.state() == State::connecting);
}

TEST_CASE("machine: the outage counts from the drop, not the healthy time before it") {
    ReconnectionOptions options = plain();
    options.max_outage = 15min;
    Driver driver{options};
    driver.run(20min, 100);
    CHECK(driver.machine.give_up_at() == driver.now + 15min);
    const TimePoint dropped = driver.now;
    while (driver.last.kind == Kind::wait) {
        driver.wait();
        driver.fail();
    }
    CHECK(driver.last.error == Error::retries_exhausted);
    CHECK(driver.now == dropped + 15min);

    Driver flapping{options};  // opening without progress does not end the outage
    flapping.run(20min, 1);
    const TimePoint since = flapping.now;
    while (flapping.last.kind == Kind::wait) {
        flapping.wait();
        flapping.run(1s, 0);
        REQUIRE(flapping.now < since + 16min);
    }
    CHECK(flapping.last.error == Error::retries_exhausted);

    Driver recovered{options};
    for (int i = 0; i < 10; ++i) {
        recovered.run(20min, 1);
        recovered.wait();
        recovered.fail();
        recovered.wait();
    }
    CHECK(recovered.machine.state() == State::connecting);

    Driver never{options};  // at first it counts from the start
    const TimePoint begun = never.now;
    CHECK(never.machine.give_up_at() == begun + 15min);
    while (never.fail().kind == Kind::wait) never.wait();
    CHECK(never.now == begun + 15min);
}

TEST_CASE("machine: an immediate first retry after a stream with progress") {
    ReconnectionOptions options = plain();
    options.immediate_first_retry = true;
    Driver driver{options};
    driver.run(1s, 10);
    CHECK(driver.last.kind == Kind::wait);
    CHECK(driver.last.delay == 0ms);
    driver.wait();
    driver.fail();
    CHECK(driver.last.delay == 250ms);
    driver.wait();
    driver.run(0ms, 0);
    CHECK(driver.last.delay == 500ms);  // accepted and closed: nothing immediate
    driver.wait();
    driver.run(6s, 0);
    CHECK(driver.last.delay == 0ms);
}

TEST_CASE("machine: reconnect now, with the backoff untouched") {
    Driver driver;
    driver.fail();
    driver.wait();
    driver.fail();
    CHECK(driver.last.delay == 500ms);
    SECTION("while waiting") {
        driver.last = driver.machine.reconnect_now(driver.now);
        CHECK(driver.last.kind == Kind::connect);
        CHECK(driver.last.generation == 3);
        CHECK_FALSE(driver.last.error);
        CHECK(driver.machine.on_timer(driver.now + 1h).kind == Kind::none);  // the old timer comes late
        driver.fail();
        CHECK(driver.last.delay == 1s);
    }
    SECTION("while streaming: the old connection's end is not the new one's") {
        driver.wait();
        driver.machine.on_open(driver.now, driver.machine.generation());
        const auto old = driver.machine.generation();
        driver.last = driver.machine.reconnect_now(driver.now);
        CHECK(driver.last.kind == Kind::connect);
        CHECK(driver.machine.on_end(driver.now, old, stream(EndReason::closed)).kind == Kind::none);
        CHECK(driver.machine.on_open(driver.now, old).kind == Kind::none);
        CHECK(driver.machine.state() == State::connecting);
        driver.run(0ms, 0);
        CHECK(driver.last.kind == Kind::wait);
        CHECK(driver.last.delay == 1s);
    }
    SECTION("before the start") {
        ReconnectionMachine machine;
        CHECK(machine.reconnect_now(driver.now).kind == Kind::connect);
        CHECK(machine.generation() == 1);
    }
}

TEST_CASE("machine: two drops in one turn are one") {
    Driver driver;
    driver.machine.on_open(driver.now, 1);
    CHECK(driver.machine.on_end(driver.now, 1, stream(EndReason::reset)).kind == Kind::wait);
    CHECK(driver.machine.on_end(driver.now, 1, stream(EndReason::timed_out)).kind == Kind::none);
    driver.last = driver.machine.on_timer(driver.now + 1s);
    CHECK(driver.last.kind == Kind::connect);
    CHECK(driver.machine.on_end(driver.now, 1, stream(EndReason::reset)).kind == Kind::none);
    CHECK(driver.machine.retries() == 1);
    driver.machine.on_progress(1);
    CHECK(driver.machine.retries() == 1);
}

TEST_CASE("machine: the same failure at the same event again and again") {
    const Attempt poison = stream(EndReason::protocol_error, Error::event_too_large);
    Driver driver;
    SECTION("is told the third time, also where repeats before it are progress") {
        driver.run(1s, 1, poison, "41");
        CHECK(driver.last.kind == Kind::wait);
        driver.wait();
        driver.fail();  // a refused connection between is another matter
        driver.wait();
        driver.run(1s, 1, poison, "41");
        CHECK(driver.last.kind == Kind::wait);
        driver.wait();
        driver.run(1s, 0, poison, "41");
        CHECK(driver.last.kind == Kind::finish);
        CHECK(driver.last.error == Error::poison_event);
        CHECK(driver.last.cause == Error::event_too_large);
    }
    SECTION("another cursor or another failure counts anew") {
        for (int i = 0; i < 10; ++i) {
            driver.run(1s, 1, poison, std::to_string(i / 2));
            REQUIRE(driver.last.kind == Kind::wait);
            driver.wait();
        }
        for (int i = 0; i < 10; ++i) {
            driver.run(1s, 1, i % 2 ? poison : stream(EndReason::protocol_error, Error::line_too_long), "7");
            REQUIRE(driver.last.kind == Kind::wait);
            driver.wait();
        }
    }
    SECTION("cuts and refusals are no poison") {
        for (int i = 0; i < 10; ++i) {
            driver.run(1s, 0, stream(EndReason::truncated, Error::truncated), "7");
            REQUIRE(driver.last.kind == Kind::wait);
            driver.wait();
            driver.fail();
            REQUIRE(driver.last.kind == Kind::wait);
            driver.wait();
        }
    }
    SECTION("off") {
        ReconnectionOptions options = plain();
        options.poison_limit = 0;
        Driver off{options};
        for (int i = 0; i < 10; ++i) {
            off.run(1s, 0, poison, "7");
            REQUIRE(off.last.kind == Kind::wait);
            off.wait();
        }
    }
}

TEST_CASE("machine: a circuit breaker postpones") {
    ReconnectionOptions options = plain();
    options.max_outage = 40s;
    options.max_attempts = 5;
    Driver driver{options};
    CircuitBreakerOptions breaks;
    breaks.failures = 1;
    CircuitBreaker breaker{breaks};
    breaker.failure(driver.now);
    driver.fail();
    driver.wait();
    REQUIRE_FALSE(breaker.allow(driver.now));
    driver.last = driver.machine.postpone(driver.now, breaker.retry_at());
    CHECK(driver.last.kind == Kind::wait);
    CHECK(driver.last.deadline == breaker.retry_at());
    CHECK(driver.last.error == Error::circuit_open);
    CHECK(driver.machine.retries() == 1);
    driver.wait();
    CHECK(breaker.allow(driver.now));
    driver.last = driver.machine.postpone(driver.now, driver.now + 1h);
    CHECK(driver.last.deadline == driver.machine.give_up_at());
    driver.wait();
    driver.last = driver.machine.postpone(driver.now, driver.now + 1h);
    CHECK(driver.last.error == Error::retries_exhausted);
    CHECK(driver.last.cause == Error::circuit_open);
}

TEST_CASE("machine: the policy sees the attempt") {
    std::vector<Attempt> seen;
    ReconnectionOptions options = plain();
    options.policy = [&seen](const Attempt& attempt) {
        seen.push_back(attempt);
        return seen.size() < 4 ? Decision::retry(std::chrono::milliseconds::max())
                               : Decision::fail(make_error_code(Error::bad_status));
    };
    Driver driver{options};
    driver.fail();
    CHECK(driver.last.deadline == TimePoint::max());  // no overflow
    driver.last = driver.machine.reconnect_now(driver.now);
    driver.run(6s, 0);
    driver.last = driver.machine.reconnect_now(driver.now);
    driver.run(1s, 0);
    driver.last = driver.machine.reconnect_now(driver.now);
    driver.run(1s, 1);
    CHECK(driver.last.error == Error::bad_status);
    REQUIRE(seen.size() == 4);
    CHECK((seen[0].initial && !seen[0].progressed && seen[0].number == 0));
    CHECK((!seen[1].initial && seen[1].progressed && seen[1].number == 0));
    CHECK((!seen[2].progressed && seen[2].number == 1));
    CHECK((seen[3].progressed && seen[3].number == 0));
}

TEST_CASE("machine: options out of their domain") {
    ReconnectionOptions options;
    options.max_outage = -1ms;
    CHECK_THROWS_AS(ReconnectionMachine{options}, std::system_error);
    options = {};
    options.backoff.factor = 0.0;
    CHECK_THROWS_AS(ReconnectionMachine{options}, std::system_error);
}
