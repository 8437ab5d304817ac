#ifndef REJOIN_CLIENT_STREAM_OBSERVER_HPP
#define REJOIN_CLIENT_STREAM_OBSERVER_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <rejoin/client/stream_item.hpp>
#include <rejoin/net/traits.hpp>

namespace rejoin {

/// Looks on at a stream: told of each item as it is handed to the reader, in the same order. One may look on at many streams.
/// Where a stream has none, nothing is spent on it.
///
/// Called on the stream's executor; must not throw, nor call the stream. Views in the item are valid during the call.
class StreamObserver {
public:
    virtual ~StreamObserver() = default;

    /// An event or a comment or an unknown field.
    virtual void on_event(const StreamItem& item) { static_cast<void>(item); }

    /// Anything else: what became of the connection. `now`: on the stream's clock.
    virtual void on_change(const StreamItem& item, TimePoint now) {
        static_cast<void>(item);
        static_cast<void>(now);
    }
};

/// Counts what happens to the streams it looks on at; for a metrics page. Times to recover are of one stream at a time, so
/// give each stream its own and add them up, or leave them aside.
class StreamCounters final : public StreamObserver {
public:
    std::uint64_t events = 0;
    std::uint64_t comments = 0;
    std::uint64_t opened = 0;
    /// Connections that ended, by how (index = `EndReason`).
    std::array<std::uint64_t, end_reason_count> dropped{};
    /// Waits before an attempt: as many as there were retries.
    std::uint64_t retries = 0;
    /// Outcomes by kind (index = `ResumeOutcome`).
    std::array<std::uint64_t, resume_outcome_count> outcomes{};
    std::uint64_t gaps = 0;
    /// Events missing in those gaps, where the ids tell.
    std::uint64_t lost = 0;
    std::uint64_t finished = 0;
    /// From a drop until the stream was open again: the sum, and how often.
    Duration recovering{};
    std::uint64_t recovered = 0;

    void on_event(const StreamItem& item) override { ++(item.kind == StreamItem::Kind::event ? events : comments); }

    void on_change(const StreamItem& item, TimePoint now) override {
        switch (item.kind) {
        case StreamItem::Kind::opened:
            ++opened;
            if (!dropped_at_) break;
            recovering += now - *dropped_at_;
            ++recovered;
            dropped_at_.reset();
            break;
        case StreamItem::Kind::dropped:
            ++dropped[static_cast<std::size_t>(item.end)];
            if (!dropped_at_) dropped_at_ = now;
            break;
        case StreamItem::Kind::waiting: ++retries; break;
        case StreamItem::Kind::resumed:
            ++outcomes[static_cast<std::size_t>(item.outcome)];
            if (item.gap) ++gaps;
            lost += item.lost;
            break;
        case StreamItem::Kind::finished: ++finished; break;
        default: break;
        }
    }

private:
    std::optional<TimePoint> dropped_at_;
};

}  // namespace rejoin

#endif
