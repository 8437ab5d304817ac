#ifndef REJOIN_SSE_DETAIL_LINE_SCAN_HPP
#define REJOIN_SSE_DETAIL_LINE_SCAN_HPP

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <rejoin/sse/detail/attributes.hpp>
#include <rejoin/version.hpp>

// REJOIN_NO_SIMD forces the portable code.
#if !defined(REJOIN_NO_SIMD) && (defined(__SSE2__) || defined(_M_X64))
#define REJOIN_SSE_DETAIL_SSE2 1
#include <emmintrin.h>
#endif

namespace rejoin::detail {

/// Bytes looked at in one step: one bit each in the mask.
inline constexpr std::size_t scan_block = 64;

/// Bit i is set where byte i of 8 is LF or CR. Any machine.
inline std::uint64_t line_ends_of_word(const char* bytes) noexcept {
    if constexpr (std::endian::native != std::endian::little) {
        std::uint64_t mask = 0;
        for (std::size_t i = 0; i < 8; ++i) mask |= std::uint64_t{bytes[i] == '\n' || bytes[i] == '\r'} << i;
        return mask;
    } else {
        constexpr std::uint64_t low = 0x7f7f7f7f7f7f7f7f;
        // The top bit of each byte that is zero, exact: no carry leaves a byte.
        const auto zeros = [](std::uint64_t x) { return ~(((x & low) + low) | x | low); };
        std::uint64_t word = 0;
        std::memcpy(&word, bytes, sizeof word);
        const std::uint64_t hits = zeros(word ^ 0x0a0a0a0a0a0a0a0a) | zeros(word ^ 0x0d0d0d0d0d0d0d0d);
        return ((hits >> 7) * 0x0102040810204080) >> 56;
    }
}

/// Bit i is set where byte i of 64 is LF or CR. Any machine.
inline std::uint64_t line_ends_of_block_portable(const char* bytes) noexcept {
    std::uint64_t mask = 0;
    for (std::size_t i = 0; i < scan_block; i += 8) mask |= line_ends_of_word(bytes + i) << i;
    return mask;
}

/// The same for fewer than 64 bytes; the bits behind the last byte are zero. Reads nothing beyond `size`.
inline std::uint64_t line_ends_of_tail_portable(const char* bytes, std::size_t size) noexcept {
    std::uint64_t mask = 0;
    std::size_t i = 0;
    for (; i + 8 <= size; i += 8) mask |= line_ends_of_word(bytes + i) << i;
    for (; i < size; ++i) mask |= std::uint64_t{bytes[i] == '\n' || bytes[i] == '\r'} << i;
    return mask;
}

#if defined(REJOIN_SSE_DETAIL_SSE2)

inline __m128i load16(const char* bytes) noexcept { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)); }

inline std::uint64_t line_ends_of_vector(__m128i bytes) noexcept {
    const __m128i hits =
        _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\r')));
    return static_cast<std::uint32_t>(_mm_movemask_epi8(hits));
}

inline std::uint64_t line_ends_of_block(const char* bytes) noexcept {
    const __m128i a = load16(bytes), b = load16(bytes + 16), c = load16(bytes + 32), d = load16(bytes + 48);
    // Most blocks hold no control character at all; one test for that costs half of the exact comparison.
    const __m128i least = _mm_min_epu8(_mm_min_epu8(a, b), _mm_min_epu8(c, d));
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(least, _mm_set1_epi8('\r')), least);
    if (_mm_movemask_epi8(control) == 0) return 0;
    return line_ends_of_vector(a) | line_ends_of_vector(b) << 16 | line_ends_of_vector(c) << 32 |
           line_ends_of_vector(d) << 48;
}

/// Overlapping loads instead of a copy into a padded block: the copy stalls on its own stores.
REJOIN_SSE_DETAIL_COLD inline std::uint64_t line_ends_of_tail(const char* bytes, std::size_t size) noexcept {
    if (size >= 16) {
        std::uint64_t mask = line_ends_of_vector(load16(bytes + size - 16)) << (size - 16);
        for (std::size_t i = 0; i + 16 < size; i += 16) mask |= line_ends_of_vector(load16(bytes + i)) << i;
        return mask;
    }
    if (size >= 8) return line_ends_of_word(bytes) | line_ends_of_word(bytes + size - 8) << (size - 8);
    return line_ends_of_tail_portable(bytes, size);
}

#else

inline std::uint64_t line_ends_of_block(const char* bytes) noexcept { return line_ends_of_block_portable(bytes); }
inline std::uint64_t line_ends_of_tail(const char* bytes, std::size_t size) noexcept {
    return line_ends_of_tail_portable(bytes, size);
}

#endif

/// Finds the line ends of one run of bytes, front to back, each byte looked at once however many lines there are.
class LineScanner {
public:
    static constexpr std::size_t npos = static_cast<std::size_t>(-1);

    void start(std::string_view bytes) noexcept {
        bytes_ = bytes.data();
        size_ = bytes.size();
        block_ = 0;
        mask_ = size_ >= scan_block ? line_ends_of_block(bytes_) : line_ends_of_tail(bytes_, size_);
    }

    /// The first LF or CR at or behind `from`. Between calls `from` must not go back, nor pass a line end that was not
    /// returned, unless everything up to it is known to hold none that matters.
    REJOIN_SSE_DETAIL_HOT std::size_t find(std::size_t from) noexcept {
        const std::size_t offset = from - block_;
        if (offset < scan_block) {
            const std::uint64_t rest = mask_ >> offset;
            if (rest != 0) return from + static_cast<std::size_t>(std::countr_zero(rest));
            return find_in_blocks(block_ + scan_block);
        }
        // Blank lines are stepped over without a search: the block to look at begins here.
        return find_in_blocks(from);
    }

private:
    std::size_t find_in_blocks(std::size_t block) noexcept {
        const char* const bytes = bytes_;
        const std::size_t size = size_;
        std::uint64_t mask = 0;
        for (; block + scan_block <= size; block += scan_block) {
            mask = line_ends_of_block(bytes + block);
            if (mask != 0) break;
        }
        if (mask == 0 && block < size) mask = line_ends_of_tail(bytes + block, size - block);
        block_ = block;
        mask_ = mask;
        return mask != 0 ? block + static_cast<std::size_t>(std::countr_zero(mask)) : npos;
    }

    const char* bytes_ = nullptr;
    std::size_t size_ = 0;
    std::size_t block_ = 0;  // where the block begins whose mask we hold
    std::uint64_t mask_ = 0;
};

/// The first LF or CR in `text`, else `LineScanner::npos`.
inline std::size_t find_line_end(std::string_view text) noexcept {
    if (text.empty()) return LineScanner::npos;
    LineScanner scanner;
    scanner.start(text);
    return scanner.find(0);
}

}  // namespace rejoin::detail

#endif
