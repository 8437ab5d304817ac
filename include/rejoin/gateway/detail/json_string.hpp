#ifndef REJOIN_GATEWAY_DETAIL_JSON_STRING_HPP
#define REJOIN_GATEWAY_DETAIL_JSON_STRING_HPP

#include <cstddef>
#include <string>
#include <string_view>

#include <rejoin/sse/detail/utf8.hpp>

namespace rejoin::detail {

// A JSON string (RFC 8259, section 7) that is one line to whoever reads it: escaped is also what some readers take for the end of
// a line (U+0085, U+2028, U+2029) and what a terminal would obey (U+007F to U+009F). What is not UTF-8 becomes U+FFFD.
inline void append_json_string(std::string& out, std::string_view text) {
    constexpr std::string_view hex = "0123456789abcdef";
    const auto escape = [&](unsigned code) {
        out += "\\u";
        for (int shift = 12; shift >= 0; shift -= 4) out += hex[(code >> shift) & 15];
    };
    out += '"';
    std::string storage;
    text = utf8_replaced(text, storage);
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const auto next = [&](std::size_t n) { return i + n < text.size() ? static_cast<unsigned char>(text[i + n]) : 0u; };
        if (byte == '"' || byte == '\\') {
            out += '\\';
            out += text[i];
        } else if (byte < 0x20 || byte == 0x7f) {
            escape(byte);
        } else if (byte == 0xc2 && next(1) < 0xa0) {
            escape(next(1));
            ++i;
        } else if (byte == 0xe2 && next(1) == 0x80 && (next(2) == 0xa8 || next(2) == 0xa9)) {
            escape(0x2000 + (next(2) & 0x3f));
            i += 2;
        } else {
            out += text[i];
        }
    }
    out += '"';
}

}  // namespace rejoin::detail

#endif
