#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

#include <rejoin/net/async_event.hpp>
#include <rejoin/net/deadline.hpp>
#include <rejoin/net/watchdog.hpp>

#include "net/support.hpp"
#include "support/catch.hpp"

// AsyncEvent, Deadline, Watchdog, spawn().

namespace rejoin::testing {
namespace {

using namespace std::chrono_literals;

TEST_CASE("async event: a notification before the wait is kept, once") {
    asio::io_context io;
    AsyncEvent event{io.get_executor()};
    event.notify();
    event.notify();
    CHECK(event.is_set());
    Task<void> first{io, event.wait()};
    run_until_idle(io);
    CHECK(first.done());
    CHECK_FALSE(event.is_set());
    Task<void> second{io, event.wait()};
    run_until_idle(io);
    CHECK_FALSE(second.done());
    event.notify();
    CHECK_FALSE(second.done());  // never inside the call
    run_until_idle(io);
    CHECK(second.done());
    CHECK_FALSE(second.failure());
}

TEST_CASE("async event: clear forgets") {
    asio::io_context io;
    AsyncEvent event{io.get_executor()};
    event.notify();
    event.clear();
    Task<void> waiter{io, event.wait()};
    run_until_idle(io);
    CHECK_FALSE(waiter.done());
}

TEST_CASE("async event: notified and cleared before the waiter ran, it goes on waiting") {
    asio::io_context io;
    AsyncEvent event{io.get_executor()};
    Task<void> waiter{io, event.wait()};
    run_until_idle(io);
    event.notify();
    event.clear();
    run_until_idle(io);
    CHECK_FALSE(waiter.failure());
    event.notify();
    run_until_idle(io);
    CHECK(waiter.done());
    CHECK_FALSE(waiter.failure());
}

TEST_CASE("async event: cancellation ends the wait and leaves the event usable") {
    asio::io_context io;
    AsyncEvent event{io.get_executor()};
    Task<void> waiter{io, event.wait()};
    run_until_idle(io);
    CHECK(waiter.cancel_ends_it());
    event.notify();
    CHECK(event.is_set());
    Task<void> next{io, event.wait()};
    run_until_idle(io);
    CHECK(next.done());
}

TEST_CASE("async event: a waiter is destroyed with its io_context") {
    const auto witness = std::make_shared<int>();
    {
        asio::io_context io;
        const auto hold = [](std::shared_ptr<int>) -> Awaitable<> {
            const auto executor = co_await asio::this_coro::executor;
            AsyncEvent event{executor};
            co_await event.wait();
        };
        spawn(io.get_executor(), hold(witness));
        run_until_idle(io);
        CHECK(witness.use_count() == 2);
    }
    CHECK(witness.use_count() == 1);
}

TEST_CASE("deadline: expires once, after its time and not before") {
    asio::io_context io;
    int calls = 0;
    const Deadline<ManualTraits> deadline{io.get_executor(), 5s, [&] { ++calls; }};
    advance_clock(io, 5s - 1ns);
    CHECK(calls == 0);
    CHECK_FALSE(deadline.expired());
    advance_clock(io, 1ns);
    CHECK(calls == 1);
    CHECK(deadline.expired());
    advance_clock(io, 1h);
    CHECK(calls == 1);
}

TEST_CASE("deadline: says nothing after its end, even when it was due") {
    asio::io_context io;
    int calls = 0;
    {
        const Deadline<ManualTraits> deadline{io.get_executor(), 5s, [&] { ++calls; }};
        ManualClock::advance(6s);  // the handler is on its way
    }
    run_until_idle(io);
    CHECK(calls == 0);
    CHECK(ManualClock::pending() == 0);
}

TEST_CASE("deadline: zero never expires") {
    asio::io_context io;
    int calls = 0;
    const Deadline<ManualTraits> deadline{io.get_executor(), 0s, [&] { ++calls; }};
    CHECK(ManualClock::pending() == 0);
    advance_clock(io, 1000h);
    CHECK(calls == 0);
    CHECK_FALSE(deadline.expired());
}

TEST_CASE("deadline: may end inside its own expiry") {
    asio::io_context io;
    std::optional<Deadline<ManualTraits>> deadline;
    int calls = 0;
    deadline.emplace(io.get_executor(), 1s, [&] {
        ++calls;
        deadline.reset();
    });
    advance_clock(io, 2s);
    CHECK(calls == 1);
}

TEST_CASE("deadline: on the real clock") {
    asio::io_context io;
    bool expired = false;
    const Deadline<DefaultTraits> deadline{io.get_executor(), 1ms, [&] { expired = true; }};
    CHECK(run_until(io, [&] { return expired; }));
}

using TestWatchdog = Watchdog<ManualTraits>;

TEST_CASE("watchdog: asks when it was told to, until it is told nothing") {
    asio::io_context io;
    const TimePoint begin = ManualClock::now();
    std::vector<Duration> asked;
    TestWatchdog watchdog{io.get_executor(), [&](TimePoint now) -> std::optional<TimePoint> {
                              asked.push_back(now - begin);
                              if (asked.size() == 3) return std::nullopt;
                              return now + 10s * asked.size();
                          }};
    advance_clock(io, 1h);
    CHECK(asked.empty());
    watchdog.start(begin + 1h + 5s);
    advance_clock(io, 1h);
    CHECK(asked == std::vector<Duration>{1h + 5s, 1h + 15s, 1h + 35s});
    CHECK(ManualClock::pending() == 0);
}

TEST_CASE("watchdog: armed anew, the old time is forgotten") {
    asio::io_context io;
    int asked = 0;
    const TimePoint begin = ManualClock::now();
    TestWatchdog watchdog{io.get_executor(), [&](TimePoint) -> std::optional<TimePoint> {
                              ++asked;
                              return std::nullopt;
                          }};
    watchdog.start(begin + 1s);
    ManualClock::advance(1s);  // due, its handler on its way
    watchdog.start(begin + 10s);
    run_until_idle(io);
    CHECK(asked == 0);
    advance_clock(io, 9s);
    CHECK(asked == 1);
}

TEST_CASE("watchdog: stopped or gone, it doesn't ask") {
    asio::io_context io;
    int asked = 0;
    const auto check = [&](TimePoint now) -> std::optional<TimePoint> {
        ++asked;
        return now + 1s;
    };
    std::optional<TestWatchdog> watchdog;
    watchdog.emplace(io.get_executor(), check);
    watchdog->start(ManualClock::now() + 1s);
    ManualClock::advance(1s);
    SECTION("stopped") { watchdog->stop(); }
    SECTION("gone") { watchdog.reset(); }
    SECTION("moved, then gone") { const TestWatchdog moved{std::move(*watchdog)}; }
    run_until_idle(io);
    CHECK(asked == 0);
    CHECK(ManualClock::pending() == 0);
}

TEST_CASE("watchdog: may be stopped, started or destroyed by its own check") {
    asio::io_context io;
    std::optional<TestWatchdog> watchdog;
    int asked = 0;
    const int what = GENERATE(0, 1, 2);
    watchdog.emplace(io.get_executor(), [&](TimePoint now) -> std::optional<TimePoint> {
        ++asked;
        if (what == 0) watchdog->stop();
        if (what == 1 && asked == 1) watchdog->start(now + 5s);  // wins over the answer
        if (what == 2) watchdog.reset();
        return asked == 1 ? std::optional{now + 1s} : std::nullopt;
    });
    watchdog->start(ManualClock::now() + 1s);
    advance_clock(io, 3s);
    CHECK(asked == 1);
    advance_clock(io, 10s);
    CHECK(asked == (what == 1 ? 2 : 1));
    CHECK(ManualClock::pending() == 0);
}

TEST_CASE("spawn: what escapes comes out of run, cancellation doesn't") {
    asio::io_context io;
    const auto fail = []() -> Awaitable<> {
        throw std::runtime_error{"escaped"};
        co_return;
    };
    const auto cancel = []() -> Awaitable<> {
        throw std::system_error{asio::error::operation_aborted};
        co_return;
    };
    spawn(io.get_executor(), cancel());
    io.run();
    io.restart();
    spawn(io.get_executor(), fail());
    CHECK_THROWS_AS(io.run(), std::runtime_error);
}

}  // namespace
}  // namespace rejoin::testing
