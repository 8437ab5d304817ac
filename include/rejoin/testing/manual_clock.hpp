#ifndef REJOIN_TESTING_MANUAL_CLOCK_HPP
#define REJOIN_TESTING_MANUAL_CLOCK_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/execution/context.hpp>
#include <asio/execution_context.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/query.hpp>

#include <rejoin/net/asio.hpp>
#include <rejoin/net/traits.hpp>

namespace rejoin::testing {

namespace detail {
class ManualTimers;

struct ManualClockState {
    // Neither the epoch nor anything near the ends of the range, so that code may subtract from now and add to it.
    static constexpr TimePoint start{std::chrono::hours{24 * 365}};
    TimePoint now = start;
    std::uint64_t waits_begun = 0;
    std::vector<ManualTimers*> contexts;
};
}  // namespace detail

/// A clock that stands still until the test moves it. Its time points are those of `steady_clock`.
///
/// Every thread has a clock of its own, the same for all translation units: `now()`, the timers and the `io_context` they
/// run on belong to one thread. It goes on over the end of a test; a test that wants the same times again calls `reset()`.
/// Moving the clock completes the waits that are due, in the order of their expiry; their handlers run when the
/// `io_context` is run. See `testing/run.hpp` for the helpers that do both.
class ManualClock {
public:
    using duration = Duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = TimePoint;
    static constexpr bool is_steady = true;

    static time_point now() noexcept { return state()->now; }

    /// Moves the clock on in one step. A handler that runs afterwards sees the new time, also where its timer was due
    /// earlier. Time that would run past the range stops at its end.
    static void advance(duration by) {
        const time_point at = now();
        advance_to(by > time_point::max() - at ? time_point::max() : at + by);
    }

    /// Moves the clock on to `when`; a time in the past moves nothing.
    static void advance_to(time_point when);

    /// Moves the clock on to the next expiry, if any wait is pending. Waits until `time_point::max()` are events, not
    /// timers, and don't count.
    static bool advance_to_next();

    /// The next expiry of a pending wait.
    static std::optional<time_point> next();

    /// How many waits are pending on this thread's clock.
    static std::size_t pending();

    /// Puts the clock back to where a new thread's stands. Precondition: `pending() == 0`.
    static void reset() noexcept { state()->now = detail::ManualClockState::start; }

private:
    friend detail::ManualTimers;

    static const std::shared_ptr<detail::ManualClockState>& state() {
        thread_local const auto instance = std::make_shared<detail::ManualClockState>();
        return instance;
    }
};

namespace detail {

// One pending wait, its handler's type erased.
class ManualWait {
public:
    virtual ~ManualWait() = default;
    virtual void complete(std::error_code error) = 0;
};

template <class Handler>
class ManualWaitOf final : public ManualWait {
public:
    ManualWaitOf(const asio::any_io_executor& executor, Handler handler)
        : work_{asio::get_associated_executor(handler, executor)}, handler_{std::move(handler)} {}

    void complete(std::error_code error) override {
        asio::post(work_.get_executor(), [handler = std::move(handler_), error]() mutable { std::move(handler)(error); });
        work_.reset();
    }

private:
    asio::executor_work_guard<asio::associated_executor_t<Handler, asio::any_io_executor>> work_;
    Handler handler_;
};

// The pending waits of one execution context. A service, so that waits still pending are destroyed with their context.
class ManualTimers : public asio::execution_context::service {
public:
    using key_type = ManualTimers;

    // Expiry, then the order in which the waits began.
    struct Place {
        TimePoint expiry;
        std::uint64_t number;
        friend auto operator<=>(const Place&, const Place&) = default;
    };

    inline static asio::execution_context::id id;

    explicit ManualTimers(asio::execution_context& context)
        : asio::execution_context::service{context}, clock_{ManualClock::state()} {
        clock_->contexts.push_back(this);
    }

    ~ManualTimers() override { std::erase(clock_->contexts, this); }

    TimePoint now() const noexcept { return clock_->now; }

    template <class Handler>
    void wait(const void* timer, TimePoint expiry, const asio::any_io_executor& executor, Handler handler) {
        auto slot = asio::get_associated_cancellation_slot(handler);
        auto wait = std::make_unique<ManualWaitOf<Handler>>(executor, std::move(handler));
        if (expiry <= now()) {
            wait->complete({});
            return;
        }
        const Place place{expiry, ++clock_->waits_begun};
        if (slot.is_connected()) {
            slot.assign([this, place](asio::cancellation_type type) {
                constexpr auto any = asio::cancellation_type::terminal | asio::cancellation_type::partial |
                                     asio::cancellation_type::total;
                if ((type & any) != asio::cancellation_type::none) abort(place);
            });
        }
        waits_.emplace(place, Entry{timer, std::move(wait)});
    }

    std::size_t cancel(const void* timer) {
        std::vector<Place> places;
        for (const auto& [place, entry] : waits_) {
            if (entry.timer == timer) places.push_back(place);
        }
        for (const Place& place : places) abort(place);
        return places.size();
    }

    void move(const void* from, const void* to) noexcept {
        for (auto& [place, entry] : waits_) {
            if (entry.timer == from) entry.timer = to;
        }
    }

    std::optional<Place> next() const {
        if (waits_.empty()) return std::nullopt;
        return waits_.begin()->first;
    }

    std::size_t pending() const noexcept { return waits_.size(); }

    void fire_next() { finish(waits_.begin(), {}); }

private:
    struct Entry {
        const void* timer;
        std::unique_ptr<ManualWait> wait;
    };
    using Waits = std::map<Place, Entry>;

    void abort(const Place& place) {
        const auto at = waits_.find(place);
        if (at != waits_.end()) finish(at, asio::error::operation_aborted);
    }

    void finish(Waits::iterator at, std::error_code error) {
        const auto wait = std::move(at->second.wait);
        waits_.erase(at);
        wait->complete(error);
    }

    // Destroying a handler may destroy timers, which ask for their waits here.
    void shutdown() override {
        while (!waits_.empty()) {
            const auto wait = std::move(waits_.begin()->second.wait);
            waits_.erase(waits_.begin());
        }
    }

    std::shared_ptr<ManualClockState> clock_;
    Waits waits_;
};

}  // namespace detail

inline std::optional<ManualClock::time_point> ManualClock::next() {
    std::optional<time_point> earliest;
    for (const detail::ManualTimers* timers : state()->contexts) {
        const auto key = timers->next();
        if (key && key->expiry != time_point::max() && (!earliest || key->expiry < *earliest)) earliest = key->expiry;
    }
    return earliest;
}

inline std::size_t ManualClock::pending() {
    std::size_t count = 0;
    for (const detail::ManualTimers* timers : state()->contexts) count += timers->pending();
    return count;
}

inline void ManualClock::advance_to(time_point when) {
    state()->now = std::max(state()->now, when);
    for (;;) {
        detail::ManualTimers* first = nullptr;
        for (detail::ManualTimers* timers : state()->contexts) {
            const auto key = timers->next();
            if (!key || key->expiry > now()) continue;
            if (first == nullptr || *key < *first->next()) first = timers;
        }
        if (first == nullptr) return;
        first->fire_next();
    }
}

inline bool ManualClock::advance_to_next() {
    const auto when = next();
    if (when) advance_to(*when);
    return when.has_value();
}

/// A timer on `ManualClock` with the part of `asio::steady_timer`'s interface that a `Traits::Timer` needs, and its rules:
/// a wait that is complete can't be cancelled any more; changing the expiry cancels pending waits; a wait for a time that
/// has passed completes without a move of the clock.
///
/// Thread safety: distinct objects safe on one thread; see `ManualClock`.
class ManualTimer {
public:
    using clock_type = ManualClock;
    using duration = ManualClock::duration;
    using time_point = ManualClock::time_point;
    using executor_type = asio::any_io_executor;

    explicit ManualTimer(const executor_type& executor)
        : executor_{executor},
          timers_{&asio::use_service<detail::ManualTimers>(asio::query(executor, asio::execution::context))} {}
    ManualTimer(const executor_type& executor, time_point expiry) : ManualTimer{executor} { expiry_ = expiry; }
    ManualTimer(const executor_type& executor, duration after) : ManualTimer{executor} { expires_after(after); }

    ManualTimer(ManualTimer&& other) noexcept : executor_{other.executor_}, timers_{other.timers_}, expiry_{other.expiry_} {
        timers_->move(&other, this);
    }
    ManualTimer& operator=(ManualTimer&& other) {
        if (this == &other) return *this;
        cancel();
        executor_ = other.executor_;
        timers_ = other.timers_;
        expiry_ = other.expiry_;
        timers_->move(&other, this);
        return *this;
    }

    ~ManualTimer() { cancel(); }

    executor_type get_executor() const noexcept { return executor_; }
    time_point expiry() const noexcept { return expiry_; }

    /// Sets the expiry. Returns how many pending waits that cancelled.
    std::size_t expires_at(time_point when) {
        const std::size_t canceled = cancel();
        expiry_ = when;
        return canceled;
    }

    std::size_t expires_after(duration after) {
        const time_point now = ManualClock::now();
        return expires_at(after > time_point::max() - now ? time_point::max() : now + after);
    }

    /// Completes pending waits with `operation_aborted`. Returns how many there were.
    std::size_t cancel() { return timers_->cancel(this); }

    /// Completes with no error once the clock has reached the expiry. Cancellation (terminal, partial, total):
    /// `operation_aborted`.
    template <class CompletionToken>
    auto async_wait(CompletionToken&& token) {
        return asio::async_initiate<CompletionToken, void(std::error_code)>(
            Initiate{this}, token);
    }

private:
    // Trivial, since the compilers' bugs with coroutines begin at temporaries that own something.
    struct Initiate {
        ManualTimer* timer;
        template <class Handler>
        void operator()(Handler&& handler) const {
            timer->timers_->wait(timer, timer->expiry_, timer->executor_, std::decay_t<Handler>(std::forward<Handler>(handler)));
        }
    };

    executor_type executor_;
    detail::ManualTimers* timers_;
    time_point expiry_ = ManualClock::now();
};

/// `DefaultTraits` on the manual clock: the sockets and the resolver are the real ones.
struct ManualTraits {
    using Clock = ManualClock;
    using Timer = ManualTimer;
    using Resolver = DefaultTraits::Resolver;
    using Socket = DefaultTraits::Socket;
};

}  // namespace rejoin::testing

#endif
