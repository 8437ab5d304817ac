#ifndef REJOIN_RESUME_RESUME_OUTCOME_HPP
#define REJOIN_RESUME_RESUME_OUTCOME_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <rejoin/version.hpp>

namespace rejoin {

/// What the first ids after a reconnect said about how the server took up the stream.
enum class ResumeOutcome : std::uint8_t {
    none,           ///< Nothing to say: a first connection without a cursor, or no own id seen yet.
    resumed,        ///< It went on with the direct successor of the cursor.
    overlapped,     ///< It replayed the cursor's event or some before it; the repeats were dropped.
    restarted,      ///< It started over and was followed up to the cursor; the repeats were dropped.
    gap_possible,   ///< It jumped: by the order of the ids, events are missing.
    epoch_changed,  ///< The ids belong to another numbering: the stream began anew. Everything is delivered.
    unverified,     ///< An id not seen before, and no order that tells where it stands.
};

inline constexpr std::size_t resume_outcome_count = 7;

/// The name as written above, for logs and metric labels.
constexpr std::string_view to_string(ResumeOutcome outcome) noexcept {
    switch (outcome) {
    case ResumeOutcome::none: return "none";
    case ResumeOutcome::resumed: return "resumed";
    case ResumeOutcome::overlapped: return "overlapped";
    case ResumeOutcome::restarted: return "restarted";
    case ResumeOutcome::gap_possible: return "gap_possible";
    case ResumeOutcome::epoch_changed: return "epoch_changed";
    case ResumeOutcome::unverified: return "unverified";
    }
    return "unknown";
}

/// What is to be done with one item, and what it told.
struct ResumeVerdict {
    /// False: a repeat of what was taken before (or nothing to deliver at all); drop it.
    bool deliver = true;
    /// An event with this id was taken before, but with another type or data. It is delivered.
    bool edited = false;
    /// Set on the item that decides the connection's outcome, and again on one that revises it (a jump or a new
    /// numbering that only shows behind an overlap); else `none`.
    ResumeOutcome outcome = ResumeOutcome::none;
    /// With `gap_possible`: how many ids lie between the cursor and this one.
    std::uint64_t lost = 0;
};

/// Sums over a tracker's life. They only grow.
struct TrackerCounters {
    std::uint64_t duplicates = 0;  ///< events dropped as repeats
    std::uint64_t edited = 0;      ///< events delivered again with other content
    std::uint64_t gaps = 0;        ///< jumps
    std::uint64_t lost = 0;        ///< ids missing in those jumps, saturating
    /// Outcomes by kind, index = the enumerator. A revised outcome counts as both.
    std::array<std::uint64_t, resume_outcome_count> outcomes{};

    std::uint64_t count(ResumeOutcome outcome) const noexcept { return outcomes[static_cast<std::size_t>(outcome)]; }
};

}  // namespace rejoin

#endif
