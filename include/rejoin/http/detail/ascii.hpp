#ifndef REJOIN_HTTP_DETAIL_ASCII_HPP
#define REJOIN_HTTP_DETAIL_ASCII_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// The character classes of RFC 9110 and RFC 9112, free of any locale, and the few text helpers that the folder shares.

namespace rejoin::detail {

inline constexpr std::uint8_t char_token = 1;   // RFC 9110 5.6.2 tchar
inline constexpr std::uint8_t char_target = 2;  // what may stand in a request target: visible ASCII but '#'
inline constexpr std::uint8_t char_value = 4;   // RFC 9110 5.5: HTAB, SP, VCHAR, obs-text
inline constexpr std::uint8_t char_digit = 8;
inline constexpr std::uint8_t char_hex = 16;
inline constexpr std::uint8_t char_alpha = 32;
inline constexpr std::uint8_t char_host = 64;  // RFC 3986 reg-name without percent-encoding

inline constexpr std::array<std::uint8_t, 256> char_classes = [] {
    std::array<std::uint8_t, 256> table{};
    const auto mark = [&table](std::string_view set, std::uint8_t bit) {
        for (const char c : set) {
            auto& entry = table[static_cast<unsigned char>(c)];
            entry = static_cast<std::uint8_t>(entry | bit);
        }
    };
    constexpr std::string_view digits = "0123456789";
    constexpr std::string_view alpha = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    mark(digits, char_digit | char_hex | char_token | char_host);
    mark(alpha, char_alpha | char_token | char_host);
    mark("abcdefABCDEF", char_hex);
    mark("!#$%&'*+-.^_`|~", char_token);
    mark("-._~!$&'()*+,;=", char_host);
    mark("\t", char_value);
    for (std::size_t c = 0x20; c < 256; ++c) {
        if (c == 0x7F) continue;
        table[c] = static_cast<std::uint8_t>(table[c] | char_value);
        if (c > 0x20 && c < 0x7F && c != '#') table[c] = static_cast<std::uint8_t>(table[c] | char_target);
    }
    return table;
}();

constexpr bool is_char(char c, std::uint8_t classes) noexcept {
    return (char_classes[static_cast<unsigned char>(c)] & classes) != 0;
}

constexpr bool all_chars(std::string_view text, std::uint8_t classes) noexcept {
    for (const char c : text) {
        if (!is_char(c, classes)) return false;
    }
    return true;
}

constexpr bool is_token(std::string_view text) noexcept { return !text.empty() && all_chars(text, char_token); }

constexpr char to_lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

inline std::string to_lower(std::string_view text) {
    std::string out{text};
    for (char& c : out) c = to_lower(c);
    return out;
}

constexpr bool iequals(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (to_lower(a[i]) != to_lower(b[i])) return false;
    }
    return true;
}

// Without the optional white space (RFC 9110 5.6.3: SP and HTAB) at both ends.
constexpr std::string_view trim(std::string_view text) noexcept {
    const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

// Takes the text before the next separator off the front; what follows the separator stays in `rest`.
constexpr std::string_view split_front(std::string_view& rest, char separator) noexcept {
    const std::size_t at = rest.find(separator);
    const std::string_view front = rest.substr(0, at);
    rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
    return front;
}

}  // namespace rejoin::detail

#endif
