#ifndef REJOIN_SSE_DETAIL_LIMIT_CHECK_HPP
#define REJOIN_SSE_DETAIL_LIMIT_CHECK_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <rejoin/error.hpp>
#include <rejoin/sse/limits.hpp>

namespace rejoin::detail {

/// The limits on lines and events, asked for whole lines and for beginnings of lines alike.
class LimitCheck {
public:
    explicit LimitCheck(const SseLimits& limits) noexcept
        : line_{bound(limits.line)}, event_{bound(limits.event)}, either_{std::min(line_, event_)} {}

    static constexpr std::size_t bound(std::size_t limit) noexcept { return limit == 0 ? SIZE_MAX : limit; }

    bool line_fits(std::size_t size) const noexcept { return size <= line_; }

    /// Whether a line of whatever field fits for sure: the answer for nearly all, without looking at it.
    bool surely_fits(std::size_t size, std::size_t held) const noexcept {
        return held <= either_ && size <= either_ - held;
    }

    /// Whether a `data` line fits an event that holds `held` bytes so far, the LF that would join them included.
    bool data_fits(std::size_t size, std::size_t value_size, std::size_t held) const noexcept {
        return size <= line_ && held <= event_ && value_size <= event_ - held;
    }

    /// For a `data` line that does not fit: the limit it passes at its earliest byte, wherever the line was cut.
    Error data_error(std::size_t size, std::size_t value_size, std::size_t held) const noexcept {
        if (size <= line_) return Error::event_too_large;
        constexpr std::size_t name = 5;  // "data:", at which a full event is passed by the joining LF alone
        if (held > event_) return name <= line_ ? Error::event_too_large : Error::line_too_long;
        const std::size_t room = event_ - held;
        const bool event_first = value_size > room && size - value_size + room < line_;
        return event_first ? Error::event_too_large : Error::line_too_long;
    }

private:
    std::size_t line_;
    std::size_t event_;
    std::size_t either_;
};

}  // namespace rejoin::detail

#endif
