#ifndef REJOIN_SSE_DETAIL_FIELD_HPP
#define REJOIN_SSE_DETAIL_FIELD_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include <rejoin/sse/detail/attributes.hpp>
#include <rejoin/version.hpp>

namespace rejoin::detail {

/// If `line` is the field `name`, where its value begins (which is at most `line.size()`), else 0.
///
/// One byte behind the line must be readable, as its line end is.
template <std::size_t Size>
REJOIN_SSE_DETAIL_HOT inline std::size_t value_offset(std::string_view line, const char (&name)[Size]) noexcept {
    constexpr std::size_t length = Size - 1;
    if (line.size() < length || std::memcmp(line.data(), name, length) != 0) return 0;
    if (line.size() == length) return length;
    if (line.data()[length] != ':') return 0;
    return length + 1 + static_cast<std::size_t>(line.data()[length + 1] == ' ');
}

/// Whether a NUL stands in `text`. Ids are short: a call of memchr would cost more than the rest of the line.
REJOIN_SSE_DETAIL_HOT inline bool has_nul(std::string_view text) noexcept {
    const auto word_has_nul = [&](std::size_t at) {
        std::uint64_t word = 0;
        std::memcpy(&word, text.data() + at, sizeof word);
        return ((word - 0x0101010101010101) & ~word & 0x8080808080808080) != 0;
    };
    if (text.size() < 8) {
        for (const char c : text) {
            if (c == '\0') return true;
        }
        return false;
    }
    for (std::size_t at = 0; at + 8 < text.size(); at += 8) {
        if (word_has_nul(at)) return true;
    }
    return word_has_nul(text.size() - 8);
}

/// What can be told of a line from its beginning.
enum class LineClass : std::uint8_t { undecided, known, comment, unknown };

/// Bytes of a line after which it is always decided: the longest known name and its colon.
inline constexpr std::size_t decisive_bytes = 6;

inline LineClass classify_beginning(std::string_view line) noexcept {
    if (line.empty()) return LineClass::undecided;
    if (line.front() == ':') return LineClass::comment;
    LineClass best = LineClass::unknown;
    for (const std::string_view name :
         {std::string_view{"data:"}, std::string_view{"event:"}, std::string_view{"id:"}, std::string_view{"retry:"}}) {
        if (line.substr(0, name.size()) == name) return LineClass::known;
        if (name.substr(0, line.size()) == line) best = LineClass::undecided;
    }
    return best;
}

/// `retry` takes ASCII digits only; a number that does not fit becomes the greatest that does.
inline std::optional<std::chrono::milliseconds> parse_retry(std::string_view value) noexcept {
    constexpr std::int64_t greatest = std::chrono::milliseconds::max().count();
    if (value.empty()) return std::nullopt;
    std::int64_t number = 0;
    for (const char c : value) {
        if (c < '0' || c > '9') return std::nullopt;
        const std::int64_t digit = c - '0';
        number = number > (greatest - digit) / 10 ? greatest : number * 10 + digit;
    }
    return std::chrono::milliseconds{number};
}

}  // namespace rejoin::detail

#endif
