#ifndef REJOIN_TESTING_RUN_HPP
#define REJOIN_TESTING_RUN_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>

#include <asio/io_context.hpp>

#include <rejoin/testing/manual_clock.hpp>

namespace rejoin::testing {

/// How long a test waits, in real time, for what must happen. Only failing tests wait for so long.
inline constexpr Duration patience = std::chrono::seconds{10};

/// Runs `io` until `predicate()` holds: true, or until `real_deadline` has passed or nothing is left to run: false.
/// The manual clock is not touched.
template <class Predicate>
bool run_until(asio::io_context& io, Predicate&& predicate, Duration real_deadline = patience) {
    const auto until = std::chrono::steady_clock::now() + real_deadline;
    for (;;) {
        if (predicate()) return true;
        if (io.stopped()) io.restart();
        if (std::chrono::steady_clock::now() >= until) return false;
        if (io.run_one_until(until) == 0 && io.stopped()) return predicate();
    }
}

namespace detail {

template <class T>
struct Outcome {
    std::optional<T> value;
    std::exception_ptr failure;
    bool done = false;
};
template <>
struct Outcome<void> {
    std::exception_ptr failure;
    bool done = false;
};

template <class T>
Awaitable<> store(std::shared_ptr<Outcome<T>> outcome, Awaitable<T> task) {
    if constexpr (std::is_void_v<T>) {
        co_await std::move(task);
    } else {
        T value = co_await std::move(task);
        outcome->value.emplace(std::move(value));
    }
}

}  // namespace detail

/// Runs a coroutine to its end on `io` and gives back its result; what it throws is thrown here. Throws
/// `std::runtime_error` when it is not done after `real_deadline`, or never will be; its frame stays with `io` then.
template <class T>
T run(asio::io_context& io, Awaitable<T> task, Duration real_deadline = patience) {
    const auto outcome = std::make_shared<detail::Outcome<T>>();
    asio::co_spawn(io, detail::store(outcome, std::move(task)), [outcome](std::exception_ptr failure) {
        outcome->failure = failure;
        outcome->done = true;
    });
    if (!run_until(io, [&outcome] { return outcome->done; }, real_deadline)) throw std::runtime_error{"the coroutine did not end"};
    if (outcome->failure) std::rethrow_exception(outcome->failure);
    if constexpr (!std::is_void_v<T>) return std::move(*outcome->value);
}

/// Runs what is ready, and what that makes ready, until `io` has nothing to do but wait. Returns the number of handlers run.
///
/// Bytes that one socket of this `io_context` wrote to another over loopback count as ready. Where other threads or
/// processes take part, wait for what they bring about with `run_until()`.
inline std::size_t run_until_idle(asio::io_context& io) {
    std::size_t total = 0;
    for (int quiet = 0; quiet < 3;) {
        if (io.stopped()) io.restart();
        const std::size_t ran = io.poll();
        total += ran;
        if (ran != 0) {
            quiet = 0;
        } else {
            ++quiet;
            std::this_thread::yield();  // the kernel may deliver loopback packets on a thread of its own
        }
    }
    return total;
}

/// Moves the manual clock on by `by`, from expiry to expiry, running `io` until idle before, between and after. So a timer
/// that is armed anew every second fires ten times in ten seconds.
inline void advance_clock(asio::io_context& io, Duration by) {
    const TimePoint until = ManualClock::now() + by;
    run_until_idle(io);
    for (auto next = ManualClock::next(); next && *next <= until; next = ManualClock::next()) {
        ManualClock::advance_to(*next);
        run_until_idle(io);
    }
    ManualClock::advance_to(until);
    run_until_idle(io);
}

/// Runs `io` until `predicate()` holds, moving the manual clock from expiry to expiry whenever nothing has happened for
/// `quiet` of real time. False when the clock would have to move on by more than `limit`, or `real_deadline` passes.
///
/// For long stories (a hundred backoffs and drops) in which no timeout is meant to strike while bytes are under way.
template <class Predicate>
bool advance_clock_until(asio::io_context& io, Predicate&& predicate, Duration limit, Duration real_deadline = patience,
                   Duration quiet = std::chrono::milliseconds{1}) {
    const TimePoint virtual_until = ManualClock::now() + limit;
    const auto real_until = std::chrono::steady_clock::now() + real_deadline;
    while (!predicate()) {
        if (std::chrono::steady_clock::now() >= real_until) return false;
        if (run_until_idle(io) != 0) continue;
        if (io.stopped()) io.restart();
        if (io.run_one_for(quiet) != 0) continue;
        const auto next = ManualClock::next();
        if (!next && io.stopped()) return predicate();
        if (!next) continue;  // only real sockets can go on
        if (*next > virtual_until) return false;
        ManualClock::advance_to(*next);
    }
    return true;
}

}  // namespace rejoin::testing

#endif
