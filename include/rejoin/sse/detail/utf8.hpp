#ifndef REJOIN_SSE_DETAIL_UTF8_HPP
#define REJOIN_SSE_DETAIL_UTF8_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <rejoin/version.hpp>

namespace rejoin::detail {

/// What stands at the front of some bytes: one well-formed sequence, or the maximal part of an ill-formed one.
struct Utf8Step {
    std::size_t length;
    bool valid;
};

/// Reads one step as the decoder of the Encoding Standard does (https://encoding.spec.whatwg.org/#utf-8-decoder):
/// a byte that can't continue the sequence ends it and is looked at again. `bytes` must not be empty.
inline Utf8Step utf8_step(std::string_view bytes) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
    const std::uint8_t lead = byte(0);
    if (lead < 0x80) return {1, true};
    std::size_t length = 0;
    // Only the second byte has bounds of its own: against overlong forms, surrogates and what lies past U+10FFFF.
    std::uint8_t lower = 0x80;
    std::uint8_t upper = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) {
        length = 2;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        length = 3;
        if (lead == 0xe0) lower = 0xa0;
        if (lead == 0xed) upper = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        length = 4;
        if (lead == 0xf0) lower = 0x90;
        if (lead == 0xf4) upper = 0x8f;
    } else {
        return {1, false};
    }
    for (std::size_t i = 1; i < length; ++i) {
        if (i == bytes.size() || byte(i) < lower || byte(i) > upper) return {i, false};
        lower = 0x80;
        upper = 0xbf;
    }
    return {length, true};
}

/// How many bytes at the front are well-formed.
inline std::size_t utf8_valid_prefix(std::string_view bytes) noexcept {
    std::size_t i = 0;
    while (i < bytes.size()) {
        if (bytes.size() - i >= 8) {
            std::uint64_t word = 0;
            std::memcpy(&word, bytes.data() + i, sizeof word);
            if ((word & 0x8080808080808080) == 0) {
                i += 8;
                continue;
            }
        }
        const Utf8Step step = utf8_step(bytes.substr(i));
        if (!step.valid) return i;
        i += step.length;
    }
    return i;
}

inline bool utf8_valid(std::string_view bytes) noexcept { return utf8_valid_prefix(bytes) == bytes.size(); }

/// `bytes` as they are where they are well-formed, else decoded into `storage` with U+FFFD for each ill-formed part.
inline std::string_view utf8_replaced(std::string_view bytes, std::string& storage) {
    std::size_t valid = utf8_valid_prefix(bytes);
    if (valid == bytes.size()) return bytes;
    storage.clear();
    while (true) {
        storage.append(bytes.substr(0, valid));
        bytes.remove_prefix(valid);
        if (bytes.empty()) return storage;
        storage.append("\xEF\xBF\xBD");
        bytes.remove_prefix(utf8_step(bytes).length);
        valid = utf8_valid_prefix(bytes);
    }
}

/// `bytes` without a sequence that was cut at their end.
inline std::string_view utf8_without_cut_end(std::string_view bytes) noexcept {
    for (std::size_t back = 1; back <= 3 && back <= bytes.size(); ++back) {
        const auto byte = static_cast<std::uint8_t>(bytes[bytes.size() - back]);
        if (byte < 0x80) break;
        if (byte < 0xc0) continue;
        const Utf8Step step = utf8_step(bytes.substr(bytes.size() - back));
        if (!step.valid && step.length == back) bytes.remove_suffix(back);
        break;
    }
    return bytes;
}

}  // namespace rejoin::detail

#endif
