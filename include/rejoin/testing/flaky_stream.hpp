#ifndef REJOIN_TESTING_FLAKY_STREAM_HPP
#define REJOIN_TESTING_FLAKY_STREAM_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <rejoin/http/chunk.hpp>
#include <rejoin/testing/flaky_history.hpp>
#include <rejoin/testing/flaky_options.hpp>

namespace rejoin::testing {

/// Where and how one response of a `FlakyUpstream` runs.
struct FlakyPlan {
    std::uint64_t first = 1;  ///< Its first event.
    std::uint64_t seen = 0;   ///< The event that the request named; what is replayed of it doesn't count towards a cut.
    FlakyEnd end = FlakyEnd::clean;
    bool chunked = true;
    TimePoint begin = {};  ///< When its head was due.
    /// When event 1 was due, for a stream that is live: event n is due at its place in that time, whoever listens. Otherwise
    /// the first event is due at `begin`.
    std::optional<TimePoint> live_since = std::nullopt;
};

/// The body of one response of a `FlakyUpstream`, as bytes and times, without I/O: ask `next()`, do what it says, ask again.
class FlakyStream {
public:
    enum class Step : std::uint8_t {
        write,  ///< Send what was appended.
        wait,   ///< Nothing before `wait_until()`.
        last,   ///< All events are sent and the response is to end clean: send what was appended.
        cut,    ///< Send what was appended, then do what the plan's end says.
    };

    FlakyStream(const FlakyOptions& options, const FlakyPlan& plan)
        : options_{options}, history_{options.ids, options.data_size}, plan_{plan}, next_{plan.first}, last_write_{plan.begin} {}

    /// Appends bytes as they go on the wire.
    Step next(TimePoint now, std::string& out) {
        if (cut_due(now)) return cut(out);
        piece_.clear();
        if (options_.heartbeat > Duration::zero() && (!begun_ || now >= last_write_ + options_.heartbeat)) piece_ = ":\n";
        begun_ = true;
        frame(out);
        while (!all_sent() && !cut_due(now) && due(next_) <= now && out.size() < batch_bytes) {
            append_event(piece_);
            if (options_.chunk_bytes == 0) frame(out);
        }
        frame(out);
        if (!out.empty()) {
            last_write_ = now;
            return Step::write;
        }
        if (all_sent() && options_.after_last != FlakyAfterLast::hold) {
            if (plan_.chunked) out += last_chunk;
            return Step::last;
        }
        return Step::wait;
    }

    /// Precondition: `next()` has said `wait`.
    TimePoint wait_until() const {
        TimePoint until = TimePoint::max();
        if (!all_sent()) until = due(next_);
        if (options_.heartbeat > Duration::zero()) until = std::min(until, last_write_ + options_.heartbeat);
        if (options_.cut_every > Duration::zero()) until = std::min(until, plan_.begin + options_.cut_every);
        return until;
    }

    /// Appends what goes before an end of kind `plan.end`.
    Step cut(std::string& out) {
        if (plan_.end == FlakyEnd::clean && plan_.chunked) out += last_chunk;
        if (plan_.end == FlakyEnd::mid_event && !all_sent()) {
            std::string event;
            history_.append(event, next_);
            if (plan_.chunked) out += ChunkFraming{event.size()}.head();
            // Not even the line that has the id is whole.
            out.append(event, 0, event.size() / 2);
        }
        return Step::cut;
    }

    const FlakyPlan& plan() const noexcept { return plan_; }
    void set_end(FlakyEnd end) noexcept { plan_.end = end; }

    std::uint64_t events_sent() const noexcept { return next_ - plan_.first; }
    /// The event that comes next; where `events` is used up, the one behind the last.
    std::uint64_t position() const noexcept { return next_; }

    /// When the event n of a history that began at `since` is due at `rate` events a second.
    static TimePoint due_at(TimePoint since, std::uint64_t n, double rate) {
        if (rate <= 0) return since;
        return since + std::chrono::duration_cast<Duration>(std::chrono::duration<double>{static_cast<double>(n - 1) / rate});
    }

    /// The first event that is not yet past at `now`.
    static std::uint64_t live_at(TimePoint since, TimePoint now, double rate) {
        const double seconds = std::chrono::duration<double>{now - since}.count();
        auto n = static_cast<std::uint64_t>(std::max(0.0, std::ceil(seconds * rate))) + 1;
        while (n > 1 && due_at(since, n - 1, rate) >= now) --n;
        return n;
    }

private:
    static constexpr std::size_t batch_bytes = 16 * 1024;

    bool all_sent() const noexcept { return options_.events != 0 && next_ > options_.events; }

    bool cut_due(TimePoint now) const {
        const std::uint64_t counted_from = std::max(plan_.first, plan_.seen + 1);
        if (options_.cut_events != 0 && next_ >= counted_from + options_.cut_events) return true;
        return options_.cut_every > Duration::zero() && now >= plan_.begin + options_.cut_every;
    }

    TimePoint due(std::uint64_t n) const {
        if (plan_.live_since) return due_at(*plan_.live_since, n, options_.rate);
        return due_at(plan_.begin, n - plan_.first + 1, options_.rate);
    }

    void append_event(std::string& out) {
        if (options_.retry && events_sent() == 0) out.append("retry: ").append(std::to_string(options_.retry->count())).append("\n");
        history_.append(out, next_++);
    }

    // Moves what was made into `out` as chunks of the size asked for.
    void frame(std::string& out) {
        std::string_view rest = piece_;
        while (!rest.empty()) {
            const std::string_view part = rest.substr(0, options_.chunk_bytes == 0 ? rest.size() : options_.chunk_bytes);
            if (plan_.chunked) append_chunk(out, part);
            else out += part;
            rest.remove_prefix(part.size());
        }
        piece_.clear();
    }

    FlakyOptions options_;
    FlakyHistory history_;
    FlakyPlan plan_;
    std::uint64_t next_;
    TimePoint last_write_;
    std::string piece_;
    bool begun_ = false;
};

}  // namespace rejoin::testing

#endif
