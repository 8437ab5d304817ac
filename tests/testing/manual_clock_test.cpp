#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/strand.hpp>

#include <rejoin/net/deadline.hpp>
#include <rejoin/net/watchdog.hpp>
#include <rejoin/testing/manual_clock.hpp>
#include <rejoin/testing/run.hpp>

#include "support/catch.hpp"

namespace rejoin::testing {
namespace {

using namespace std::chrono_literals;

struct Log {
    std::vector<std::string> lines;
    auto wait(std::string name) {
        return [this, name](std::error_code error) { lines.push_back(error ? name + " aborted" : name); };
    }
};

Awaitable<> sleep_rounds(std::uint64_t rounds, Duration step, std::uint64_t& done, std::uint64_t& wrong) {
    const auto executor = co_await asio::this_coro::executor;
    ManualTimer timer{executor};
    for (std::uint64_t i = 0; i < rounds; ++i) {
        const TimePoint before = ManualClock::now();
        timer.expires_after(step);
        co_await timer.async_wait(asio::use_awaitable);
        if (ManualClock::now() - before != step) ++wrong;
        ++done;
    }
}

TEST_CASE("manual clock: it stands still, moves as told, and shares steady_clock's time points") {
    static_assert(std::is_same_v<ManualClock::time_point, std::chrono::steady_clock::time_point>);
    const TimePoint before = ManualClock::now();
    CHECK(ManualClock::now() == before);
    ManualClock::advance(3s);
    CHECK(ManualClock::now() == before + 3s);
    ManualClock::advance_to(before);
    CHECK(ManualClock::now() == before + 3s);
    ManualClock::reset();
    ManualClock::advance(Duration::max());
    CHECK(ManualClock::now() == TimePoint::max());
    ManualClock::reset();
    CHECK(ManualClock::now() < TimePoint::max() - std::chrono::hours{24 * 365 * 100});
    CHECK(ManualClock::now() - 1h > TimePoint{});
}

TEST_CASE("manual timer: waits complete in order of expiry, then of their start, when the io_context runs") {
    asio::io_context io;
    Log log;
    ManualTimer late{io.get_executor(), 3s};
    ManualTimer early{io.get_executor(), 1s};
    ManualTimer same{io.get_executor(), 3s};
    late.async_wait(log.wait("late"));
    early.async_wait(log.wait("early"));
    same.async_wait(log.wait("same"));
    CHECK(ManualClock::pending() == 3);
    CHECK(ManualClock::next() == ManualClock::now() + 1s);
    run_until_idle(io);
    CHECK(log.lines.empty());
    ManualClock::advance(3s);
    CHECK(log.lines.empty());
    run_until_idle(io);
    CHECK(log.lines == std::vector<std::string>{"early", "late", "same"});
    CHECK(ManualClock::pending() == 0);
    CHECK_FALSE(ManualClock::advance_to_next());
}

TEST_CASE("manual timer: a pending wait is work for its io_context") {
    asio::io_context io;
    ManualTimer timer{io.get_executor(), 1s};
    bool done = false;
    timer.async_wait([&](std::error_code) { done = true; });
    CHECK(io.run_one_for(1ms) == 0);
    CHECK_FALSE(io.stopped());
    CHECK(ManualClock::advance_to_next());
    io.run();
    CHECK(done);
}

TEST_CASE("manual timer: cancelling") {
    asio::io_context io;
    Log log;
    ManualTimer timer{io.get_executor(), 1s};
    timer.async_wait(log.wait("a"));
    timer.async_wait(log.wait("b"));

    SECTION("ends the pending waits") {
        CHECK(timer.cancel() == 2);
        CHECK(timer.cancel() == 0);
        run_until_idle(io);
        CHECK(log.lines == std::vector<std::string>{"a aborted", "b aborted"});
    }
    SECTION("by a new expiry") {
        CHECK(timer.expires_after(2s) == 2);
        timer.async_wait(log.wait("c"));
        advance_clock(io, 2s);
        CHECK(log.lines == std::vector<std::string>{"a aborted", "b aborted", "c"});
    }
    SECTION("by the timer's end") {
        { const ManualTimer moved{std::move(timer)}; }
        run_until_idle(io);
        CHECK(log.lines == std::vector<std::string>{"a aborted", "b aborted"});
    }
    SECTION("comes too late for a wait that is complete, as with Asio's timers") {
        ManualClock::advance(1s);
        CHECK(timer.cancel() == 0);
        run_until_idle(io);
        CHECK(log.lines == std::vector<std::string>{"a", "b"});
    }
    SECTION("by assignment of another timer") {
        ManualTimer other{io.get_executor(), 5s};
        other.async_wait(log.wait("other"));
        timer = std::move(other);
        advance_clock(io, 5s);
        CHECK(log.lines == std::vector<std::string>{"a aborted", "b aborted", "other"});
    }
}

TEST_CASE("manual timer: an expiry in the past completes without a move of the clock, and not inside the call") {
    asio::io_context io;
    ManualTimer timer{io.get_executor(), ManualClock::now() - 1s};
    bool done = false;
    timer.async_wait([&](std::error_code error) { done = !error; });
    CHECK_FALSE(done);
    run_until_idle(io);
    CHECK(done);
}

TEST_CASE("manual timer: a cancellation slot ends one wait") {
    asio::io_context io;
    Log log;
    asio::cancellation_signal signal;
    const auto type = GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total);
    ManualTimer timer{io.get_executor(), 1s};
    timer.async_wait(asio::bind_cancellation_slot(signal.slot(), log.wait("a")));
    timer.async_wait(log.wait("b"));
    signal.emit(type);
    CHECK(ManualClock::pending() == 1);
    signal.emit(type);
    advance_clock(io, 1s);
    CHECK(log.lines == std::vector<std::string>{"a aborted", "b"});
}

TEST_CASE("manual timer: a coroutine that is cancelled leaves its wait at once") {
    asio::io_context io;
    asio::cancellation_signal signal;
    std::uint64_t done = 0;
    std::uint64_t wrong = 0;
    std::exception_ptr failure;
    asio::co_spawn(io, sleep_rounds(1, 1h, done, wrong),
                   asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr error) { failure = error; }));
    run_until_idle(io);
    REQUIRE(ManualClock::pending() == 1);
    signal.emit(asio::cancellation_type::terminal);
    run_until_idle(io);
    CHECK(ManualClock::pending() == 0);
    CHECK(failure);
    CHECK(done == 0);
}

TEST_CASE("manual timer: handlers run on their associated executor") {
    asio::io_context io;
    auto strand = asio::make_strand(io);
    bool on_strand = false;
    ManualTimer timer{asio::any_io_executor{strand}, 1s};
    timer.async_wait([&](std::error_code) { on_strand = strand.running_in_this_thread(); });
    advance_clock(io, 1s);
    CHECK(on_strand);
}

TEST_CASE("manual timer: pending waits are destroyed with their io_context, coroutine frames included") {
    const auto witness = std::make_shared<int>(1);
    {
        asio::io_context io;
        const auto hold = [](std::shared_ptr<int> mine) -> Awaitable<> {
            const auto executor = co_await asio::this_coro::executor;
            ManualTimer first{executor, 1h};
            ManualTimer second{executor, 2h};
            second.async_wait([mine](std::error_code) {});
            co_await first.async_wait(asio::use_awaitable);
        };
        for (int i = 0; i < 3; ++i) asio::co_spawn(io, hold(witness), [](std::exception_ptr) {});
        run_until_idle(io);
        CHECK(ManualClock::pending() == 6);
        CHECK(witness.use_count() > 1);
    }
    CHECK(ManualClock::pending() == 0);
    CHECK(witness.use_count() == 1);
}

TEST_CASE("manual clock: several io_contexts of a thread share it") {
    asio::io_context one;
    asio::io_context two;
    std::string order;
    ManualTimer a{one.get_executor(), 2s};
    ManualTimer b{two.get_executor(), 1s};
    a.async_wait([&](std::error_code) { order += 'a'; });
    b.async_wait([&](std::error_code) { order += 'b'; });
    CHECK(ManualClock::advance_to_next());
    run_until_idle(one);
    run_until_idle(two);
    CHECK(order == "b");
    CHECK(ManualClock::advance_to_next());
    run_until_idle(one);
    CHECK(order == "ba");
}

TEST_CASE("manual clock: twenty thousand rounds, a week of time, none wrong") {
    asio::io_context io;
    std::uint64_t done = 0;
    std::uint64_t wrong = 0;
    rejoin::spawn(io.get_executor(), sleep_rounds(20000, 30s, done, wrong));
    const TimePoint begin = ManualClock::now();
    advance_clock(io, 20000 * 30s);
    CHECK(done == 20000);
    CHECK(wrong == 0);
    CHECK(ManualClock::now() - begin == 20000 * 30s);
}

TEST_CASE("advance_clock: stops at every expiry on the way") {
    asio::io_context io;
    std::uint64_t done = 0;
    std::uint64_t wrong = 0;
    rejoin::spawn(io.get_executor(), sleep_rounds(100, 1s, done, wrong));
    advance_clock(io, 10s + 500ms);
    CHECK(done == 10);
    advance_clock(io, 499ms);
    CHECK(done == 10);
    advance_clock(io, 1ms);
    CHECK(done == 11);
}

TEST_CASE("run_until: says whether the predicate came true") {
    asio::io_context io;
    std::uint64_t done = 0;
    std::uint64_t wrong = 0;
    CHECK_FALSE(run_until(io, [] { return false; }));  // nothing to run: no waiting
    rejoin::spawn(io.get_executor(), sleep_rounds(3, 1s, done, wrong));
    CHECK_FALSE(run_until(io, [&] { return done == 3; }, 2ms));  // the clock stands
    CHECK_FALSE(advance_clock_until(io, [&] { return done == 3; }, 2s));
    CHECK(advance_clock_until(io, [&] { return done == 3; }, 1s));
}

TEST_CASE("virtual traits: deadline and watchdog run on the manual clock") {
    asio::io_context io;
    const asio::any_io_executor executor = io.get_executor();
    bool expired = false;
    const Deadline<ManualTraits> deadline{executor, 5s, [&] { expired = true; }};
    std::vector<Duration> asked;
    const TimePoint begin = ManualClock::now();
    Watchdog<ManualTraits> watchdog{executor, [&](TimePoint now) -> std::optional<TimePoint> {
        asked.push_back(now - begin);
        return now + 2s;
    }};
    watchdog.start(begin + 1s);
    advance_clock(io, 5s - 1ns);
    CHECK_FALSE(expired);
    CHECK(asked == std::vector<Duration>{1s, 3s});
    advance_clock(io, 1ns);
    CHECK(expired);
    CHECK(asked == std::vector<Duration>{1s, 3s, 5s});
    watchdog.stop();
    run_until_idle(io);
    CHECK(ManualClock::pending() == 0);
}

}  // namespace
}  // namespace rejoin::testing
