#ifndef REJOIN_GATEWAY_METRICS_HPP
#define REJOIN_GATEWAY_METRICS_HPP

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <system_error>

#include <rejoin/error.hpp>
#include <rejoin/gateway/event_log.hpp>
#include <rejoin/resume/circuit_breaker.hpp>
#include <rejoin/resume/end_reason.hpp>
#include <rejoin/resume/phase.hpp>
#include <rejoin/resume/resume_outcome.hpp>
#include <rejoin/resume/resume_support.hpp>

namespace rejoin {

/// A number that any thread may add to and read.
class Counter {
public:
    void add(std::uint64_t amount = 1) noexcept { value_.fetch_add(amount, std::memory_order_relaxed); }
    std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

/// How observed values are spread: how many lie at or below each of a few fixed bounds, and their sum.
///
/// Values are whole numbers in a unit of the caller's (microseconds, events), so that an observation costs two relaxed
/// additions. Any thread may observe and read; a reading that runs beside observations may miss some of them.
class Histogram {
public:
    static constexpr std::size_t max_bounds = 15;

    /// `bounds`: inclusive, ascending, at most `max_bounds`. Throws `std::system_error` (`Error::invalid_option`).
    explicit Histogram(std::initializer_list<std::uint64_t> bounds) {
        if (bounds.size() > max_bounds) throw std::system_error{make_error_code(Error::invalid_option), "Histogram"};
        for (const std::uint64_t bound : bounds) {
            if (size_ > 0 && bound <= bounds_[size_ - 1]) throw std::system_error{make_error_code(Error::invalid_option), "Histogram"};
            bounds_[size_++] = bound;
        }
    }

    void observe(std::uint64_t value) noexcept {
        std::size_t bucket = 0;
        while (bucket < size_ && value > bounds_[bucket]) ++bucket;
        buckets_[bucket].add();
        sum_.add(value);
    }

    /// Number of bounds; there is one bucket more, for what is above the last.
    std::size_t size() const noexcept { return size_; }
    std::uint64_t bound(std::size_t i) const noexcept { return bounds_[i]; }
    /// Observations above `bound(i - 1)` and not above `bound(i)`: not cumulative.
    std::uint64_t bucket(std::size_t i) const noexcept { return buckets_[i].value(); }
    std::uint64_t sum() const noexcept { return sum_.value(); }

    std::uint64_t count() const noexcept {
        std::uint64_t all = 0;
        for (std::size_t i = 0; i <= size_; ++i) all += bucket(i);
        return all;
    }

    /// Takes in what another one with the same bounds observed.
    void add(const Histogram& other) noexcept {
        for (std::size_t i = 0; i <= size_; ++i) buckets_[i].add(other.bucket(i));
        sum_.add(other.sum());
    }

private:
    std::array<std::uint64_t, max_bounds> bounds_{};
    std::array<Counter, max_bounds + 1> buckets_;
    Counter sum_;
    std::size_t size_ = 0;
};

/// How a client's stream response ended.
enum class ClientEnd : std::uint8_t {
    complete,     ///< The stream's own end was written in full.
    client_left,  ///< The client closed, or its connection broke.
    slow,         ///< Cut: its cursor fell out of the log, or it took nothing until the write deadline.
    truncated,    ///< Cut, since the stream was cut and could not be resumed.
    drained,      ///< Ended between two events because the gateway is shutting down.
    replaced,     ///< A newer connection of the same client took over an exclusive stream.
};

inline constexpr std::size_t client_end_count = 6;

/// The name as written above, for logs and metric labels.
constexpr std::string_view to_string(ClientEnd end) noexcept {
    switch (end) {
    case ClientEnd::complete: return "complete";
    case ClientEnd::client_left: return "client_left";
    case ClientEnd::slow: return "slow";
    case ClientEnd::truncated: return "truncated";
    case ClientEnd::drained: return "drained";
    case ClientEnd::replaced: return "replaced";
    }
    return "unknown";
}

inline constexpr std::size_t phase_count = static_cast<std::size_t>(Phase::body) + 1;
inline constexpr std::size_t breaker_state_count = 3;

/// What a gateway counts. Never by stream, session or client: those are without bound.
///
/// Thread safety: all members may be used from any thread; the sum over several counters is not a snapshot.
struct GatewayMetrics {
    Counter requests;            ///< requests taken from clients
    Counter upstream_requests;   ///< requests sent upstream, reconnects included
    Counter upstream_failures;   ///< that did not lead to a response; see `upstream_failed()`
    Counter upstream_bytes;      ///< bytes of event streams read from upstreams
    Counter streams_opened;
    Counter streams_completed;
    Counter streams_cut;
    Counter streams_joined;      ///< that caught up with another stream, where their clients went on
    Counter clients_opened;      ///< stream responses begun
    Counter clients_resumed;     ///< of those, continued from a log
    Counter clients_joined;      ///< of those, behind the log's oldest event: caught up from the upstream, then joined to the log
    Counter clients_too_slow;    ///< cut because their cursor fell out of the log or they took nothing
    Counter clients_skipped;     ///< times that a client did not keep up and went on behind a gap
    Counter events_skipped;      ///< events passed over in those
    Counter client_bytes;        ///< bytes written to clients on event streams
    Counter events;              ///< events appended to logs
    Counter events_refused;      ///< events that can't be framed (an interceptor's doing), dropped
    Counter events_delivered;    ///< events written to clients
    Counter duplicates;          ///< repeats dropped after a reconnect
    Counter gaps;                ///< gap signals given; see `gap()`
    Counter heartbeats;          ///< sent to clients
    Counter heartbeats_missed;   ///< upstream streams taken for dead since not even a heartbeat came for too long
    Counter stalls;              ///< upstream streams given up since they sent heartbeats but no event
    Counter evictions;           ///< events dropped by a log's bounds; see `evicted()`
    std::array<Counter, end_reason_count> drops;         ///< upstream streams that ended, by `EndReason`
    std::array<Counter, end_reason_count> reconnects;    ///< attempts to go on with a stream, by what ended the last one
    std::array<Counter, resume_outcome_count> resumes;   ///< by `ResumeOutcome`
    std::array<Counter, phase_count> failures;           ///< attempts that got no response, by the `Phase` they came to
    std::array<Counter, eviction_reason_count> evictions_by;
    std::array<Counter, client_end_count> client_ends;   ///< stream responses that ended, by `ClientEnd`
    std::array<Counter, breaker_state_count> breaker_changes;  ///< by the `CircuitBreaker::State` that was entered
    std::array<Counter, 5> responses;                    ///< responses begun, by the status' first digit

    /// Events missing in the gaps of which the size is known.
    Histogram gap_events{1, 2, 5, 10, 20, 50, 100, 200, 500, 1'000, 10'000, 100'000};
    /// Microseconds from an upstream's drop until its stream was open again.
    Histogram recovery{5'000,     10'000,    25'000,    50'000,     100'000,    250'000,    500'000,    1'000'000,
                       2'500'000, 5'000'000, 10'000'000, 30'000'000, 60'000'000, 120'000'000, 300'000'000};

    Counter& drop(EndReason reason) noexcept { return drops[static_cast<std::size_t>(reason)]; }
    Counter& reconnect(EndReason cause) noexcept { return reconnects[static_cast<std::size_t>(cause)]; }
    Counter& resume(ResumeOutcome outcome) noexcept { return resumes[static_cast<std::size_t>(outcome)]; }
    Counter& breaker(CircuitBreaker::State entered) noexcept { return breaker_changes[static_cast<std::size_t>(entered)]; }

    /// A request that went upstream and got no response.
    void upstream_failed(Phase phase) noexcept {
        upstream_failures.add();
        failures[static_cast<std::size_t>(phase)].add();
    }

    /// A gap was signalled. `lost`: how many events are missing, 0 when nothing tells.
    void gap(std::uint64_t lost) noexcept {
        gaps.add();
        if (lost > 0) gap_events.observe(lost);
    }

    /// A client that did not keep up was moved on.
    void skipped(std::uint64_t times, std::uint64_t events_lost) noexcept {
        clients_skipped.add(times);
        events_skipped.add(events_lost);
        gap(events_lost);
    }

    void evicted(EvictionReason reason, std::uint64_t events_dropped) noexcept {
        evictions.add(events_dropped);
        evictions_by[static_cast<std::size_t>(reason)].add(events_dropped);
    }

    void client_ended(ClientEnd end) noexcept {
        if (end == ClientEnd::slow) clients_too_slow.add();
        client_ends[static_cast<std::size_t>(end)].add();
    }

    /// A response's head went out. A status that is none is not counted.
    void responded(int status) noexcept {
        if (status >= 100 && status < 600) responses[static_cast<std::size_t>(status / 100 - 1)].add();
    }

    /// Takes in what another part of the gateway counted, as where each thread counts for itself.
    void add(const GatewayMetrics& other) noexcept {
        for (const auto counter : counters) (this->*counter).add((other.*counter).value());
        add_each(drops, other.drops);
        add_each(reconnects, other.reconnects);
        add_each(resumes, other.resumes);
        add_each(failures, other.failures);
        add_each(evictions_by, other.evictions_by);
        add_each(client_ends, other.client_ends);
        add_each(breaker_changes, other.breaker_changes);
        add_each(responses, other.responses);
        gap_events.add(other.gap_events);
        recovery.add(other.recovery);
    }

private:
    static const std::array<Counter GatewayMetrics::*, 24> counters;

    template <std::size_t size>
    static void add_each(std::array<Counter, size>& to, const std::array<Counter, size>& from) noexcept {
        for (std::size_t i = 0; i < size; ++i) to[i].add(from[i].value());
    }
};

// Behind the class, which must be complete for pointers to its members to be constants.
inline constexpr std::array<Counter GatewayMetrics::*, 24> GatewayMetrics::counters{
    &GatewayMetrics::requests,       &GatewayMetrics::upstream_requests, &GatewayMetrics::upstream_failures,
    &GatewayMetrics::upstream_bytes, &GatewayMetrics::streams_opened,    &GatewayMetrics::streams_completed,
    &GatewayMetrics::streams_cut,    &GatewayMetrics::clients_opened,    &GatewayMetrics::clients_resumed,
    &GatewayMetrics::clients_joined, &GatewayMetrics::clients_too_slow,  &GatewayMetrics::client_bytes,
    &GatewayMetrics::streams_joined, &GatewayMetrics::clients_skipped,   &GatewayMetrics::events_skipped,
    &GatewayMetrics::events,         &GatewayMetrics::events_refused,    &GatewayMetrics::events_delivered,
    &GatewayMetrics::duplicates,     &GatewayMetrics::gaps,              &GatewayMetrics::heartbeats,
    &GatewayMetrics::heartbeats_missed, &GatewayMetrics::stalls,         &GatewayMetrics::evictions};

/// What is true of a gateway now, gathered when somebody asks.
struct GatewayGauges {
    std::uint64_t streams = 0;     ///< that are kept, those without clients included
    std::uint64_t clients = 0;     ///< on a stream
    std::uint64_t log_events = 0;  ///< in all logs
    std::uint64_t log_bytes = 0;   ///< of those events
    ResumeSupport resume_support = ResumeSupport::unknown;  ///< what the upstream was seen to make of `Last-Event-ID`; not summed up

    GatewayGauges& operator+=(const GatewayGauges& other) noexcept {
        streams += other.streams;
        clients += other.clients;
        log_events += other.log_events;
        log_bytes += other.log_bytes;
        return *this;
    }
};

}  // namespace rejoin

#endif
