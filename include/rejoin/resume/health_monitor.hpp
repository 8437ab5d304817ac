#ifndef REJOIN_RESUME_HEALTH_MONITOR_HPP
#define REJOIN_RESUME_HEALTH_MONITOR_HPP

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <system_error>

#include <rejoin/error.hpp>

namespace rejoin {

enum class Health : std::uint8_t {
    ok,
    idle,     ///< No byte at all for too long: the connection is taken for dead.
    stalled,  ///< Bytes (heartbeats), but no event for too long: alive, but starved.
};

/// The error that an expired clock ends a connection with; none for `ok`.
inline std::error_code make_error_code_for(Health health) noexcept {
    switch (health) {
    case Health::idle: return make_error_code(Error::idle_timeout);
    case Health::stalled: return make_error_code(Error::stalled);
    case Health::ok: break;
    }
    return {};
}

struct HealthMonitorOptions {
    /// Longest silence without any byte, milliseconds. Zero: off. Should be over twice the server's heartbeat interval.
    std::chrono::milliseconds idle{60'000};
    /// Longest time without an event, milliseconds, counted from the first event on only. Zero: off.
    std::chrono::milliseconds stalled{0};
    /// Learns the server's heartbeat interval: once four heartbeats came, `learned_factor` times the longest recent
    /// interval is the limit in place of a longer `idle`. Zero: off.
    double learned_factor = 0.0;
    /// The learned limit is not shorter than this, milliseconds.
    std::chrono::milliseconds learned_floor{5'000};
    /// Longest silence at the beginning of a connection that was asked to go on behind a cursor, milliseconds: some servers
    /// answer that and never send another byte. Doubled with each such connection in a row that brought none, so that a
    /// stream on which nothing happens is soon left in peace; never longer than `idle`. Zero: off.
    std::chrono::milliseconds resumed{0};
};

/// The two clocks of an open event stream. Both stand still while the consumer holds an event: a slow consumer is not a
/// dead server.
///
/// Of each connection: `start()` when its head has arrived, `on_bytes()`, `on_heartbeat()` and `on_event()` as they
/// come, `pause()` when an event is handed out and `resume()` when the consumer asks for the next. What was learned
/// outlives the connection. Not thread-safe.
class HealthMonitor {
public:
    using TimePoint = std::chrono::steady_clock::time_point;
    using Duration = std::chrono::steady_clock::duration;

    /// Throws `std::system_error` (`Error::invalid_option`): a negative duration, or a factor below 1 other than zero.
    explicit HealthMonitor(const HealthMonitorOptions& options = {}) : options_{options} {
        const std::chrono::milliseconds zero{0};
        const bool factor =
            options.learned_factor == 0.0 || (options.learned_factor >= 1.0 && options.learned_factor <= 1e6);
        if (options.idle < zero || options.stalled < zero || options.learned_floor < zero || options.resumed < zero || !factor) {
            throw std::system_error{make_error_code(Error::invalid_option), "HealthMonitorOptions"};
        }
    }

    /// A new connection is open; `resumed`: it was asked to go on behind a cursor.
    void start(TimePoint now, bool resumed = false) noexcept {
        if (mute_ && mute_before_ < most_doublings) ++mute_before_;
        mute_ = resumed && options_.resumed.count() > 0;
        last_byte_ = last_event_ = now;
        event_seen_ = heartbeat_seen_ = paused_ = false;
    }

    /// Bytes of any kind arrived.
    void on_bytes(TimePoint now) noexcept {
        last_byte_ = standing(now);
        mute_ = false;
        mute_before_ = 0;
    }

    /// An event arrived (its bytes were told by `on_bytes()`).
    void on_event(TimePoint now) noexcept {
        last_event_ = standing(now);
        event_seen_ = true;
    }

    /// A comment arrived: what servers send to show life. Only needed for learning.
    void on_heartbeat(TimePoint now) noexcept {
        if (options_.learned_factor == 0.0 || paused_) return;
        // From heartbeat to heartbeat: a timer of the server's may start anew with each event, but never fires sooner
        // than its interval.
        if (heartbeat_seen_ && now > last_heartbeat_) {
            intervals_[samples_ % intervals_.size()] = now - last_heartbeat_;
            ++samples_;
        }
        last_heartbeat_ = now;
        heartbeat_seen_ = true;
    }

    /// The consumer holds an event; the clocks stand still. Again while standing: nothing.
    void pause(TimePoint now) noexcept {
        if (paused_) return;
        paused_ = true;
        paused_at_ = now;
    }

    /// The consumer asks for the next event; the clocks go on where they stood.
    void resume(TimePoint now) noexcept {
        if (!paused_) return;
        paused_ = false;
        if (now <= paused_at_) return;
        const Duration held = now - paused_at_;
        last_byte_ += held;
        last_event_ += held;
        heartbeat_seen_ = false;  // heartbeats waited unread meanwhile; their distance says nothing
    }

    bool paused() const noexcept { return paused_; }

    /// When `check()` can first say something else than `ok` if nothing happens until then; `TimePoint::max()` for
    /// never.
    TimePoint next_deadline() const noexcept {
        if (paused_) return TimePoint::max();
        return std::min(idle_deadline(), stalled_deadline());
    }

    /// What the clocks say. Time spent paused does not count; while paused all is well.
    Health check(TimePoint now) const noexcept {
        if (paused_) return Health::ok;
        if (now >= idle_deadline()) return Health::idle;
        if (now >= stalled_deadline()) return Health::stalled;
        return Health::ok;
    }

    /// The silence allowed now; zero: any.
    Duration idle_limit() const noexcept {
        const Duration limit = steady_limit();
        if (!mute_) return limit;
        const Duration first = Duration{options_.resumed} * (1 << mute_before_);
        return limit.count() > 0 ? std::min(limit, first) : first;
    }

private:
    Duration steady_limit() const noexcept {
        const Duration configured = options_.idle;
        if (options_.learned_factor == 0.0 || samples_ < learn_after) return configured;
        const Duration longest = *std::max_element(intervals_.begin(), intervals_.end());
        const double scaled = static_cast<double>(longest.count()) * options_.learned_factor;
        const Duration top = configured.count() > 0 ? configured : std::chrono::hours{24};
        if (scaled >= static_cast<double>(top.count())) return configured;
        return std::min<Duration>(
            top, std::max<Duration>(Duration{static_cast<Duration::rep>(scaled)}, options_.learned_floor));
    }

    static constexpr std::size_t learn_after = 3;  // intervals, so four heartbeats
    static constexpr int most_doublings = 10;

    TimePoint standing(TimePoint now) const noexcept { return paused_ ? paused_at_ : now; }

    TimePoint idle_deadline() const noexcept {
        const Duration limit = idle_limit();
        return limit.count() > 0 ? last_byte_ + limit : TimePoint::max();
    }

    TimePoint stalled_deadline() const noexcept {
        return options_.stalled.count() > 0 && event_seen_ ? last_event_ + options_.stalled : TimePoint::max();
    }

    HealthMonitorOptions options_;
    TimePoint last_byte_{};
    TimePoint last_event_{};
    TimePoint last_heartbeat_{};
    TimePoint paused_at_{};
    std::array<Duration, 4> intervals_{};
    std::size_t samples_ = 0;
    int mute_before_ = 0;  // connections in a row that were asked to go on and brought nothing
    bool mute_ = false;    // this one was, and has brought nothing yet
    bool event_seen_ = false;
    bool heartbeat_seen_ = false;
    bool paused_ = false;
};

}  // namespace rejoin

#endif
