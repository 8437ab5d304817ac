#ifndef REJOIN_TESTS_SUPPORT_REFERENCE_UTF8_HPP
#define REJOIN_TESTS_SUPPORT_REFERENCE_UTF8_HPP

#include <cstdint>
#include <string>
#include <string_view>

namespace rejoin::test {

/// The Encoding Standard's UTF-8 decoder on a whole stream, state by state as it is written there, re-encoded (BOM kept).
inline std::string reference_utf8_decode(std::string_view bytes) {
    std::string out;
    std::string sequence;
    int needed = 0;
    std::uint8_t lower = 0x80;
    std::uint8_t upper = 0xBF;
    for (std::size_t i = 0; i <= bytes.size(); ++i) {
        const bool end = i == bytes.size();
        if (needed != 0 &&
            (end || static_cast<std::uint8_t>(bytes[i]) < lower || static_cast<std::uint8_t>(bytes[i]) > upper)) {
            out += "\xEF\xBF\xBD";
            needed = 0;
            sequence.clear();
            lower = 0x80;
            upper = 0xBF;
            if (!end) --i;  // "prepend byte to stream"
            continue;
        }
        if (end) break;
        const auto byte = static_cast<std::uint8_t>(bytes[i]);
        if (needed != 0) {
            sequence += bytes[i];
            lower = 0x80;
            upper = 0xBF;
            if (--needed == 0) {
                out += sequence;
                sequence.clear();
            }
        } else if (byte <= 0x7F) {
            out += bytes[i];
        } else if (byte >= 0xC2 && byte <= 0xDF) {
            needed = 1;
        } else if (byte >= 0xE0 && byte <= 0xEF) {
            if (byte == 0xE0) lower = 0xA0;
            if (byte == 0xED) upper = 0x9F;
            needed = 2;
        } else if (byte >= 0xF0 && byte <= 0xF4) {
            if (byte == 0xF0) lower = 0x90;
            if (byte == 0xF4) upper = 0x8F;
            needed = 3;
        } else {
            out += "\xEF\xBF\xBD";
        }
        if (needed != 0 && sequence.empty()) sequence = bytes[i];
    }
    return out;
}

}  // namespace rejoin::test

#endif
