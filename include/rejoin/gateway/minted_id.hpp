#ifndef REJOIN_GATEWAY_MINTED_ID_HPP
#define REJOIN_GATEWAY_MINTED_ID_HPP

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace rejoin {

/// An id of the gateway's own, for streams whose upstream sends none: `rj-<epoch>-<sequence>`, behind which a `StreamSeal`
/// puts its authentication. The epoch is random and new for each log, so an id of another log, or of one before a restart,
/// is never taken for one of this.
struct MintedId {
    std::uint64_t epoch = 0;
    std::uint64_t sequence = 0;

    static constexpr std::string_view prefix = "rj-";
    /// Longest text of an id.
    static constexpr std::size_t max_size = 3 + 16 + 1 + 20;

    /// Writes the id's text behind `out`.
    void append_to(std::string& out) const {
        constexpr std::string_view digits = "0123456789abcdef";
        out += prefix;
        for (int shift = 60; shift >= 0; shift -= 4) out += digits[(epoch >> shift) & 15];
        out += '-';
        std::array<char, 20> text;
        const auto end = std::to_chars(text.data(), text.data() + text.size(), sequence).ptr;
        out.append(text.data(), end);
    }

    /// The id in `text`, or nothing when it is not exactly as `append_to()` writes one.
    static std::optional<MintedId> parse(std::string_view text) {
        const std::string_view whole = text;
        if (!text.starts_with(prefix)) return std::nullopt;
        text.remove_prefix(prefix.size());
        if (text.size() < 18 || text[16] != '-') return std::nullopt;
        MintedId id;
        const auto epoch = std::from_chars(text.data(), text.data() + 16, id.epoch, 16);
        const auto sequence = std::from_chars(text.data() + 17, text.data() + text.size(), id.sequence, 10);
        if (epoch.ec != std::errc{} || sequence.ec != std::errc{}) return std::nullopt;
        std::string canonical;  // one id, one text: no upper case, no leading zeros, nothing behind it
        id.append_to(canonical);
        if (canonical != whole) return std::nullopt;
        return id;
    }
};

}  // namespace rejoin

#endif
