#ifndef REJOIN_HTTP_RETRY_AFTER_HPP
#define REJOIN_HTTP_RETRY_AFTER_HPP

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

#include <rejoin/http/detail/ascii.hpp>

namespace rejoin {

namespace detail {

// Reads one of the three date formats from the front; every take_* is false when the text is not as it must be.
class HttpDateReader {
public:
    explicit HttpDateReader(std::string_view text) noexcept : rest_{text} {}

    bool take(std::string_view literal) noexcept {
        if (!rest_.starts_with(literal)) return false;
        rest_.remove_prefix(literal.size());
        return true;
    }

    // Exactly that many digits.
    bool take_number(std::size_t digits, int& value) noexcept {
        if (rest_.size() < digits || !all_chars(rest_.substr(0, digits), char_digit)) return false;
        std::from_chars(rest_.data(), rest_.data() + digits, value);
        rest_.remove_prefix(digits);
        return true;
    }

    bool take_month(unsigned& month) noexcept {
        constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        for (month = 1; month <= months.size(); ++month) {
            if (take(months[month - 1])) return true;
        }
        return false;
    }

    bool take_time(std::chrono::seconds& of_day) noexcept {
        int hour = 0;
        int minute = 0;
        int second = 0;
        if (!take_number(2, hour) || !take(":") || !take_number(2, minute) || !take(":") || !take_number(2, second))
            return false;
        of_day = std::chrono::hours{hour} + std::chrono::minutes{minute} + std::chrono::seconds{second};
        return hour < 24 && minute < 60 && second <= 60;  // 60: a leap second
    }

    bool take_weekday() noexcept {
        for (const std::string_view name :
             {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}) {
            if (take(name) || take(name.substr(0, 3))) return true;
        }
        return false;
    }

    bool at_end() const noexcept { return rest_.empty(); }

private:
    std::string_view rest_;
};

}  // namespace detail

/// An HTTP-date in any of its three forms (RFC 9110 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94
/// 08:49:37 GMT` (of the years with these two digits, the last that is at most 50 ahead of `now`) and `Sun Nov  6
/// 08:49:37 1994`. The weekday must be one but is not checked against the date. Case-sensitive.
inline std::optional<std::chrono::sys_seconds> parse_http_date(std::string_view text,
                                                               std::chrono::system_clock::time_point now) noexcept {
    namespace chrono = std::chrono;
    detail::HttpDateReader reader{text};
    int year = 0;
    int day = 0;
    unsigned month = 0;
    chrono::seconds of_day{};
    bool good = reader.take_weekday();
    if (reader.take(", ")) {
        good = good && reader.take_number(2, day);
        if (reader.take("-")) {
            good = good && reader.take_month(month) && reader.take("-") && reader.take_number(2, year);
            const int latest = static_cast<int>(chrono::year_month_day{chrono::floor<chrono::days>(now)}.year()) + 50;
            year = latest - (latest - year) % 100;
        } else {
            good =
                good && reader.take(" ") && reader.take_month(month) && reader.take(" ") && reader.take_number(4, year);
        }
        good = good && reader.take(" ") && reader.take_time(of_day) && reader.take(" GMT");
    } else {
        good = good && reader.take(" ") && reader.take_month(month) && reader.take(" ");
        good = good && (reader.take(" ") ? reader.take_number(1, day) : reader.take_number(2, day));
        good = good && reader.take(" ") && reader.take_time(of_day) && reader.take(" ") && reader.take_number(4, year);
    }
    const chrono::year_month_day date{chrono::year{year}, chrono::month{month},
                                      chrono::day{static_cast<unsigned>(day)}};
    if (!good || !reader.at_end() || !date.ok()) return std::nullopt;
    return chrono::sys_days{date} + of_day;
}

/// How long a Retry-After value asks to wait (RFC 9110 10.2.3): seconds, or until an HTTP-date, rounded up to the
/// second.
///
/// A date that is past gives 0. More than 2147483647 seconds (68 years) gives that. nullopt for anything else.
/// `now` is the wall clock, which the date form is about.
inline std::optional<std::chrono::seconds> parse_retry_after(std::string_view value,
                                                             std::chrono::system_clock::time_point now) noexcept {
    constexpr std::chrono::seconds longest{2147483647};
    value = detail::trim(value);
    if (value.empty()) return std::nullopt;
    if (detail::all_chars(value, detail::char_digit)) {
        std::int32_t seconds = 0;
        const auto result = std::from_chars(value.data(), value.data() + value.size(), seconds);
        return result.ec == std::errc{} ? std::chrono::seconds{seconds} : longest;
    }
    const auto date = parse_http_date(value, now);
    if (!date) return std::nullopt;
    const auto wait = *date - std::chrono::floor<std::chrono::seconds>(now);
    return std::clamp(std::chrono::duration_cast<std::chrono::seconds>(wait), std::chrono::seconds{0}, longest);
}

}  // namespace rejoin

#endif
