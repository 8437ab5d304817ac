#ifndef REJOIN_EXAMPLES_PARSE_DURATION_HPP
#define REJOIN_EXAMPLES_PARSE_DURATION_HPP

#include <charconv>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

// Durations on a command line: a number and its unit, "250ms", "1.5s", "500us", "2m", "1h". A bare number is refused, since
// nobody can tell what it means; only 0 needs no unit.

namespace examples {

using Duration = std::chrono::steady_clock::duration;

/// The duration, or nothing with the reason in `why`.
inline std::optional<Duration> parse_duration(std::string_view text, std::string& why) {
    double count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count, std::chars_format::fixed);
    const std::string_view unit{end, static_cast<std::size_t>(text.data() + text.size() - end)};
    const std::string quoted = "'" + std::string{text} + "'";
    if (error != std::errc{} || !(count >= 0) || text.starts_with('-')) {
        why = quoted + " is no duration: write a number and its unit, as in 250ms, 3s, 1m";
        return std::nullopt;
    }
    double nanoseconds = 0;
    if (unit == "us") nanoseconds = 1e3;
    else if (unit == "ms") nanoseconds = 1e6;
    else if (unit == "s") nanoseconds = 1e9;
    else if (unit == "m") nanoseconds = 60e9;
    else if (unit == "h") nanoseconds = 3600e9;
    else if (!unit.empty()) why = quoted + ": unknown unit '" + std::string{unit} + "' (us, ms, s, m, h)";
    else if (count != 0) why = quoted + " needs a unit, as in " + std::string{text} + "ms or " + std::string{text} + "s";
    else return Duration::zero();
    if (nanoseconds == 0) return std::nullopt;
    const std::chrono::duration<double, std::nano> exact{count * nanoseconds};
    constexpr auto most = std::chrono::hours{24 * 365 * 100};
    if (exact > most) {
        why = quoted + " is longer than a hundred years";
        return std::nullopt;
    }
    return std::chrono::round<Duration>(exact);
}

/// The shortest of the forms that `parse_duration()` reads.
inline std::string duration_text(Duration duration) {
    using namespace std::chrono;
    const auto whole = [&](auto unit, const char* name) -> std::optional<std::string> {
        if (duration % unit != Duration::zero()) return std::nullopt;
        return std::to_string(duration / unit) + name;
    };
    if (duration == Duration::zero()) return "0";
    if (auto text = whole(Duration{hours{1}}, "h")) return *text;
    if (auto text = whole(Duration{minutes{1}}, "m")) return *text;
    if (auto text = whole(Duration{seconds{1}}, "s")) return *text;
    if (auto text = whole(Duration{milliseconds{1}}, "ms")) return *text;
    return std::to_string(duration_cast<microseconds>(duration).count()) + "us";
}

}  // namespace examples

#endif
