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
#include <rejoin/gateway/detail/catch_up.hpp>
#include <rejoin/gateway/event_framer.hpp>
#include <rejoin/gateway/event_log.hpp>
#include <rejoin/gateway/interceptor.hpp>
#include <rejoin/gateway/live_stream_options.hpp>
#include <rejoin/gateway/metrics.hpp>
#include <rejoin/gateway/minted_id.hpp>
#include <rejoin/gateway/stream_seal.hpp>
#include <rejoin/resume/resume_support.hpp>

namespace rejoin {

/// One upstream stream, its log, and the clients that read it: upstream -> verified events -> interceptors -> log -> cursors.
///
/// Runs until the upstream is finished for good or `stop()`; a dropped upstream is reconnected meanwhile and its clients
/// stay. One that catches up (`catch_up()`) ends where another one's log begins, and its clients go on there.
/// Owned by shared_ptr. Thread safety: one object only from its strand.
template <class Traits = DefaultTraits>
class BasicLiveStream : public std::enable_shared_from_this<BasicLiveStream<Traits>> {
public:
    using Upstream = BasicReconnectingStream<Traits>;
    using Writer = BasicClientWriter<Traits>;

    /// `interceptors`: null where there are none. `seal`: of the identity that the stream is for; its keys, `support`, which
    /// learns from this stream, and `metrics` must outlive it.
    BasicLiveStream(const asio::any_io_executor& executor, std::unique_ptr<Upstream> upstream, LiveStreamOptions options, StreamSeal seal,
                    ResumeSupportLearner& support, std::unique_ptr<StreamInterceptors> interceptors, GatewayMetrics& metrics)
        : executor_{executor},
          upstream_{std::move(upstream)},
          options_{std::move(options)},
          support_{support},
          interceptors_{std::move(interceptors)},
          metrics_{metrics},
          log_{std::make_shared<EventLog>(options_.log)},
          framer_{{options_.ids, options_.seal_wide_ids, options_.fill_in_ids}, random_epoch(), seal},
          space_{executor},
          idle_since_{Traits::Clock::now()} {}

    /// Begins to read the upstream.
    void start() {
        metrics_.streams_opened.add();
        if (!interceptors_) return spawn(executor_, run(this->shared_from_this()));
        auto handler = [self = this->shared_from_this()](std::exception_ptr failure) { detail::RethrowUnlessCanceled{}(failure); };
        asio::co_spawn(executor_, run(this->shared_from_this()), asio::bind_cancellation_slot(interceptors_->slot(), std::move(handler)));
    }

    /// Before `start()`: the upstream is asked for what follows this id.
    void set_seed(std::string upstream_id) { seed_ = std::move(upstream_id); }
    const std::string& seed() const noexcept { return seed_; }

    /// Before `start()`: this stream serves a client whose id `main` no longer has, and is read only until it meets `main`'s
    /// log. `seen`: that id, as logs have it. `exclusive`: who gets there takes the place of those who are.
    void catch_up(const std::shared_ptr<BasicLiveStream>& main, std::string seen, bool exclusive) {
        catch_up_.begin(main, std::move(seen), exclusive);
    }

    /// Ends the stream now; its clients are broken off, visibly.
    void stop() {
        upstream_->close();
        space_.notify();
        // Later, since what is canceled may go on within the call.
        const bool intercepted = interceptors_ && interceptors_->waiting();
        if (intercepted) asio::post(executor_, [self = this->shared_from_this()] { self->interceptors_->cancel(); });
    }

    /// A client's cursor joins; its writer has been started. It is told when the stream ends. Until `Writer::leave()`, which must
    /// be called, each owns the other.
    void attach(const std::shared_ptr<Writer>& writer) {
        clients_.push_back(writer);
        tail_asked_ = tail_asked_ || (ended_ && writer->cursor() >= log_->last_with_id());
        const auto self = this->shared_from_this();
        writer->belong([self] { self->on_space(); }, [self, raw = writer.get()] { self->detach(*raw); });
        writer->pump();
        if (ended_) end(writer);
        on_space();
    }

    /// Ends what clients there are in favour of a newer one.
    void displace() {
        for (const auto& client : clients_) client->displace();
    }

    /// Where the last client began that is or was here.
    EventLog::Sequence client_began() const { return clients_.empty() ? began_ : clients_.back()->began(); }

    /// The cursor of a client that says it has seen the event of that id; nothing where what follows is not all in the log.
    std::optional<EventLog::Sequence> find(std::string_view id) const {
        if (!catch_up_.leads_on()) return std::nullopt;
        // Where an id stands for two events, the client means one that was written to somebody.
        const auto found = log_->find(id, furthest());
        return found ? found : log_->find(id);
    }

    /// The same for an id that this stream may have minted; sequence 0 stands for the beginning.
    std::optional<EventLog::Sequence> find(const MintedId& id) const {
        const bool held = id.epoch == epoch() && log_->holds(id.sequence) && catch_up_.leads_on();
        return held ? std::optional{id.sequence} : std::nullopt;
    }

    /// Whether that id is of the newest event, be it that the log has dropped it already.
    bool is_newest(std::string_view upstream_id) const {
        const bool at_rest = !ended_ && !upstream_->tracker().verifying();
        return at_rest && !upstream_id.empty() && newest_upstream_id() == upstream_id;
    }

    /// The upstream's id of the newest event; empty where that has none.
    std::string newest_upstream_id() const {
        if (newest_with_id_ != log_->last()) return {};
        return interceptors_ ? done_id_ : std::string{upstream_->tracker().cursor()};
    }

    /// It has caught up with another stream, where its clients go on.
    bool joined() const noexcept { return catch_up_.joined() != nullptr; }

    /// The gateway's own id of an event; 0 stands for the stream's beginning.
    std::string own_id(EventLog::Sequence sequence) const { return framer_.own_id(sequence); }

    /// Heartbeats and write deadlines of the clients, and the log's age bound.
    void check(TimePoint now) {
        log_->evict_older(now);
        count_evictions();
        for (const auto& client : clients_) {
            client->check(now);
            client->tell(metrics_);
        }
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
    /// What its client waited for was answered in the upstream's place (`LiveStreamOptions::farewell`): there is nothing to come
    /// back for.
    bool said_farewell() const noexcept { return said_farewell_; }
    /// When the last client left; meaningful while none is attached.
    TimePoint idle_since() const noexcept { return idle_since_; }
    /// Meaningful once ended.
    TimePoint ended_at() const noexcept { return ended_at_; }
    /// It has ended, and behind `cursor` there is nothing, or nothing with an id that a client could name instead: events of that
    /// kind are repeated once where the end was an orderly one, and else the upstream's to repeat.
    bool is_over_at(EventLog::Sequence cursor) const noexcept {
        return ended_ && (cursor == log_->last() || (cursor >= log_->last_with_id() && (tail_repeated_ || !is_final())));
    }
    /// It came to an end that leaves nothing to be asked for.
    bool is_final() const noexcept { return complete_ || said_farewell_; }
    std::error_code error() const noexcept { return upstream_->error(); }

private:
    static std::uint64_t random_epoch() {
        std::random_device source;
        return (std::uint64_t{source()} << 32) | source();
    }

    void on_space() {
        if (waiting_for_space_) space_.notify();
    }

    void detach(const Writer& writer) {
        held_ = writer.cursor();
        // Events without an id at the end are given again to one who comes back for them; once, or that would never end.
        tail_repeated_ = tail_repeated_ || (tail_asked_ && held_ == log_->last());
        began_ = writer.began();
        remove(writer);
        if (!options_.lingers && clients_.empty()) stop();
        space_.notify();
    }

    void remove(const Writer& writer) {
        furthest_ = std::max(furthest_, held_);
        std::erase_if(clients_, [&writer](const auto& client) { return client.get() == &writer; });
        idle_since_ = Traits::Clock::now();
    }

    // The parameter keeps the stream alive while it runs.
    Awaitable<> run(std::shared_ptr<BasicLiveStream> self) {
        try {
            co_await read(self);
        } catch (...) {
            broken_ = true;
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
                if (log_->last() - published_ < publish_events() && log_->appended_bytes() - published_bytes_ < options_.log.bytes / 4) continue;
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
        take_intercepted();
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
            if (item.error && item.phase != Phase::body) {
                metrics_.upstream_failed(item.phase);
                last_end_ = EndReason::connect_failed;
            }
            metrics_.reconnect(last_end_).add();
            ++reconnects_;
            break;
        case StreamItem::Kind::resumed: take_resumed(item); break;
        case StreamItem::Kind::comment:
            if (options_.forward_comments && !clients_.empty()) static_cast<void>(SseWriter{comments_}.comment(item.event.data));
            break;
        default: break;
        }
    }

    void take_event(const SseEventView& event) {
        if (catch_up_.under_way() && meets_main()) return;  // the other one may have come up meanwhile
        if (!interceptors_) return append(event);
        if (!interceptors_->take(event)) return;
        take_intercepted();
    }

    // What the interceptors have made of an event.
    void take_intercepted() {
        if (const auto id = interceptors_->id()) done_id_.assign(*id);
        for (const SseEvent& made : interceptors_->events()) append(made.view());
    }

    void append(const SseEventView& event) {
        const bool framed = framer_.append(*log_, event, now_);
        (framed ? metrics_.events : metrics_.events_refused).add();
        if (framed && event.has_id) newest_with_id_ = log_->last();
        if (!framed || !catch_up_.under_way()) return;
        catch_up_.take(event.has_id ? framer_.client_id(*log_, event.id) : std::string_view{});
        meets_main();
    }

    // True when this stream has caught up, and reads no further.
    bool meets_main() {
        if (!catch_up_.meets()) return false;
        upstream_->close();
        return true;
    }

    // How far any client has got.
    EventLog::Sequence furthest() const {
        EventLog::Sequence cursor = furthest_;
        for (const auto& client : clients_) cursor = std::max(cursor, client->cursor());
        return cursor;
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
        support_.observe(item.outcome, log_->last() > 0);
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
        metrics_.upstream_bytes.add(upstream_->received() - received_);
        received_ = upstream_->received();
        count_evictions();
        published_ = log_->last();
        published_bytes_ = log_->appended_bytes();
        for (const auto& client : clients_) client->pump();
        if (comments_.empty()) return;
        for (const auto& client : clients_) client->insert(comments_);
        comments_.clear();
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
        complete_ = !joined() && upstream_->ended_complete();
        if (!complete_ && (broken_ || upstream_->error() != Error::closed)) say_farewell();
        if (interceptors_) interceptors_->end(complete_ ? StreamEnding::complete : StreamEnding::cut);
        (complete_ ? metrics_.streams_completed : joined() ? metrics_.streams_joined : metrics_.streams_cut).add();
        idle_since_ = ended_at_ = Traits::Clock::now();
        const auto clients = clients_;  // those that go on elsewhere leave
        for (const auto& client : clients) end(client);
    }

    void end(const std::shared_ptr<Writer>& client) {
        if (!joined()) return client->close_after_log(complete_);
        const std::weak_ptr<BasicLiveStream> self = this->weak_from_this();
        client->continue_with(catch_up_.joined()->log(), catch_up_.at(), [self, writer = std::weak_ptr{client}] {
            const auto from = self.lock();
            const auto moved = writer.lock();
            if (!from || !moved) return;
            from->metrics_.clients_joined.add();
            from->held_ = from->log_->last();
            from->remove(*moved);
            const auto to = from->catch_up_.joined();
            if (from->catch_up_.exclusive()) to->displace();
            to->attach(moved);
        });
    }

    // With ids of the gateway's own, so that a client can tell that it has seen it.
    void say_farewell() {
        for (const std::string& data : options_.farewell) {
            const std::string id = own_id(log_->last() + 1);
            SseEventView event;
            event.type = "message";
            event.data = data;
            event.has_id = true;
            event.id = id;
            said_farewell_ = framer_.append(*log_, event, now_) || said_farewell_;
        }
    }

    asio::any_io_executor executor_;
    std::unique_ptr<Upstream> upstream_;
    LiveStreamOptions options_;
    ResumeSupportLearner& support_;
    std::unique_ptr<StreamInterceptors> interceptors_;
    GatewayMetrics& metrics_;
    std::shared_ptr<EventLog> log_;
    EventFramer framer_;
    std::vector<std::shared_ptr<Writer>> clients_;
    AsyncEvent space_;
    TimePoint now_{};
    TimePoint idle_since_;
    TimePoint ended_at_{};
    EventLog::Sequence published_ = 0;
    EventLog::Sequence held_ = 0;      // cursor of the client that left last
    EventLog::Sequence began_ = 0;     // and where it began
    EventLog::Sequence furthest_ = 0;  // of all that have left
    EventLog::Sequence newest_with_id_ = 0;
    detail::CatchUp<BasicLiveStream> catch_up_;
    std::string seed_;
    std::string done_id_;                        // with interceptors: the upstream's id of the event they have dealt with last
    std::string comments_;                       // to be passed on behind the events
    std::uint64_t duplicates_ = 0;
    std::uint64_t received_ = 0;
    std::uint64_t reconnects_ = 0;
    std::array<std::uint64_t, eviction_reason_count> evicted_{};  // counted in the metrics already
    TimePoint dropped_at_{};
    EndReason last_end_ = EndReason::connect_failed;
    std::uint64_t published_bytes_ = 0;
    bool waiting_for_space_ = false;
    bool ended_ = false;
    bool complete_ = false;
    bool said_farewell_ = false;
    bool tail_asked_ = false;     // by one who came behind the end
    bool tail_repeated_ = false;  // to such a one
    bool broken_ = false;
};

using LiveStream = BasicLiveStream<>;

}  // namespace rejoin

#endif
