#ifndef REJOIN_EXAMPLES_PARSE_SIZE_HPP
#define REJOIN_EXAMPLES_PARSE_SIZE_HPP

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

// Sizes in a configuration: "512KiB", "1MiB", "1.5GiB", or a bare number of bytes. Units of a thousand are refused, since half of
// those who write "MB" mean the other one.

namespace examples {

/// Bytes, or nothing with the reason in `why`.
inline std::optional<std::size_t> parse_size(std::string_view text, std::string& why) {
    double count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count, std::chars_format::fixed);
    const std::string_view unit{end, static_cast<std::size_t>(text.data() + text.size() - end)};
    const std::string quoted = "'" + std::string{text} + "'";
    if (error != std::errc{} || !std::isfinite(count) || text.starts_with('-')) {
        why = quoted + " is no size: write a number and its unit, as in 512KiB, 1MiB";
        return std::nullopt;
    }
    double factor = 1;
    if (unit == "KiB") {
        factor = 1024;
    } else if (unit == "MiB") {
        factor = 1024.0 * 1024;
    } else if (unit == "GiB") {
        factor = 1024.0 * 1024 * 1024;
    } else if (!unit.empty() && unit != "B") {
        why = quoted + ": unknown unit '" + std::string{unit} + "' (B, KiB, MiB, GiB)";
        return std::nullopt;
    }
    const double bytes = count * factor;
    constexpr double most = 9007199254740992.0;  // every whole number up to here is a double
    if (bytes > most || bytes != std::floor(bytes)) {
        why = quoted + (bytes > most ? " is too large" : " is no whole number of bytes");
        return std::nullopt;
    }
    return static_cast<std::size_t>(bytes);
}

}  // namespace examples

#endif
