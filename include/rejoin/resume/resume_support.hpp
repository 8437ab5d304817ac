#ifndef REJOIN_RESUME_RESUME_SUPPORT_HPP
#define REJOIN_RESUME_RESUME_SUPPORT_HPP

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <rejoin/resume/resume_outcome.hpp>

namespace rejoin {

/// What a server makes of `Last-Event-ID`.
enum class ResumeSupport : std::uint8_t {
    unknown,  ///< Nothing has told yet.
    yes,      ///< It goes on behind the id, or a little before it.
    replays,  ///< It begins anew whatever the id: nothing is lost, but much sent twice.
    no,       ///< It sends what comes from now on: what was missed is lost.
};

inline constexpr std::size_t resume_support_count = 4;

/// The name as written above, for logs and metric labels.
constexpr std::string_view to_string(ResumeSupport support) noexcept {
    switch (support) {
    case ResumeSupport::unknown: return "unknown";
    case ResumeSupport::yes: return "yes";
    case ResumeSupport::replays: return "replays";
    case ResumeSupport::no: return "no";
    }
    return "unknown";
}

/// Learns that from what became of resumed streams. Where the ids have no order that tells, it stays unknown.
///
/// Not thread-safe.
class ResumeSupportLearner {
public:
    /// A resumed stream's outcome. `own`: the cursor was of an event that this side had read; of others nobody knows whether
    /// they were ever that server's, and a gap behind them tells nothing.
    void observe(ResumeOutcome outcome, bool own = true) noexcept {
        switch (outcome) {
        case ResumeOutcome::resumed:
        case ResumeOutcome::overlapped: learn(ResumeSupport::yes); break;
        case ResumeOutcome::restarted: learn(ResumeSupport::replays); break;
        case ResumeOutcome::gap_possible:
            // One that has dropped what was asked for looks the same, once.
            if (own && ++gaps_ >= gaps_that_tell && value_ != ResumeSupport::yes) value_ = ResumeSupport::no;
            break;
        case ResumeOutcome::none:
        case ResumeOutcome::epoch_changed:
        case ResumeOutcome::unverified: break;
        }
    }

    ResumeSupport value() const noexcept { return value_; }

private:
    static constexpr unsigned gaps_that_tell = 3;  // in a row

    void learn(ResumeSupport support) noexcept {
        value_ = support;
        gaps_ = 0;
    }

    ResumeSupport value_ = ResumeSupport::unknown;
    unsigned gaps_ = 0;
};

}  // namespace rejoin

#endif
