#ifndef REJOIN_RESUME_CIRCUIT_BREAKER_HPP
#define REJOIN_RESUME_CIRCUIT_BREAKER_HPP

#include <chrono>
#include <cstdint>
#include <system_error>

#include <rejoin/error.hpp>

namespace rejoin {

struct CircuitBreakerOptions {
    /// Failures in a row that open it. Zero: off, everything is allowed.
    std::uint32_t failures = 5;
    /// How long it stays open before it tries again, milliseconds.
    std::chrono::milliseconds open_for{30'000};
    /// Attempts allowed at once while it tries, at least 1.
    std::uint32_t half_open_max = 1;
};

/// Keeps many streams from hammering one upstream that fails: *closed* lets all attempts pass, *open* none, *half open*
/// a few; their success closes it and their failure opens it again.
///
/// Of each attempt: `allow()`, and if it said yes exactly one of `success()`, `failure()`, `release()`. Not
/// thread-safe: one for each thread, or under the caller's lock.
class CircuitBreaker {
public:
    using TimePoint = std::chrono::steady_clock::time_point;
    enum class State : std::uint8_t { closed, open, half_open };

    /// Throws `std::system_error` (`Error::invalid_option`): a negative duration, or no attempt at all while half open.
    explicit CircuitBreaker(const CircuitBreakerOptions& options = {}) : options_{options} {
        if (options.open_for.count() < 0 || options.half_open_max == 0) {
            throw std::system_error{make_error_code(Error::invalid_option), "CircuitBreakerOptions"};
        }
    }

    /// Whether an attempt may be made now. False: not before `retry_at()` (half open: when one of those under way has
    /// ended).
    bool allow(TimePoint now) noexcept {
        switch (state(now)) {
        case State::closed: return true;
        case State::open: return false;
        case State::half_open: break;
        }
        if (!trying_) {
            trying_ = true;
            under_way_ = 0;
        }
        if (under_way_ >= options_.half_open_max) {
            // Whoever asked and never told how it went must not block it for good.
            if (now - last_allowed_ < options_.open_for) return false;
            under_way_ = 0;
        }
        ++under_way_;
        last_allowed_ = now;
        return true;
    }

    /// An attempt reached the upstream. One begun before it opened and ending late does not close it.
    void success(TimePoint now) noexcept {
        if (state(now) == State::open) return;
        opened_ = trying_ = false;
        count_ = under_way_ = 0;
    }

    /// An attempt failed. One that ends late, while it is open, does not keep it open longer.
    void failure(TimePoint now) noexcept {
        if (options_.failures == 0) return;
        switch (state(now)) {
        case State::open: return;
        case State::half_open:
            if (trying_) open(now);
            return;
        case State::closed:
            if (++count_ >= options_.failures) open(now);
            return;
        }
    }

    /// An attempt ended without telling anything (cancelled).
    void release() noexcept {
        if (under_way_ > 0) --under_way_;
    }

    State state(TimePoint now) const noexcept {
        if (!opened_) return State::closed;
        return now >= until_ ? State::half_open : State::open;
    }

    /// When an attempt may next be allowed, if `allow()` said no; in the past when it is not open.
    TimePoint retry_at() const noexcept { return trying_ ? last_allowed_ + options_.open_for : until_; }

private:
    void open(TimePoint now) noexcept {
        opened_ = true;
        trying_ = false;
        count_ = under_way_ = 0;
        until_ = now + options_.open_for;
    }

    CircuitBreakerOptions options_;
    TimePoint until_{};
    TimePoint last_allowed_{};
    std::uint32_t count_ = 0;      // failures in a row
    std::uint32_t under_way_ = 0;  // attempts while half open
    bool opened_ = false;
    bool trying_ = false;  // half open with at least one attempt allowed
};

}  // namespace rejoin

#endif
