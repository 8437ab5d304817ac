#ifndef REJOIN_GATEWAY_LIVE_STREAM_HPP
#define REJOIN_GATEWAY_LIVE_STREAM_HPP

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>

#include <rejoin/client/reconnecting_stream.hpp>
#include <rejoin/gateway/client_writer.hpp>
#include <rejoin/gateway/event_framer.hpp>
#include <rejoin/gateway/event_log.hpp>
#include <rejoin/gateway/interceptor.hpp>
#include <rejoin/gateway/metrics.hpp>
#include <rejoin/gateway/minted_id.hpp>

namespace rejoin {

struct LiveStreamOptions {
    EventLogOptions log;
    IdMode ids = IdMode::passthrough;
    /// Type of the in-band gap signal; empty: none is sent.
    std::string gap_event = "sse-gap";
    /// Pass the upstream's `retry:` on.
    bool forward_retry = true;
    /// With one client: read no faster than it takes the events, so that it never falls out of the log; with none: hold
    /// what came after the last one left. Otherwise, and always with several clients, the slow fall out.
    bool backpressure = true;
    /// It goes on being read when its last client has left. False: it ends at once.
    bool lingers = true;
    /// Data of events that precede the cut of a stream that did not come to its end; none as a rule.
    std::vector<std::string> farewell = {};
};

/// One upstream stream, its log, and the clients that read it: upstream -> verified events -> interceptors -> log -> cursors.
///
/// Runs until the upstream is finished for good or `stop()`; a dropped upstream is reconnected meanwhile and its clients
/// stay. Owned by shared_ptr. Thread safety: one object only from its strand.
template <class Traits = DefaultTraits>
class BasicLiveStream : public std::enable_shared_from_this<BasicLiveStream<Traits>> {
public:
    using Upstream = BasicReconnectingStream<Traits>;
    using Writer = BasicClientWriter<Traits>;

    /// `interceptors`: null where there are none. `metrics` must outlive the stream.
    BasicLiveStream(const asio::any_io_executor& executor, std::unique_ptr<Upstream> upstream, LiveStreamOptions options,
                    std::unique_ptr<StreamInterceptors> interceptors, GatewayMetrics& metrics)
        : executor_{executor},
          upstream_{std::move(upstream)},
          options_{std::move(options)},
          interceptors_{std::move(interceptors)},
          metrics_{metrics},
          log_{std::make_shared<EventLog>(options_.log)},
          framer_{options_.ids, random_epoch()},
          space_{executor},
          idle_since_{Traits::Clock::now()} {}

    /// Begins to read the upstream.
    void start() {
        metrics_.streams_opened.add();
        if (!interceptors_) return spawn(executor_, run(this->shared_from_this()));
        auto handler = [self = this->shared_from_this()](std::exception_ptr failure) { detail::RethrowUnlessCanceled{}(failure); };
        asio::co_spawn(executor_, run(this->shared_from_this()), asio::bind_cancellation_slot(interceptors_->slot(), std::move(handler)));
    }

    /// Ends the stream now; its clients are broken off, visibly.
    void stop() {
        upstream_->close();
        space_.notify();
        // Later, since what is canceled may go on within the call.
        const bool intercepted = interceptors_ && interceptors_->waiting();
        if (intercepted) asio::post(executor_, [self = this->shared_from_this()] { self->interceptors_->cancel(); });
    }

    /// A client's cursor joins; its writer has been started. It is told when the stream ends.
    void attach(const std::shared_ptr<Writer>& writer) {
        clients_.push_back(writer);
        writer->pump();
        if (ended_) writer->close_after_log(complete_);
        on_space();
    }

    void detach(const std::shared_ptr<Writer>& writer) {
        const auto found = std::find(clients_.begin(), clients_.end(), writer);
        if (found == clients_.end()) return;
        clients_.erase(found);
        idle_since_ = Traits::Clock::now();
        held_ = writer->cursor();
        if (!options_.lingers && clients_.empty()) stop();
        space_.notify();
    }

    /// Ends what clients there are in favour of a newer one. Returns the cursor of the last one that was here.
    EventLog::Sequence displace() {
        EventLog::Sequence cursor = held_;
        for (const auto& client : clients_) {
            cursor = client->cursor();
            client->displace();
        }
        return cursor;
    }

    /// The cursor behind the event of that id, if the log has it. The gateway's own id with sequence 0 stands for the
    /// beginning.
    std::optional<EventLog::Sequence> find(std::string_view id) const {
        const auto minted = MintedId::parse(id);
        const bool beginning = minted && minted->epoch == epoch() && minted->sequence == 0;
        if (beginning) return log_->holds(0) ? std::optional<EventLog::Sequence>{0} : std::nullopt;
        return log_->find(id);
    }

    /// Called by a writer when its cursor has moved on after its socket had been full.
    void on_space() {
        if (waiting_for_space_) space_.notify();
    }

    /// Heartbeats and write deadlines of the clients, and the log's age bound.
    void check(TimePoint now) {
        log_->evict_older(now);
        count_evictions();
        for (const auto& client : clients_) client->check(now);
    }

    const std::shared_ptr<EventLog>& log() const noexcept { return log_; }
    std::uint64_t epoch() const noexcept { return framer_.epoch(); }
    /// Attempts to go on with the upstream so far.
    std::uint64_t reconnects() const noexcept { return reconnects_; }
    const std::vector<std::shared_ptr<Writer>>& clients() const noexcept { return clients_; }
    /// The head the upstream last answered with; null before it has.
    const ResponseHead* upstream_head() const noexcept { return upstream_->response(); }
    bool ended() const noexcept { return ended_; }
    /// Whether the end was an orderly one; meaningful once ended.
    bool complete() const noexcept { return complete_; }
    /// When the last client left; meaningful while none is attached.
    TimePoint idle_since() const noexcept { return idle_since_; }
    std::error_code error() const noexcept { return upstream_->error(); }

private:
    static std::uint64_t random_epoch() {
        std::random_device source;
        return (std::uint64_t{source()} << 32) | source();
    }

    // The parameter keeps the stream alive while it runs.
    Awaitable<> run(std::shared_ptr<BasicLiveStream> self) {
        try {
            co_await read(self);
        } catch (...) {
            upstream_->close();  // an interceptor threw: nobody can say what the event was to be
        }
        end();
    }

    Awaitable<> read(std::shared_ptr<BasicLiveStream> /*self*/) {
        StreamItem item;
        for (bool more = true; more;) {
            more = co_await upstream_->wait();
            now_ = Traits::Clock::now();
            while (upstream_->try_next(item)) {
                take(item);
                if (interceptors_ && interceptors_->waiting()) co_await finish_event();
                if (log_->last() - published_ < publish_events() && unpublished_bytes_ < options_.log.bytes / 4) continue;
                publish();
                if (must_wait()) co_await wait_for_space();
            }
            publish();
            if (must_wait()) co_await wait_for_space();
        }
    }

    // What came before the event does not wait for its interceptors.
    Awaitable<> finish_event() {
        publish();
        co_await interceptors_->wait();
        now_ = Traits::Clock::now();
        for (const SseEvent& event : interceptors_->events()) append(event.view());
    }

    Awaitable<> wait_for_space() {
        waiting_for_space_ = true;
        while (must_wait()) co_await space_.wait();
        waiting_for_space_ = false;
    }

    std::uint64_t publish_events() const { return std::max<std::uint64_t>(1, options_.log.events / 4); }

    void take(const StreamItem& item) {
        switch (item.kind) {
        case StreamItem::Kind::event: take_event(item.event); break;
        case StreamItem::Kind::retry:
            if (options_.forward_retry) framer_.retry(std::chrono::duration_cast<std::chrono::milliseconds>(item.delay));
            break;
        case StreamItem::Kind::opened:
            if (dropped_at_ != TimePoint{}) metrics_.recovery.observe(microseconds_since(dropped_at_));
            dropped_at_ = {};
            break;
        case StreamItem::Kind::dropped: take_drop(item); break;
        case StreamItem::Kind::waiting:
            metrics_.upstream_requests.add();
            metrics_.reconnect(last_end_).add();
            if (item.error && item.phase != Phase::body) metrics_.upstream_failed(item.phase);
            ++reconnects_;
            break;
        case StreamItem::Kind::resumed: take_resumed(item); break;
        default: break;
        }
    }

    void take_event(const SseEventView& event) {
        if (!interceptors_) return append(event);
        if (!interceptors_->take(event)) return;
        for (const SseEvent& made : interceptors_->events()) append(made.view());
    }

    void append(const SseEventView& event) {
        const std::size_t before = log_->bytes();
        (framer_.append(*log_, event, now_) ? metrics_.events : metrics_.events_refused).add();
        unpublished_bytes_ += log_->bytes() > before ? log_->bytes() - before : event.data.size();
    }

    void take_drop(const StreamItem& item) {
        metrics_.drop(item.end).add();
        if (item.error == Error::idle_timeout) metrics_.heartbeats_missed.add();
        if (item.error == Error::stalled) metrics_.stalls.add();
        last_end_ = item.end;
        if (dropped_at_ == TimePoint{}) dropped_at_ = Traits::Clock::now();
    }

    static std::uint64_t microseconds_since(TimePoint time) {
        return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(Traits::Clock::now() - time).count());
    }

    void count_evictions() {
        for (std::size_t i = 0; i < evicted_.size(); ++i) {
            const auto reason = static_cast<EvictionReason>(i);
            if (log_->evicted(reason) == evicted_[i]) continue;
            metrics_.evicted(reason, log_->evicted(reason) - evicted_[i]);
            evicted_[i] = log_->evicted(reason);
        }
    }

    void take_resumed(const StreamItem& item) {
        metrics_.resume(item.outcome).add();
        if (!item.gap) return;
        metrics_.gap(item.lost);
        if (!options_.gap_event.empty()) {
            framer_.append_gap(*log_, options_.gap_event, to_string(item.outcome), item.event.last_event_id, item.lost, now_);
        }
    }

    void publish() {
        const std::uint64_t duplicates = upstream_->tracker().counters().duplicates;
        metrics_.duplicates.add(duplicates - duplicates_);
        duplicates_ = duplicates;
        count_evictions();
        published_ = log_->last();
        unpublished_bytes_ = 0;
        for (const auto& client : clients_) client->pump();
    }

    // Whether reading on would push out of the log what its only reader has not had.
    bool must_wait() const {
        if (!options_.backpressure || clients_.size() > 1 || upstream_->finished()) return false;
        EventLog::Sequence cursor = held_;
        if (clients_.size() == 1) {
            if (clients_.front()->end() != Writer::End::none) return false;
            cursor = clients_.front()->cursor();
        }
        return log_->last() - cursor > options_.log.events / 2 || log_->bytes_after(cursor) > options_.log.bytes / 2;
    }

    void end() {
        ended_ = true;
        complete_ = upstream_->ended_complete();
        if (!complete_ && upstream_->error() != Error::closed) say_farewell();
        if (interceptors_) interceptors_->end(complete_ ? StreamEnding::complete : StreamEnding::cut);
        (complete_ ? metrics_.streams_completed : metrics_.streams_cut).add();
        idle_since_ = Traits::Clock::now();
        for (const auto& client : clients_) client->close_after_log(complete_);
    }

    void say_farewell() {
        for (const std::string& data : options_.farewell) {
            SseEventView event;
            event.type = "message";
            event.data = data;
            static_cast<void>(framer_.append(*log_, event, now_));
        }
    }

    asio::any_io_executor executor_;
    std::unique_ptr<Upstream> upstream_;
    LiveStreamOptions options_;
    std::unique_ptr<StreamInterceptors> interceptors_;
    GatewayMetrics& metrics_;
    std::shared_ptr<EventLog> log_;
    EventFramer framer_;
    std::vector<std::shared_ptr<Writer>> clients_;
    AsyncEvent space_;
    TimePoint now_{};
    TimePoint idle_since_;
    EventLog::Sequence published_ = 0;
    EventLog::Sequence held_ = 0;
    std::uint64_t duplicates_ = 0;
    std::uint64_t reconnects_ = 0;
    std::array<std::uint64_t, eviction_reason_count> evicted_{};  // counted in the metrics already
    TimePoint dropped_at_{};
    EndReason last_end_ = EndReason::connect_failed;
    std::size_t unpublished_bytes_ = 0;
    bool waiting_for_space_ = false;
    bool ended_ = false;
    bool complete_ = false;
};

using LiveStream = BasicLiveStream<>;

}  // namespace rejoin

#endif
