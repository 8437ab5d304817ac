#ifndef REJOIN_RESUME_ID_ORDER_HPP
#define REJOIN_RESUME_ID_ORDER_HPP

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string_view>

#include <rejoin/version.hpp>

namespace rejoin {

/// How one id stands to another.
struct IdStep {
    enum class Kind : std::uint8_t {
        incomparable,  ///< Nothing can be said.
        before,        ///< Older than the one compared with.
        same,
        next,   ///< The direct successor: nothing lies between.
        later,  ///< Newer, but whether anything lies between the ids do not tell.
        gap,    ///< Newer, and at least `lost` ids lie between.
    };
    Kind kind = Kind::incomparable;
    std::uint64_t lost = 0;
};

/// Tells how `id` stands to `cursor`, the last id taken. Both views are valid for the call only. Called a few times per
/// connection, not per event. Must not throw.
using IdStepFunction = std::function<IdStep(std::string_view cursor, std::string_view id)>;

/// Which order the ids of a stream have.
enum class IdOrder : std::uint8_t {
    automatic,  ///< `integer` where both are plain decimal, else none. Ids that usually leave holes make no gaps.
    none,       ///< Opaque ids: nothing is ever read into them.
    integer,    ///< Decimal counters without holes: a jump of n is a gap of n - 1.
    ms_seq,     ///< `milliseconds-sequence`, as Redis Streams makes them.
    ulid,       ///< ULID, 26 characters of Crockford's base 32.
    custom,     ///< `EventTrackerOptions::step` decides.
};

namespace detail {

inline bool all_digits(std::string_view text) noexcept {
    if (text.empty()) return false;
    for (const char c : text) {
        if (c < '0' || c > '9') return false;
    }
    return true;
}

/// The number, if `text` is digits only and fits.
inline std::optional<std::uint64_t> parse_decimal(std::string_view text) noexcept {
    if (!all_digits(text)) return std::nullopt;
    constexpr std::uint64_t max = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t value = 0;
    for (const char c : text) {
        const auto digit = static_cast<std::uint64_t>(c - '0');
        if (value > (max - digit) / 10) return std::nullopt;
        value = value * 10 + digit;
    }
    return value;
}

struct MsSeq {
    std::uint64_t ms = 0, seq = 0;
};

inline std::optional<MsSeq> parse_ms_seq(std::string_view text) noexcept {
    const auto dash = text.find('-');
    if (dash == std::string_view::npos) return std::nullopt;
    const auto ms = parse_decimal(text.substr(0, dash));
    const auto seq = parse_decimal(text.substr(dash + 1));
    if (!ms || !seq) return std::nullopt;
    return MsSeq{*ms, *seq};
}

/// A ULID as a 128-bit number; its upper 48 bits are the time.
struct UlidValue {
    std::uint64_t high = 0, low = 0;
};

inline std::optional<UlidValue> parse_ulid(std::string_view text) noexcept {
    constexpr std::string_view digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    if (text.size() != 26 || text[0] < '0' || text[0] > '7') return std::nullopt;
    UlidValue value;
    for (const char c : text) {
        const char upper = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        const auto digit = digits.find(upper);
        if (digit == std::string_view::npos) return std::nullopt;
        value.high = (value.high << 5) | (value.low >> 59);
        value.low = (value.low << 5) | digit;
    }
    return value;
}

/// `later - earlier` is `distance`, at least 1.
inline IdStep counted_step(std::uint64_t distance) noexcept {
    if (distance == 1) return {IdStep::Kind::next, 0};
    return {IdStep::Kind::gap, distance - 1};
}

/// The outer look of an id. Two ids of one stream that differ in it come from different numberings.
enum class IdShape : std::uint8_t { other, decimal, ms_seq, ulid };

inline IdShape id_shape(std::string_view id) noexcept {
    if (all_digits(id)) return IdShape::decimal;
    if (parse_ms_seq(id)) return IdShape::ms_seq;
    if (parse_ulid(id)) return IdShape::ulid;
    return IdShape::other;
}

}  // namespace detail

/// Decimal numbers up to 2^64 - 1, leading zeros allowed.
inline IdStep integer_step(std::string_view cursor, std::string_view id) noexcept {
    const auto from = detail::parse_decimal(cursor);
    const auto to = detail::parse_decimal(id);
    if (!from || !to) return {};
    if (*to < *from) return {IdStep::Kind::before, 0};
    if (*to == *from) return {IdStep::Kind::same, 0};
    return detail::counted_step(*to - *from);
}

/// `milliseconds-sequence`. Within one millisecond the sequence counts; the first of a later millisecond may follow
/// directly or not.
inline IdStep ms_seq_step(std::string_view cursor, std::string_view id) noexcept {
    const auto from = detail::parse_ms_seq(cursor);
    const auto to = detail::parse_ms_seq(id);
    if (!from || !to) return {};
    if (to->ms < from->ms || (to->ms == from->ms && to->seq < from->seq)) return {IdStep::Kind::before, 0};
    if (to->ms == from->ms) {
        if (to->seq == from->seq) return {IdStep::Kind::same, 0};
        return detail::counted_step(to->seq - from->seq);
    }
    // A sequence above zero in a new millisecond says that its predecessors existed.
    if (to->seq > 0) return {IdStep::Kind::gap, to->seq};
    return {IdStep::Kind::later, 0};
}

/// ULIDs. A monotonic generator counts by one within a millisecond; anything else that is newer tells no number.
inline IdStep ulid_step(std::string_view cursor, std::string_view id) noexcept {
    const auto from = detail::parse_ulid(cursor);
    const auto to = detail::parse_ulid(id);
    if (!from || !to) return {};
    if (to->high < from->high || (to->high == from->high && to->low < from->low)) return {IdStep::Kind::before, 0};
    if (to->high == from->high && to->low == from->low) return {IdStep::Kind::same, 0};
    const std::uint64_t low = to->low - from->low;
    const std::uint64_t high = to->high - from->high - (to->low < from->low ? 1 : 0);
    const bool same_millisecond = (to->high >> 16) == (from->high >> 16);
    constexpr std::uint64_t plausible_count = std::uint64_t{1} << 32;  // more is another random draw, not a count
    if (same_millisecond && high == 0 && low < plausible_count) return detail::counted_step(low);
    return {IdStep::Kind::later, 0};
}

}  // namespace rejoin

#endif
