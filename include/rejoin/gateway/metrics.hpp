#ifndef REJOIN_GATEWAY_METRICS_HPP
#define REJOIN_GATEWAY_METRICS_HPP

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <rejoin/resume/end_reason.hpp>
#include <rejoin/resume/resume_outcome.hpp>

namespace rejoin {

/// A number that any thread may add to and read.
class Counter {
public:
    void add(std::uint64_t amount = 1) noexcept { value_.fetch_add(amount, std::memory_order_relaxed); }
    std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

/// What a gateway counts. Never by stream, session or client: those are without bound.
///
/// Thread safety: all members may be used from any thread; the sum over several counters is not a snapshot.
struct GatewayMetrics {
    Counter requests;            ///< requests taken from clients
    Counter upstream_requests;   ///< requests sent upstream, reconnects included
    Counter upstream_failures;   ///< that did not lead to a response
    Counter streams_opened;
    Counter streams_completed;
    Counter streams_cut;
    Counter clients_opened;      ///< stream responses begun
    Counter clients_resumed;     ///< of those, continued from a log
    Counter clients_too_slow;    ///< cut because their cursor fell out of the log or they took nothing
    Counter events;              ///< events appended to logs
    Counter events_refused;      ///< events that can't be framed (an interceptor's doing), dropped
    Counter events_delivered;    ///< events written to clients
    Counter duplicates;          ///< repeats dropped after a reconnect
    Counter gaps;                ///< gap signals given
    Counter heartbeats;
    Counter evictions;           ///< events dropped by a log's bounds
    std::array<Counter, static_cast<std::size_t>(EndReason::closed) + 1> drops;  ///< upstream drops, by `EndReason`
    std::array<Counter, resume_outcome_count> resumes; ///< by `ResumeOutcome`

    Counter& drop(EndReason reason) noexcept { return drops[static_cast<std::size_t>(reason)]; }
    Counter& resume(ResumeOutcome outcome) noexcept { return resumes[static_cast<std::size_t>(outcome)]; }
};

}  // namespace rejoin

#endif
