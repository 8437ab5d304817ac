#ifndef REJOIN_CLIENT_DETAIL_STREAM_ENGINE_HPP
#define REJOIN_CLIENT_DETAIL_STREAM_ENGINE_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <rejoin/client/detail/item_queue.hpp>
#include <rejoin/client/detail/server_list.hpp>
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

    StreamEngine(const asio::any_io_executor& executor, HttpRequest request, ReconnectingStreamOptions options, BasicSseHttpClient<Traits> client)
        : executor_{executor},
          request_{std::move(request)},
          client_{std::move(client)},
          machine_{options.reconnection},
          intake_{executor, options, machine_},
          wake_{executor},
          method_{request_.method},
          servers_{request_.url, options.alternatives, options.cool_down},
          breakers_{std::move(options.breakers)},
          hook_{std::move(options.before_attempt)},
          terminal_{std::move(options.terminal)},
          answer_{std::move(options.answer)},
          observer_{std::move(options.observer)},
          error_body_limit_{options.error_body},
          resume_by_get_{options.resume_by_get},
          remember_redirects_{options.remember_redirects} {
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
            if (news_.take(item)) {
                if (observer_) observe(item);
                return true;
            }
            if (!connected()) return false;
            if (last_event_seen_) {
                phase_ = Phase::body;
                intake_.leave();
                act(machine_.complete());
                continue;
            }
            if (intake_.next(item)) {
                if (item.kind == StreamItem::Kind::event) look_for_end(item.event);
                if (observer_) observe(item);
                return true;
            }
            const auto end = intake_.end();
            if (!end) return false;
            take_end(*end);
        }
    }

    void acknowledge(const SseEventView& event) { intake_.acknowledge(event); }

    void close() {
        if (finished()) return;
        if (attempt_) std::exchange(attempt_, nullptr)->abandon();
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
    std::uint64_t received() const noexcept { return intake_.received(); }

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
            item.phase = phase_;
            break;
        }
        case ReconnectionAction::Kind::finish: {
            error_ = action.error;
            cause_ = action.cause;
            ended_complete_ = action.regular_end();
            StreamItem& item = news_.add(StreamItem::Kind::finished);
            item.error = error_;
            item.phase = phase_;
            break;
        }
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
        if (!attempt_) start_attempt();
        const auto current = attempt_;
        co_await current->wait();
        if (attempt_ != current) co_return;  // closed meanwhile
        attempt_.reset();
        phase_ = current->phase();
        auto& result = current->result();
        if (!current->method().empty()) method_ = current->method();
        carried_out_ = current->carried_out();
        if (current->refused()) {
            put_off(*current->breaker());
        } else if (!result) {
            // What went wrong on this side says nothing about the server.
            if (!is_own(result.error())) tell(current->breaker(), false);
            else if (current->breaker()) current->breaker()->release();
            fail(*current);
        } else if (result->is_event_stream()) {
            tell(current->breaker(), true);
            take_response(std::move(*result));
        } else {
            tell(current->breaker(), result->status() < 500);
            refuse(*result);
        }
    }

    // The origin's circuit breaker does not let this attempt be made.
    void put_off(const CircuitBreaker& breaker) {
        const TimePoint now = Traits::Clock::now();
        servers_.failed(now);
        // Half open, another stream is trying: how that goes is known soon.
        const bool trying = breaker.state(now) == CircuitBreaker::State::half_open;
        const TimePoint again = trying ? now + std::chrono::seconds{1} : breaker.retry_at();
        act(machine_.postpone(now, servers_.elsewhere(now) ? now : again));
    }

    // It is held until the next attempt, as long as which the origin's failures are remembered.
    void tell(std::shared_ptr<CircuitBreaker> breaker, bool reached) {
        breaker_ = std::move(breaker);
        if (!breaker_) return;
        if (reached) breaker_->success(Traits::Clock::now());
        else breaker_->failure(Traits::Clock::now());
    }

    void start_attempt() {
        HttpRequest request = request_;
        request.url = servers_.pick(Traits::Clock::now());
        AttemptPlan plan{UpcomingAttempt{std::move(request)}};
        if (hook_) {
            plan.hook = hook_;
            plan.upcoming.attempts = machine_.generation() - 1;
            plan.upcoming.last_response = response_;
            plan.upcoming.last_error = last_error_;
        }
        plan.breakers = breakers_;
        plan.error_body = error_body_limit_;
        const auto id = tracker().header_value();
        sent_cursor_ = id.has_value();
        if (id) plan.last_event_id.emplace(*id);
        if (intake_.tracker().unfit()) news_.add(StreamItem::Kind::unsendable).event.last_event_id = tracker().cursor();
        attempt_ = std::make_shared<StreamAttempt<Traits>>(executor_);
        attempt_->start(client_, std::move(plan));
    }

    void take_response(Response response) {
        if (remember_redirects_ && !hook_ && response.lasting_url()) servers_.moved(*response.lasting_url());
        response_ = response.head();
        error_body_.clear();
        intake_.open(response.take_connection(), sent_cursor_);
        act(machine_.on_open(Traits::Clock::now(), machine_.generation()));
        news_.add(StreamItem::Kind::opened);
    }

    void fail(StreamAttempt<Traits>& failed) {
        Attempt attempt;
        attempt.sent = failed.sent();
        attempt.end = failed.failure();
        attempt.error = failed.result().error();
        if (!is_own(attempt.error)) servers_.failed(Traits::Clock::now());
        end_attempt(attempt);
    }

    bool is_own(const std::error_code& error) const {
        return phase_ == Phase::prepare || error == Error::limit_reached || error == Error::invalid_head || error == Error::not_resumable ||
               error == Error::invalid_option || error == Error::unsupported_scheme;
    }

    // A response that is not a stream.
    void refuse(const Response& response) {
        phase_ = Phase::response;
        const bool renewed_in_vain = response_ && response_->status == 401;
        response_ = response.head();
        error_body_ = response.body_so_far();
        Attempt attempt;
        attempt.status = response.status();
        attempt.renewable = hook_ && !renewed_in_vain;
        attempt.end = EndReason::complete;
        attempt.error = Error::bad_status;
        if (response.status() == 200) {
            const bool coded = response.has_content_coding();
            attempt.error = coded ? Error::bad_content_encoding : Error::bad_content_type;
        }
        if (const auto value = response.head().fields.get("Retry-After")) {
            attempt.retry_after = parse_retry_after(*value, std::chrono::system_clock::now());
        }
        if (is_retryable_status(response.status())) servers_.failed(Traits::Clock::now());
        end_attempt(attempt);
    }

    // The connection's stream ended.
    void take_end(const StreamEnd& end) {
        if (intake_.any_progress()) servers_.succeeded();
        else if (end.reason != EndReason::closed) servers_.failed(Traits::Clock::now());
        intake_.release();
        phase_ = Phase::body;
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
        const TimePoint now = Traits::Clock::now();
        const bool heard = response_ && attempt.status != 0;
        if (heard) attempt.headers = ResponseFields{&response_->fields, &find_field};
        attempt.phase = phase_;
        const bool once = resumed_by_get_ || (resume_by_get_ && method_ != "GET");
        attempt.idempotent = is_idempotent(method_) && !once;
        attempt.carried_out = carried_out_;
        attempt.has_cursor = tracker().header_value().has_value();
        attempt.cursor = tracker().cursor();
        attempt.any_event = intake_.any_event();
        attempt.unfinished = terminal_ || (answer_ && !answered_);
        attempt.answered = answered_;
        attempt.resumable_by_get = resume_by_get_ && !attempt.idempotent && attempt.any_event && attempt.has_cursor;
        attempt.elsewhere = servers_.elsewhere(now);
        last_error_ = attempt.error;
        act(machine_.on_end(now, machine_.generation(), attempt, tracker().cursor()));
        if (attempt.resumable_by_get && machine_.state() == State::waiting) {
            resumed_by_get_ = true;
            request_.method = method_ = "GET";
            request_.headers.erase("Accept");  // what a stream's answer may be is settled
            drop_body(request_);
        }
    }

    static std::optional<std::string_view> find_field(const void* fields, std::string_view name) {
        return static_cast<const HttpFields*>(fields)->get(name);
    }

    void look_for_end(const SseEventView& event) {
        if (terminal_) last_event_seen_ = terminal_(event);
        if (answer_ && !answered_) answered_ = answer_(event);
    }

    void observe(const StreamItem& item) {
        const bool content = item.kind == StreamItem::Kind::event || item.kind == StreamItem::Kind::comment || item.kind == StreamItem::Kind::field;
        if (content) observer_->on_event(item);
        else observer_->on_change(item, Traits::Clock::now());
    }

    asio::any_io_executor executor_;
    HttpRequest request_;
    BasicSseHttpClient<Traits> client_;
    ReconnectionMachine machine_;
    StreamIntake<Traits> intake_;
    AsyncEvent wake_;
    std::string method_;  // of the last attempt
    ServerList servers_;
    std::shared_ptr<CircuitBreakers> breakers_;
    std::shared_ptr<CircuitBreaker> breaker_;
    AttemptHook hook_;
    std::function<bool(const SseEventView&)> terminal_;
    std::function<bool(const SseEventView&)> answer_;
    std::shared_ptr<StreamObserver> observer_;
    ItemQueue news_;  // what is told in band beside the stream's own items
    std::shared_ptr<StreamAttempt<Traits>> attempt_;
    std::optional<ResponseHead> response_;
    std::string error_body_;
    std::size_t error_body_limit_;
    TimePoint until_{};  // of the wait under way
    std::error_code error_;
    std::error_code cause_;
    std::error_code last_error_;
    Phase phase_ = Phase::prepare;  // that the last attempt came to
    bool resume_by_get_;
    bool remember_redirects_;
    bool last_event_seen_ = false;
    bool answered_ = false;
    bool carried_out_ = false;
    bool resumed_by_get_ = false;  // the stream is still the answer to the first request
    bool sent_cursor_ = false;
    bool ended_complete_ = false;
};

}  // namespace rejoin::detail

#endif
