#ifndef REJOIN_HTTP_BASIC_AUTHORIZATION_HPP
#define REJOIN_HTTP_BASIC_AUTHORIZATION_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <rejoin/http/detail/address.hpp>

namespace rejoin {

namespace detail {

// RFC 4648 4.
inline std::string base64(std::string_view bytes) {
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (; !bytes.empty(); bytes.remove_prefix(bytes.size() < 3 ? bytes.size() : 3)) {
        const auto byte = [bytes](std::size_t i) {
            return i < bytes.size() ? std::uint32_t{static_cast<unsigned char>(bytes[i])} : 0u;
        };
        const std::uint32_t group = byte(0) << 16 | byte(1) << 8 | byte(2);
        out.push_back(digits[group >> 18]);
        out.push_back(digits[group >> 12 & 63]);
        out.push_back(bytes.size() > 1 ? digits[group >> 6 & 63] : '=');
        out.push_back(bytes.size() > 2 ? digits[group & 63] : '=');
    }
    return out;
}

// RFC 3986 2.1; a percent sign without two hexadecimal digits stays.
inline std::string percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const std::string_view digits = text.substr(i + 1, 2);
        const bool encoded = text[i] == '%' && digits.size() == 2 && all_chars(digits, char_hex);
        out.push_back(encoded ? static_cast<char>(*parse_number(digits, 0xFF, 16)) : text[i]);
        if (encoded) i += 2;
    }
    return out;
}

}  // namespace detail

/// The value of Authorization or Proxy-Authorization (RFC 7617) that a URL's `userinfo` stands for: percent-decoded, and
/// with an empty password where it has none. Empty for an empty one.
inline std::string basic_authorization(std::string_view userinfo) {
    if (userinfo.empty()) return {};
    const bool has_password = userinfo.find(':') != std::string_view::npos;
    return "Basic " + detail::base64(detail::percent_decoded(userinfo) + (has_password ? "" : ":"));
}

}  // namespace rejoin

#endif
