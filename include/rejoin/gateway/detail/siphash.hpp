#ifndef REJOIN_GATEWAY_DETAIL_SIPHASH_HPP
#define REJOIN_GATEWAY_DETAIL_SIPHASH_HPP

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace rejoin::detail {

struct SipKey {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
};

// Little endian, as the algorithm is defined; `bytes` has `count` of them at least, of at most 8.
constexpr std::uint64_t little_endian(std::string_view bytes, std::size_t count = 8) noexcept {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < count; ++i) word |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    return word;
}

// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash made for messages as short as event ids. Not a general-purpose
// digest: its 64 bits withstand guessing over a network, which is all that an id has to.
constexpr std::uint64_t siphash(const SipKey& key, std::string_view text) noexcept {
    std::uint64_t v0 = key.low ^ 0x736f6d6570736575u;
    std::uint64_t v1 = key.high ^ 0x646f72616e646f6du;
    std::uint64_t v2 = key.low ^ 0x6c7967656e657261u;
    std::uint64_t v3 = key.high ^ 0x7465646279746573u;
    const auto round = [&] {
        v0 += v1; v1 = std::rotl(v1, 13); v1 ^= v0; v0 = std::rotl(v0, 32);
        v2 += v3; v3 = std::rotl(v3, 16); v3 ^= v2;
        v0 += v3; v3 = std::rotl(v3, 21); v3 ^= v0;
        v2 += v1; v1 = std::rotl(v1, 17); v1 ^= v2; v2 = std::rotl(v2, 32);
    };
    const auto take = [&](std::uint64_t word) {
        v3 ^= word;
        round();
        round();
        v0 ^= word;
    };
    const std::uint64_t length = text.size();
    for (; text.size() >= 8; text.remove_prefix(8)) take(little_endian(text));
    take(length << 56 | little_endian(text, text.size()));
    v2 ^= 0xff;
    for (int i = 0; i < 4; ++i) round();
    return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace rejoin::detail

#endif
