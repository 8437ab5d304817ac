#ifndef REJOIN_CLIENT_DETAIL_STREAM_ENGINE_HPP
#define REJOIN_CLIENT_DETAIL_STREAM_ENGINE_HPP

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <rejoin/client/detail/item_queue.hpp>
#include <rejoin/client/detail/stream_attempt.hpp>
#include <rejoin/client/detail/stream_intake.hpp>
#include <rejoin/client/reconnecting_stream_options.hpp>
#include <rejoin/client/stream_item.hpp>
#include <rejoin/http/retry_after.hpp>

namespace rejoin::detail {

// What a reconnecting stream is inside: the machine that decides, and the attempt, the connection or the wait it has
// decided on. Every await owns the engine, which may so outlive the stream that the user holds.
template <class Traits>
class StreamEngine {
public:
    using Ptr = std::shared_ptr<StreamEngine>;
    using Response = BasicMessageResponse<Traits>;

    StreamEngine(const asio::any_io_executor& executor, HttpRequest request, ReconnectingStreamOptions options)
        : executor_{executor},
          request_{std::move(request)},
          client_{options.client},
          machine_{options.reconnection},
          intake_{executor, options, machine_},
          wake_{executor},
          breaker_{options.breaker},
          error_body_limit_{options.error_body} {
        if (const auto id = request_.headers.get("Last-Event-ID")) {
            const std::string cursor{*id};
            request_.headers.erase("Last-Event-ID");
            intake_.tracker().seed(cursor);
        }
    }

    StreamEngine(const StreamEngine&) = delete;
    StreamEngine& operator=(const StreamEngine&) = delete;

    void adopt(Response response) {
        act(machine_.start(Traits::Clock::now()));
        sent_cursor_ = tracker().header_value().has_value();
        take_response(std::move(response));
    }

    static Awaitable<std::optional<SseEvent>> next(Ptr self) {
        StreamItem item;
        for (bool more = true; more;) {
            while (self->try_next(item)) {
                if (item.kind == StreamItem::Kind::event) co_return SseEvent{item.event};
            }
            more = co_await self->wait_here();
        }
        co_return std::nullopt;
    }

    static Awaitable<StreamItem> next_item(Ptr self) {
        StreamItem item;
        while (!self->try_next(item)) {
            const bool more = co_await self->wait_here();
            if (more) continue;
            item = {};
            item.error = self->error_;
            break;
        }
        co_return item;
    }

    static Awaitable<bool> wait(Ptr self) {
        const bool more = co_await self->wait_here();
        co_return more;
    }

    bool try_next(StreamItem& item) {
        for (;;) {
            if (news_.take(item)) return true;
            if (!connected()) return false;
            if (intake_.next(item)) return true;
            const auto end = intake_.end();
            if (!end) return false;
            take_end(*end);
        }
    }

    void acknowledge(const SseEventView& event) { intake_.acknowledge(event); }

    void close() {
        if (finished()) return;
        if (attempt_) {
            if (breaker_) breaker_->release();
            std::exchange(attempt_, nullptr)->abandon();
        }
        intake_.close();
        act(machine_.stop());
        wake_.notify();
    }

    void reconnect_now() {
        if (machine_.state() == State::waiting) {
            act(machine_.reconnect_now(Traits::Clock::now()));
            wake_.notify();
        } else if (connected()) {
            intake_.drop();
        }
    }

    bool finished() const noexcept { return machine_.state() == State::finished; }
    bool connected() const noexcept { return machine_.state() == State::streaming; }
    const std::error_code& error() const noexcept { return error_; }
    const std::error_code& cause() const noexcept { return cause_; }
    bool ended_complete() const noexcept { return ended_complete_; }
    const ResponseHead* response() const noexcept { return response_ ? &*response_ : nullptr; }
    const std::string& error_body() const noexcept { return error_body_; }
    const EventTracker& tracker() const noexcept { return intake_.tracker(); }

private:
    using State = ReconnectionMachine::State;

    void act(const ReconnectionAction& action) {
        switch (action.kind) {
        case ReconnectionAction::Kind::none:
        case ReconnectionAction::Kind::connect: break;
        case ReconnectionAction::Kind::wait: {
            until_ = action.deadline;
            StreamItem& item = news_.add(StreamItem::Kind::waiting);
            item.delay = action.delay;
            item.error = action.error;
            break;
        }
        case ReconnectionAction::Kind::finish:
            error_ = action.error;
            cause_ = action.cause;
            ended_complete_ = action.regular_end();
            news_.add(StreamItem::Kind::finished).error = error_;
            break;
        }
    }

    // Never goes on over something that waits to be taken.
    Awaitable<bool> wait_here() {
        if (news_.empty()) {
            switch (machine_.state()) {
            case State::idle: act(machine_.start(Traits::Clock::now())); break;
            case State::connecting: co_await attempt(); break;
            case State::streaming: co_await intake_.receive(); break;
            case State::waiting: co_await pause(); break;
            case State::finished: break;
            }
        }
        co_return !news_.empty() || !finished();
    }

    Awaitable<> pause() {
        const TimePoint now = Traits::Clock::now();
        if (now < until_) {
            wake_.clear();
            Deadline<Traits> deadline{executor_, until_ - now, [this] { wake_.notify(); }};
            co_await wake_.wait();
        }
        if (machine_.state() == State::waiting) act(machine_.on_timer(Traits::Clock::now()));
    }

    Awaitable<> attempt() {
        if (!attempt_ && !permitted()) co_return;
        if (!attempt_) start_attempt();
        const auto current = attempt_;
        co_await current->wait();
        if (attempt_ != current) co_return;  // closed meanwhile
        attempt_.reset();
        auto& result = current->result();
        if (!result) {
            fail(*current);
        } else if (result->is_event_stream()) {
            take_response(std::move(*result));
        } else {
            refuse(*result);
        }
    }

    // Whether the origin's circuit breaker lets this attempt be made; otherwise it is put off.
    bool permitted() {
        const TimePoint now = Traits::Clock::now();
        if (!breaker_ || breaker_->allow(now)) return true;
        // Half open, another stream is trying: how that goes is known soon.
        const bool trying = breaker_->state(now) == CircuitBreaker::State::half_open;
        act(machine_.postpone(now, trying ? now + std::chrono::seconds{1} : breaker_->retry_at()));
        return false;
    }

    void tell_breaker(bool reached) {
        if (!breaker_) return;
        if (reached) breaker_->success(Traits::Clock::now());
        else breaker_->failure(Traits::Clock::now());
    }

    void start_attempt() {
        HttpRequest request = request_;
        const auto id = tracker().header_value();
        sent_cursor_ = id.has_value();
        if (id) request.headers.set("Last-Event-ID", *id);
        if (intake_.tracker().unfit()) news_.add(StreamItem::Kind::unsendable).event.last_event_id = tracker().cursor();
        attempt_ = std::make_shared<StreamAttempt<Traits>>(executor_);
        attempt_->start(client_, std::move(request), error_body_limit_);
    }

    void take_response(Response response) {
        tell_breaker(true);
        response_ = response.head();
        error_body_.clear();
        intake_.open(response.take_connection(), sent_cursor_);
        act(machine_.on_open(Traits::Clock::now(), machine_.generation()));
        news_.add(StreamItem::Kind::opened);
    }

    void fail(StreamAttempt<Traits>& failed) {
        tell_breaker(false);
        Attempt attempt;
        attempt.sent = failed.sent();
        attempt.end = failed.failure();
        attempt.error = failed.result().error();
        end_attempt(attempt);
    }

    // A response that is not a stream.
    void refuse(const Response& response) {
        tell_breaker(response.status() < 500);
        response_ = response.head();
        error_body_ = response.body_so_far();
        Attempt attempt;
        attempt.status = response.status();
        attempt.end = EndReason::complete;
        attempt.error = Error::bad_status;
        if (response.status() == 200) {
            const bool coded = response.has_content_coding();
            attempt.error = coded ? Error::bad_content_encoding : Error::bad_content_type;
        }
        if (const auto value = response.head().fields.get("Retry-After")) {
            attempt.retry_after = parse_retry_after(*value, std::chrono::system_clock::now());
        }
        end_attempt(attempt);
    }

    // The connection's stream ended.
    void take_end(const StreamEnd& end) {
        intake_.release();
        StreamItem& item = news_.add(StreamItem::Kind::dropped);
        item.end = end.reason;
        item.error = end.error;
        item.incomplete = end.incomplete;
        if (end.reason == EndReason::closed) {  // by reconnect_now()
            act(machine_.reconnect_now(Traits::Clock::now()));
            return;
        }
        Attempt attempt;
        attempt.status = 200;
        attempt.event_stream = true;
        attempt.end = end.reason;
        attempt.error = end.error;
        end_attempt(attempt);
    }

    void end_attempt(Attempt& attempt) {
        attempt.idempotent = is_idempotent(request_.method);
        attempt.has_cursor = tracker().header_value().has_value();
        attempt.any_event = intake_.any_event();
        act(machine_.on_end(Traits::Clock::now(), machine_.generation(), attempt, tracker().cursor()));
    }

    asio::any_io_executor executor_;
    HttpRequest request_;
    BasicSseHttpClient<Traits> client_;
    ReconnectionMachine machine_;
    StreamIntake<Traits> intake_;
    AsyncEvent wake_;
    std::shared_ptr<CircuitBreaker> breaker_;
    ItemQueue news_;  // what is told in band beside the stream's own items
    std::shared_ptr<StreamAttempt<Traits>> attempt_;
    std::optional<ResponseHead> response_;
    std::string error_body_;
    std::size_t error_body_limit_;
    TimePoint until_{};  // of the wait under way
    std::error_code error_;
    std::error_code cause_;
    bool sent_cursor_ = false;
    bool ended_complete_ = false;
};

}  // namespace rejoin::detail

#endif
