#ifndef REJOIN_CLIENT_DETAIL_STREAM_INTAKE_HPP
#define REJOIN_CLIENT_DETAIL_STREAM_INTAKE_HPP

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <rejoin/client/detail/stream_attempt.hpp>
#include <rejoin/client/reconnecting_stream_options.hpp>
#include <rejoin/client/stream_item.hpp>
#include <rejoin/net/watchdog.hpp>
#include <rejoin/sse/parser.hpp>

namespace rejoin::detail {

// How a connection's stream ended.
struct StreamEnd {
    EndReason reason = EndReason::complete;
    std::error_code error = {};
    bool incomplete = false;  // within an event
};

// From the bytes of one connection after another to items: parsed, verified against what was taken before, watched over.
// It tells the machine of progress and of `retry:`. The owner must keep it alive while receive() is pending.
template <class Traits>
class StreamIntake {
public:
    using Connection = BasicHttpClientConnection<Traits>;

    StreamIntake(const asio::any_io_executor& executor, const ReconnectingStreamOptions& options, ReconnectionMachine& machine)
        : machine_{machine},
          tracker_{options.tracker},
          parser_{parser_options(options)},
          health_{options.health},
          watchdog_{executor, [this](TimePoint now) { return check_health(now); }},
          commit_on_{options.tracker.commit_on},
          comments_{options.parser.comments} {}

    EventTracker& tracker() noexcept { return tracker_; }
    const EventTracker& tracker() const noexcept { return tracker_; }
    bool any_event() const noexcept { return any_event_; }
    std::uint64_t received() const noexcept { return received_; }
    // An event that was no repeat, or a moved cursor, on this connection.
    bool any_progress() const noexcept { return any_progress_; }

    // A connection has answered with a stream; `asked`: for what follows the cursor.
    void open(std::shared_ptr<Connection> connection, bool asked) {
        connection_ = std::move(connection);
        parser_.reset(tracker_.cursor());
        tracker_.begin_connection();
        continuity_said_ = !any_event_ || asked;
        drained_ = event_held_ = any_progress_ = false;
        now_ = Traits::Clock::now();
        health_.start(now_, asked);
        health_.pause(now_);
    }

    // The next item of what is there. False: see end(); if there is none, receive().
    bool next(StreamItem& item) {
        if (dropped_) return false;
        if (event_held_) {
            event_held_ = false;
            deliver(item);
            return true;
        }
        for (;;) {
            while (parser_.next(view_)) {
                if (take_view(item)) return true;
            }
            std::string_view piece;
            if (parser_.error() || !connection_->next_body(piece)) break;
            received_ += piece.size();
            health_.on_bytes(now_);  // the first of them may have come with the head
            parser_.feed(piece);
        }
        drained_ = true;
        return false;
    }

    // How the connection ended, once next() has returned false.
    std::optional<StreamEnd> end() const {
        if (dropped_) return StreamEnd{EndReason::closed, {}, parser_.mid_event()};
        if (parser_.error()) return StreamEnd{EndReason::protocol_error, parser_.error(), false};
        if (!connection_->body_ended()) return std::nullopt;
        const bool mid_event = parser_.mid_event();
        const std::error_code error = connection_->body_error();
        if (timeout_) return StreamEnd{EndReason::timed_out, timeout_, mid_event};
        if (error) return StreamEnd{failure_reason(error), error, mid_event};
        if (connection_->parser().framing() != HttpFraming::until_close) return StreamEnd{EndReason::complete, {}, mid_event};
        // No framing told the end, but the format does: within an event nobody stops on purpose.
        if (mid_event) return StreamEnd{EndReason::truncated, Error::truncated, true};
        return StreamEnd{EndReason::close_delimited, {}, false};
    }

    // Done with this connection. No receive() may be pending.
    void release() {
        watchdog_.stop();
        watched_until_ = TimePoint::max();
        connection_.reset();
        timeout_ = {};
        dropped_ = event_held_ = false;
    }

    // Done with it although it goes on: what is at hand may be the rest, and then it is good for another request.
    void leave() {
        std::string_view piece;
        while (!dropped_ && connection_->next_body(piece)) {}
        if (!connection_->reusable()) close();
        release();
    }

    // Gives the connection up: next() and receive() lead to end() now.
    void drop() {
        dropped_ = true;
        close();
    }

    // Gives the connection up for good: next() is not to be called any more. receive() may be pending.
    void close() {
        watchdog_.stop();
        watched_until_ = TimePoint::max();
        if (connection_) connection_->close();
        connection_.reset();
    }

    // Waits for bytes, unless next() has not yet been through with those that are there.
    Awaitable<> receive() {
        if (!drained_ || dropped_) co_return;
        const TimePoint begun = Traits::Clock::now();
        // A reader that is back at once has held nothing up; the monitor would otherwise not trust the heartbeats' distance.
        health_.resume(begun - now_ < negligible ? now_ : begun);
        watch();
        const HoldClocks hold{*this};
        const std::shared_ptr<Connection> connection = connection_;
        co_await connection->fill();
        drained_ = false;
        if (connection->body_ended()) co_return;
        timeout_ = {};  // what has come all the same has come in time
        health_.on_bytes(Traits::Clock::now());
    }

    void acknowledge(const SseEventView& event) {
        if (commit_on_ == CommitOn::acknowledged) tracker_.commit(event);
    }

private:
    // The clocks stand still whenever nobody waits here, be it that the wait was cancelled.
    struct HoldClocks {
        StreamIntake& intake;
        ~HoldClocks() {
            intake.now_ = Traits::Clock::now();
            intake.health_.pause(intake.now_);
        }
    };

    static SseParserOptions parser_options(const ReconnectingStreamOptions& options) {
        SseParserOptions parser = options.parser;
        parser.cursors = true;  // the tracker needs them
        parser.retries = true;
        parser.comments = parser.comments || options.health.learned_factor > 0.0;
        return parser;
    }

    // A first event or a learned interval may have brought the deadline nearer than the watchdog is set to.
    void watch() {
        const TimePoint deadline = health_.next_deadline();
        if (deadline >= watched_until_) return;
        watched_until_ = deadline;
        watchdog_.start(deadline);
    }

    std::optional<TimePoint> check_health(TimePoint now) {
        watched_until_ = TimePoint::max();
        timeout_ = make_error_code_for(health_.check(now));
        if (timeout_) connection_->cancel();
        if (timeout_ || health_.paused()) return std::nullopt;
        watched_until_ = health_.next_deadline();
        return watched_until_;
    }

    // True when `item` was filled in.
    bool take_view(StreamItem& item) {
        switch (view_.kind) {
        case SseItem::event: return take_event(item);
        case SseItem::cursor: take_cursor(); return false;
        case SseItem::retry:
            machine_.on_retry(*parser_.retry());
            item = {};
            item.kind = StreamItem::Kind::retry;
            item.delay = std::min<std::chrono::milliseconds>(*parser_.retry(), std::chrono::hours{24 * 365});
            return true;
        case SseItem::comment:
            // As of the read that brought it, when the clocks ran.
            health_.resume(now_);
            health_.on_heartbeat(now_);
            health_.pause(now_);
            if (!comments_) return false;
            item = {};
            item.kind = StreamItem::Kind::comment;
            item.event = view_;
            return true;
        case SseItem::field: break;
        }
        item = {};
        item.kind = StreamItem::Kind::field;
        item.event = view_;
        return true;
    }

    void take_cursor() {
        const std::string before{tracker_.cursor()};
        static_cast<void>(tracker_.observe(view_));
        // A server that sends the same one at the beginning of each connection makes no progress by that.
        if (tracker_.cursor() != before) progress();
    }

    bool take_event(StreamItem& item) {
        health_.on_event(now_);
        const auto verdict = tracker_.observe(view_);
        edited_ = verdict.edited;
        if (verdict.deliver) progress();
        // Events were taken, nothing to resume from could be sent: what came meanwhile only the ids may tell.
        const bool unknown = !continuity_said_;
        if (verdict.outcome == ResumeOutcome::none && !unknown) {
            if (verdict.deliver) deliver(item);
            return verdict.deliver;
        }
        continuity_said_ = true;
        event_held_ = verdict.deliver;
        item = {};
        item.kind = StreamItem::Kind::resumed;
        item.outcome = verdict.outcome != ResumeOutcome::none ? verdict.outcome : ResumeOutcome::unverified;
        const bool broken = item.outcome == ResumeOutcome::gap_possible || item.outcome == ResumeOutcome::epoch_changed;
        item.gap = broken || (unknown && item.outcome == ResumeOutcome::unverified);
        item.lost = verdict.lost;
        item.event.last_event_id = tracker_.cursor();
        return true;
    }

    void progress() {
        if (any_progress_) return;
        any_progress_ = true;
        machine_.on_progress(machine_.generation());
    }

    void deliver(StreamItem& item) {
        if (commit_on_ != CommitOn::acknowledged) tracker_.commit(view_);
        any_event_ = true;
        item = {};
        item.kind = StreamItem::Kind::event;
        item.event = view_;
        item.edited = edited_;
    }

    static constexpr Duration negligible = std::chrono::milliseconds{10};

    ReconnectionMachine& machine_;
    EventTracker tracker_;
    SseParser parser_;
    HealthMonitor health_;
    Watchdog<Traits> watchdog_;
    std::shared_ptr<Connection> connection_;
    SseEventView view_;
    TimePoint now_{};  // of the last read
    TimePoint watched_until_ = TimePoint::max();
    std::error_code timeout_;
    std::uint64_t received_ = 0;
    CommitOn commit_on_;
    bool comments_;
    bool any_event_ = false;
    bool any_progress_ = false;
    bool continuity_said_ = true;
    bool event_held_ = false;  // `view_` is still to be handed out
    bool edited_ = false;
    bool drained_ = false;     // next() has found nothing more in what was read
    bool dropped_ = false;
};

}  // namespace rejoin::detail

#endif
