#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rejoin/resume/reconnection_machine.hpp>

#include "support/catch.hpp"

namespace rejoin {
namespace {

using namespace std::chrono_literals;
using Kind = Decision::Kind;

Attempt answered(int status) {
    Attempt attempt;
    attempt.status = status;
    attempt.end = EndReason::complete;
    attempt.error = Error::bad_status;
    return attempt;
}

Attempt ended(EndReason end) {
    Attempt attempt;
    attempt.status = 200;
    attempt.event_stream = true;
    attempt.end = end;
    attempt.any_event = true;
    return attempt;
}

TEST_CASE("policy: 401 is asked again at once, once, where the request is renewed") {
    Attempt attempt = answered(401);
    CHECK(default_retry_policy()(attempt).kind == Kind::fail);
    attempt.renewable = true;
    const Decision decision = default_retry_policy()(attempt);
    CHECK(decision.kind == Kind::retry);
    CHECK(decision.at_once);
}

TEST_CASE("policy: what is not repeatable goes on by GET where it can") {
    const RetryPolicy policy = default_retry_policy();
    const EndReason end = GENERATE(EndReason::truncated, EndReason::reset, EndReason::timed_out);
    Attempt attempt = ended(end);
    attempt.idempotent = false;
    CHECK(policy(attempt).error == Error::not_resumable);
    attempt.resumable_by_get = true;
    CHECK(policy(attempt).kind == Kind::retry);
}

TEST_CASE("policy: an end by itself is the end, unless the last event is missing") {
    const RetryPolicy policy = default_retry_policy();
    Attempt attempt = ended(GENERATE(EndReason::complete, EndReason::close_delimited));
    attempt.idempotent = false;
    CHECK(policy(attempt).kind == Kind::stop);
    attempt.unfinished = true;
    CHECK(policy(attempt).error == Error::not_resumable);
    attempt.resumable_by_get = true;
    CHECK(policy(attempt).kind == Kind::retry);
}

TEST_CASE("policy: as EventSource") {
    Attempt post = ended(GENERATE(EndReason::complete, EndReason::truncated));
    post.idempotent = false;
    CHECK(event_source_policy()(post).kind == Kind::retry);
    Attempt unanswered;
    unanswered.idempotent = false;
    unanswered.end = EndReason::reset;
    CHECK(event_source_policy()(unanswered).kind == Kind::retry);
    CHECK(event_source_policy()(answered(204)).kind == Kind::stop);
    CHECK(event_source_policy()(answered(404)).kind == Kind::fail);
    CHECK(event_source_policy()(answered(200)).kind == Kind::fail);
    CHECK(event_source_policy()(answered(503)).kind == Kind::retry);
    CHECK(event_source_policy(true)(answered(503)).kind == Kind::fail);
}

TEST_CASE("policy: a completion") {
    Attempt post = answered(409);
    post.idempotent = false;
    CHECK(llm_completion_policy()(post).kind == Kind::retry);
    post.any_event = true;
    CHECK(llm_completion_policy()(post).kind == Kind::fail);
    post = answered(503);
    post.idempotent = false;
    CHECK(llm_completion_policy()(post).kind == Kind::retry);
    post = Attempt{};
    post.idempotent = false;
    CHECK(llm_completion_policy()(post).kind == Kind::retry);  // never sent
    post.end = EndReason::reset;
    CHECK(llm_completion_policy()(post).error == Error::not_resumable);
}

TEST_CASE("policy: followed for ever") {
    for (const int status : {200, 204, 206, 400, 401, 404, 409, 410, 500}) {
        CAPTURE(status);
        CHECK(follow_forever_policy()(answered(status)).kind == Kind::retry);
    }
    Attempt hopeless;
    hopeless.error = Error::bad_redirect;
    CHECK(follow_forever_policy()(hopeless).kind == Kind::fail);
}

TEST_CASE("policy: fail fast at first, but not before every URL was asked") {
    RetryPolicyOptions options;
    options.retry_initial = false;
    Attempt attempt;
    attempt.initial = true;
    CHECK(default_retry_policy(options)(attempt).kind == Kind::fail);
    attempt.elsewhere = true;
    CHECK(default_retry_policy(options)(attempt).kind == Kind::retry);
}

// --- what the machine makes of a decision ---

struct Machine {
    explicit Machine(ReconnectionOptions options) : machine{std::move(options)} { static_cast<void>(machine.start(now)); }

    std::chrono::milliseconds delay_after(const Attempt& attempt) {
        const auto action = machine.on_end(now, machine.generation(), attempt);
        now = action.deadline;
        static_cast<void>(machine.on_timer(now));
        return action.delay;
    }

    std::chrono::steady_clock::time_point now{1h};
    ReconnectionMachine machine;
};

ReconnectionOptions steps() {
    ReconnectionOptions options;
    options.backoff.base = 100ms;
    options.backoff.jitter = Jitter::none;
    return options;
}

TEST_CASE("machine: a policy sees the response's fields and the cursor") {
    ReconnectionOptions options = steps();
    std::string_view shutdown;
    std::string cursor;
    options.policy = [&](const Attempt& attempt) {
        shutdown = attempt.headers.get("X-Shutdown").value_or("");
        cursor = attempt.cursor;
        return shutdown == "yes" ? Decision::stop() : Decision::retry();
    };
    Machine world{options};
    Attempt attempt = answered(503);
    CHECK(world.delay_after(attempt) == 100ms);
    const auto lookup = [](const void*, std::string_view name) -> std::optional<std::string_view> {
        if (name == "X-Shutdown") return "yes";
        return std::nullopt;
    };
    attempt.headers = ResponseFields{nullptr, lookup};
    attempt.cursor = "41";
    CHECK(world.machine.on_end(world.now, world.machine.generation(), attempt).kind == ReconnectionAction::Kind::finish);
    CHECK(cursor == "41");
}

TEST_CASE("machine: at once, and elsewhere, leave the backoff where it is") {
    Machine world{steps()};
    Attempt attempt = answered(401);
    attempt.renewable = true;
    CHECK(world.delay_after(attempt) == 0ms);
    attempt = answered(503);
    attempt.retry_after = 7s;
    attempt.elsewhere = true;
    CHECK(world.delay_after(attempt) == 0ms);
    attempt.elsewhere = false;
    CHECK(world.delay_after(attempt) == 7s);
    attempt.retry_after.reset();
    CHECK(world.delay_after(attempt) == 200ms);
}

TEST_CASE("machine: a delay strategy stands in place of the backoff") {
    ReconnectionOptions options = steps();
    std::vector<std::uint32_t> attempts;
    std::chrono::milliseconds answer{0};
    options.delay = [&](const DelayRequest& request) {
        attempts.push_back(request.attempt);
        CHECK(request.error == Error::bad_status);
        CHECK(request.base == 100ms);
        return answer;
    };
    Machine world{options};
    answer = 5ms;
    CHECK(world.delay_after(answered(503)) == 5ms);
    answer = -5ms;
    CHECK(world.delay_after(answered(503)) == 0ms);
    answer = 1000h;
    CHECK(world.delay_after(answered(503)) == 24h);
    answer = 5ms;
    Attempt patient = answered(503);
    patient.retry_after = 3s;
    CHECK(world.delay_after(patient) == 3s);
    CHECK(attempts == std::vector<std::uint32_t>{1, 2, 3, 4});
}

TEST_CASE("machine: complete is a regular end") {
    Machine world{steps()};
    const auto action = world.machine.complete();
    CHECK(action.regular_end());
    CHECK(world.machine.complete().kind == ReconnectionAction::Kind::none);
}

}  // namespace
}  // namespace rejoin
