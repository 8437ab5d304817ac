#ifndef REJOIN_CLIENT_DETAIL_STREAM_ATTEMPT_HPP
#define REJOIN_CLIENT_DETAIL_STREAM_ATTEMPT_HPP

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/dispatch.hpp>

#include <rejoin/client/attempt_hook.hpp>
#include <rejoin/client/sse_http_client.hpp>
#include <rejoin/net/async_event.hpp>
#include <rejoin/net/deadline.hpp>
#include <rejoin/resume/circuit_breakers.hpp>
#include <rejoin/resume/end_reason.hpp>

namespace rejoin::detail {

inline EndReason failure_reason(const std::error_code& error) {
    if (error == ErrorCondition::timeout) return EndReason::timed_out;
    if (error == Error::truncated) return EndReason::truncated;
    if (error.category() == error_category()) return EndReason::protocol_error;
    return EndReason::reset;
}

// What an attempt is made of. A class with a constructor: GCC 12 destroys aggregates twice in awaiting expressions.
struct AttemptPlan {
    explicit AttemptPlan(UpcomingAttempt upcoming_) : upcoming{std::move(upcoming_)} {}

    UpcomingAttempt upcoming;
    AttemptHook hook = {};
    std::shared_ptr<CircuitBreakers> breakers = nullptr;
    std::optional<std::string> last_event_id = std::nullopt;
    std::size_t error_body = 0;  // how much is wanted of the body of a response that is no stream
};

// One attempt to get a stream: the hook, the circuit breaker, connect, send, the response's head, and the beginning of the
// body of one that is no stream.
//
// It runs as a coroutine of its own that owns all it uses: the cancellation of who waits for it does not reach it, so that
// the wait may be repeated, and abandon() reaches every phase of it.
template <class Traits>
class StreamAttempt : public std::enable_shared_from_this<StreamAttempt<Traits>> {
public:
    using Client = BasicSseHttpClient<Traits>;
    using Response = BasicMessageResponse<Traits>;

    explicit StreamAttempt(const asio::any_io_executor& executor) : executor_{executor}, done_{executor} {}

    void start(Client client, AttemptPlan plan) {
        auto handler = [self = this->shared_from_this()](std::exception_ptr failure, Result<Response> result) {
            if (failure) result = std::error_code{asio::error::operation_aborted};
            self->result_.emplace(std::move(result));
            self->done_.notify();
        };
        auto work = run(this->shared_from_this(), std::move(client), std::move(plan));
        asio::co_spawn(executor_, std::move(work), asio::bind_cancellation_slot(cancel_.slot(), std::move(handler)));
    }

    // Completes when there is a result, or when abandoned.
    Awaitable<> wait() { return done_.wait(); }

    // Precondition of all below: wait() has completed, and not because of abandon().
    Result<Response>& result() noexcept { return *result_; }

    EndReason failure() const {
        const EndReason reason = failure_reason(result_->error());
        return progress_.sent || reason == EndReason::timed_out ? reason : EndReason::connect_failed;
    }

    bool sent() const noexcept { return progress_.sent; }
    bool carried_out() const noexcept { return progress_.carried_out; }
    // Of the request, as the hook left it; empty before that.
    const std::string& method() const noexcept { return method_; }
    // The circuit breaker said no.
    bool refused() const noexcept { return refused_; }
    Phase phase() const noexcept { return progress_.phase; }

    // The origin's breaker, once the hook has settled the origin; it waits to be told how the attempt went unless it said no.
    const std::shared_ptr<CircuitBreaker>& breaker() const noexcept { return breaker_; }

    void abandon() {
        if (breaker_ && !refused_) breaker_->release();
        done_.notify();
        // On the executor, and owning what is cancelled: some Asio versions defer the signal's second half.
        asio::dispatch(executor_, [self = this->shared_from_this()] { self->cancel_.emit(asio::cancellation_type::terminal); });
    }

private:
    // The whole of a refusal's body has so long, however it drips.
    static constexpr Duration error_body_time = std::chrono::seconds{1};

    static Awaitable<Result<Response>> run(std::shared_ptr<StreamAttempt> self, Client client, AttemptPlan plan) {
        self->progress_.phase = Phase::prepare;
        if (plan.hook) {
            const std::error_code error = co_await call(plan.hook, plan.upcoming);
            if (error) co_return error;
        }
        HttpRequest& request = plan.upcoming.request;
        self->method_ = request.method;
        request.headers.erase("Last-Event-ID");
        if (plan.last_event_id) request.headers.set("Last-Event-ID", *plan.last_event_id);
        if (plan.breakers) {
            self->breaker_ = plan.breakers->of(request.url.origin());
            self->refused_ = !self->breaker_->allow(Traits::Clock::now());
            if (self->refused_) co_return Error::circuit_open;
        }
        auto response = co_await client.send(std::move(request), self->progress_);
        if (response && !response->is_event_stream() && response->status() != 204 && plan.error_body > 0) {
            Deadline<Traits> deadline{self->executor_, error_body_time, [&response] { response->cancel(); }};
            const std::error_code ignored = co_await response->read_body(plan.error_body, Duration::zero());
            static_cast<void>(ignored);
        }
        co_return std::move(response);
    }

    // What a hook throws is its failure, except for the cancellation, which is nobody's.
    static Awaitable<std::error_code> call(const AttemptHook& hook, UpcomingAttempt& upcoming) {
        std::error_code error;
        try {
            error = co_await hook(upcoming);
        } catch (const std::system_error& thrown) {
            error = thrown.code();
        } catch (const std::exception&) {
            error = Error::hook_failed;
        }
        co_return error;
    }

    asio::any_io_executor executor_;
    asio::cancellation_signal cancel_;
    AsyncEvent done_;
    SendProgress progress_;
    std::shared_ptr<CircuitBreaker> breaker_;
    std::string method_;
    bool refused_ = false;
    std::optional<Result<Response>> result_;
};

}  // namespace rejoin::detail

#endif
