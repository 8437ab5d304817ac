#ifndef REJOIN_RESUME_BACKOFF_HPP
#define REJOIN_RESUME_BACKOFF_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <system_error>

#include <rejoin/error.hpp>
#include <rejoin/resume/detail/hash.hpp>

namespace rejoin {

/// How a delay is drawn below its step (base times factor to the power of the attempts before, at most the cap).
enum class Jitter : std::uint8_t {
    full,          ///< Evenly between zero and the step: spreads a herd best.
    none,          ///< The step itself.
    equal,         ///< Half the step, and evenly up to the other half.
    decorrelated,  ///< Evenly between the base and three times the delay before; the first delay is the base.
};

struct BackoffOptions {
    /// The first step, milliseconds. Zero: no delay at all until a `retry:` field sets one.
    std::chrono::milliseconds base{250};
    /// Growth from step to step, at least 1.
    double factor = 2.0;
    /// No delay drawn is longer, milliseconds, also not with a longer `retry:`. Zero: none but the hard bound of a day.
    std::chrono::milliseconds cap{30'000};
    Jitter jitter = Jitter::full;
    /// What a smaller `retry:` is raised to, milliseconds. Zero: none.
    std::chrono::milliseconds retry_floor{50};
    /// What a larger `retry:` is lowered to, milliseconds. Zero: none.
    std::chrono::milliseconds retry_ceiling{0};
    /// Seed of the random numbers. Zero: a fresh one, so that no two instances wait alike.
    std::uint64_t seed = 0;
};

/// The delays between attempts to reconnect. No clock: it says how long, the caller when. Not thread-safe; never
/// allocates.
class Backoff {
public:
    using Duration = std::chrono::milliseconds;

    /// Throws `std::system_error` (`Error::invalid_option`): a negative duration, or a factor below 1 or not finite.
    explicit Backoff(const BackoffOptions& options = {})
        : options_{options}, base_{options.base}, random_{options.seed != 0 ? options.seed : detail::fresh_seed()} {
        const Duration zero{0};
        const bool durations =
            options.base >= zero && options.cap >= zero && options.retry_floor >= zero && options.retry_ceiling >= zero;
        if (!durations || !std::isfinite(options.factor) || options.factor < 1.0) {
            throw std::system_error{make_error_code(Error::invalid_option), "BackoffOptions"};
        }
    }

    /// The delay before the next attempt; each call is one attempt. `at_least` (a `Retry-After`) is a lower bound that
    /// the cap does not cut.
    Duration next(Duration at_least = Duration{0}) noexcept {
        const double top = static_cast<double>(limit().count());
        const double base = std::min(static_cast<double>(base_.count()), top);
        const double step = std::min(base * scale_, top);
        double delay = step;
        switch (options_.jitter) {
        case Jitter::none: break;
        case Jitter::full: delay = draw(0.0, step); break;
        case Jitter::equal: delay = draw(step / 2, step); break;
        case Jitter::decorrelated:
            delay = attempts_ == 0 ? base : draw(base, std::clamp(previous_ * 3, base, top));
            break;
        }
        const Duration drawn{static_cast<Duration::rep>(std::floor(delay))};
        previous_ = static_cast<double>(drawn.count());
        scale_ = std::min(scale_ * options_.factor, largest_scale);
        if (attempts_ != std::numeric_limits<std::uint32_t>::max()) ++attempts_;
        return std::max(drawn, at_least);
    }

    /// There was progress: the next delay starts from the base again. A `retry:` stays in force.
    void reset() noexcept {
        attempts_ = 0;
        scale_ = 1.0;
        previous_ = 0.0;
    }

    /// A `retry:` field (WHATWG HTML 9.2.6): replaces the base within floor and ceiling and leaves the growth as it is,
    /// so a server that sends one on every connection does not call the backoff off.
    void set_base(Duration retry) noexcept {
        if (options_.retry_ceiling.count() > 0) retry = std::min(retry, options_.retry_ceiling);
        base_ = std::max(retry, options_.retry_floor);
    }

    Duration base() const noexcept { return base_; }

    /// Delays given out since the last reset, saturating.
    std::uint32_t attempts() const noexcept { return attempts_; }

    const BackoffOptions& options() const noexcept { return options_; }

private:
    static constexpr double largest_scale = 1e15;  // times the smallest base it is past any cap
    static constexpr Duration day{86'400'000};

    Duration limit() const noexcept { return options_.cap.count() > 0 ? std::min(options_.cap, day) : day; }

    double draw(double low, double high) noexcept {
        const double unit = static_cast<double>(detail::splitmix64(random_) >> 11) * 0x1.0p-53;
        return low + (high - low) * unit;
    }

    BackoffOptions options_;
    Duration base_;
    std::uint64_t random_;
    double scale_ = 1.0;
    double previous_ = 0.0;
    std::uint32_t attempts_ = 0;
};

}  // namespace rejoin

#endif
