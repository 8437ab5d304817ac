#ifndef REJOIN_HTTP_DETAIL_ADDRESS_HPP
#define REJOIN_HTTP_DETAIL_ADDRESS_HPP

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

#include <rejoin/http/detail/ascii.hpp>

// Addresses as they stand in URLs and lists of them, as bytes that can be compared.

namespace rejoin::detail {

struct AddressBytes {
    std::array<std::uint8_t, 16> bytes{};
    std::size_t size = 0;  // 4 or 16

    friend bool operator==(const AddressBytes&, const AddressBytes&) = default;

    // The first `bits` bits are the same, and the family.
    bool in_prefix(const AddressBytes& prefix, std::size_t bits) const noexcept {
        if (size != prefix.size || bits > size * 8) return false;
        for (std::size_t i = 0; i * 8 < bits; ++i) {
            const std::size_t kept = bits - i * 8 < 8 ? bits - i * 8 : 8;
            if (((bytes[i] ^ prefix.bytes[i]) & 0xFF & (0xFF00u >> kept)) != 0) return false;
        }
        return true;
    }
};

// All of `text` as a number up to `max`.
inline std::optional<unsigned> parse_number(std::string_view text, unsigned max, int base = 10) {
    unsigned value = 0;
    const char* const end = text.data() + text.size();
    const auto [at, failure] = std::from_chars(text.data(), end, value, base);
    if (text.empty() || failure != std::errc{} || at != end || value > max) return std::nullopt;
    return value;
}

// Dotted decimal, four parts.
inline std::optional<AddressBytes> parse_ipv4(std::string_view text) {
    AddressBytes address;
    for (address.size = 0; address.size < 4; ++address.size) {
        const std::size_t dot = text.find('.');
        if ((dot == std::string_view::npos) != (address.size == 3)) return std::nullopt;
        const auto part = parse_number(split_front(text, '.'), 255);
        if (!part) return std::nullopt;
        address.bytes[address.size] = static_cast<std::uint8_t>(*part);
    }
    return address;
}

// RFC 4291 2.2, without brackets and zone.
inline std::optional<AddressBytes> parse_ipv6(std::string_view text) {
    AddressBytes address;
    address.size = 16;
    std::size_t at = 0;
    std::optional<std::size_t> gap;  // where "::" stands
    if (text.starts_with("::")) {
        gap = 0;
        text.remove_prefix(2);
    }
    while (!text.empty()) {
        const std::size_t colon = text.find(':');
        if (colon == std::string_view::npos && text.find('.') != std::string_view::npos) {
            const auto v4 = parse_ipv4(text);
            if (!v4 || at > 12) return std::nullopt;
            for (std::size_t i = 0; i < 4; ++i) address.bytes[at++] = v4->bytes[i];
            break;
        }
        const auto group = parse_number(text.substr(0, colon), 0xFFFF, 16);
        if (!group || at > 14) return std::nullopt;
        address.bytes[at++] = static_cast<std::uint8_t>(*group >> 8);
        address.bytes[at++] = static_cast<std::uint8_t>(*group & 0xFF);
        if (colon == std::string_view::npos) break;
        text.remove_prefix(colon + 1);
        if (text.empty()) return std::nullopt;  // a single colon at the end
        if (text.front() != ':') continue;
        if (gap) return std::nullopt;
        gap = at;
        text.remove_prefix(1);
    }
    if (!gap) return at == 16 ? std::optional{address} : std::nullopt;
    if (at == 16) return std::nullopt;
    AddressBytes spread;
    spread.size = 16;
    for (std::size_t i = 0; i < at; ++i) spread.bytes[i < *gap ? i : i + 16 - at] = address.bytes[i];
    return spread;
}

inline std::optional<AddressBytes> parse_address(std::string_view text) {
    return text.find(':') == std::string_view::npos ? parse_ipv4(text) : parse_ipv6(text);
}

}  // namespace rejoin::detail

#endif
