#ifndef REJOIN_RESUME_DETAIL_HASH_HPP
#define REJOIN_RESUME_DETAIL_HASH_HPP

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string_view>

#include <rejoin/version.hpp>

namespace rejoin::detail {

/// One step of the splitmix64 generator; also a good mixer of a counter.
constexpr std::uint64_t splitmix64(std::uint64_t& state) noexcept {
    state += 0x9E3779B97F4A7C15u;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/// A seed that differs between processes and between calls. The system's randomness is asked once per process.
inline std::uint64_t fresh_seed() {
    static const std::uint64_t process = [] {
        std::random_device device;
        return (static_cast<std::uint64_t>(device()) << 32) ^ device();
    }();
    static std::atomic<std::uint64_t> calls{0};
    std::uint64_t state = process ^ (calls.fetch_add(1, std::memory_order_relaxed) * 0xD1342543DE82EF95u);
    return splitmix64(state);
}

/// Both halves of the 128-bit product, folded: every bit of the result hangs on every bit of both factors.
inline std::uint64_t fold_multiply(std::uint64_t a, std::uint64_t b) noexcept {
#if defined(__SIZEOF_INT128__)
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
#else
    const std::uint64_t a_low = a & 0xFFFFFFFFu, a_high = a >> 32, b_low = b & 0xFFFFFFFFu, b_high = b >> 32;
    const std::uint64_t low = a_low * b_low, middle_1 = a_high * b_low, middle_2 = a_low * b_high,
                        high = a_high * b_high;
    const std::uint64_t carry = ((low >> 32) + (middle_1 & 0xFFFFFFFFu) + (middle_2 & 0xFFFFFFFFu)) >> 32;
    return (a * b) ^ (high + (middle_1 >> 32) + (middle_2 >> 32) + carry);
#endif
}

inline std::uint64_t load_64(const char* from) noexcept {
    std::uint64_t word;
    std::memcpy(&word, from, sizeof word);
    return word;
}

inline std::uint64_t load_32(const char* from) noexcept {
    std::uint32_t word;
    std::memcpy(&word, from, sizeof word);
    return word;
}

/// Keyed 64-bit hash of bytes, for tables in memory: differs between byte orders and is no authentication code.
/// 32 bytes a step in two independent lanes, so that long data runs at the multiplier's throughput, not its latency.
inline std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed) noexcept {
    // The keys hang on the seed: whoever does not know it cannot pick words that cancel one and so erase the state.
    const std::uint64_t key_2 = seed ^ 0xE7037ED1A0B428DBu, key_3 = seed ^ 0x8EBC6AF09C88C6E3u;
    const char* at = bytes.data();
    const std::size_t length = bytes.size();
    std::uint64_t state = seed ^ 0xA0761D6478BD642Fu;
    std::uint64_t first = 0, second = 0;
    if (length <= 16) {
        if (length >= 8) {
            first = load_64(at);
            second = load_64(at + length - 8);
        } else if (length >= 4) {
            first = load_32(at);
            second = load_32(at + length - 4);
        } else if (length > 0) {
            first = static_cast<unsigned char>(at[0]) |
                    (std::uint64_t{static_cast<unsigned char>(at[length / 2])} << 8) |
                    (std::uint64_t{static_cast<unsigned char>(at[length - 1])} << 16);
        }
    } else {
        std::size_t left = length;
        if (left > 32) {
            std::uint64_t lane = state ^ key_3;
            do {
                state = fold_multiply(load_64(at) ^ key_2, load_64(at + 8) ^ state);
                lane = fold_multiply(load_64(at + 16) ^ key_3, load_64(at + 24) ^ lane);
                at += 32;
                left -= 32;
            } while (left > 32);
            state ^= lane;
        }
        if (left > 16) {
            state = fold_multiply(load_64(at) ^ key_2, load_64(at + 8) ^ state);
            at += 16;
            left -= 16;
        }
        first = load_64(at + left - 16);
        second = load_64(at + left - 8);
    }
    return fold_multiply(key_2 ^ length, fold_multiply(first ^ key_2, second ^ state) ^ key_3);
}

}  // namespace rejoin::detail

#endif
