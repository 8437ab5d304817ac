#ifndef REJOIN_CLIENT_RECONNECTING_STREAM_HPP
#define REJOIN_CLIENT_RECONNECTING_STREAM_HPP

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <rejoin/client/detail/stream_engine.hpp>
#include <rejoin/client/reconnecting_stream_options.hpp>
#include <rejoin/client/stream_item.hpp>

namespace rejoin {

/// An event stream that survives its connections: `co_await next()` gives events, whatever becomes of the connections.
///
/// Three ways to read, on top of one another: `next()` for events alone; `next_item()` for events and the life of the
/// connection in one sequence; `wait()` and `try_next()` for draining a whole read without an await per event.
/// An event handed out counts as taken (`CommitOn::delivered`): the cursor then stands at it. What was received but not
/// handed out before a drop comes again.
///
/// Cancellation of an await (terminal, partial, total) throws `operation_aborted` at once and leaves the stream usable:
/// nothing that was received is lost, an attempt under way goes on, the await may be repeated. Destroying the stream
/// closes it; a pending await completes as after `close()`.
///
/// Thread safety: distinct objects safe; one object only from its strand. One reader at a time.
template <class Traits = DefaultTraits>
class BasicReconnectingStream {
public:
    using Client = BasicSseHttpClient<Traits>;
    using Response = BasicMessageResponse<Traits>;

    using Pool = BasicSseConnectionManager<Traits>;

    /// A `Last-Event-ID` among the request's headers becomes the cursor. Nothing is sent before the first read. `pool`: see
    /// `SseHttpClient`. Throws `std::system_error` (`invalid_option`).
    BasicReconnectingStream(const asio::any_io_executor& executor, HttpRequest request, ReconnectingStreamOptions options = {},
                            std::shared_ptr<Pool> pool = nullptr)
        : engine_{make_engine(executor, std::move(request), std::move(options), std::move(pool))} {}

    BasicReconnectingStream(const BasicReconnectingStream&) = delete;
    BasicReconnectingStream& operator=(const BasicReconnectingStream&) = delete;

    ~BasicReconnectingStream() { engine_->close(); }

    /// Takes a response that is already there, an event stream, as the first connection. Before the first read only.
    void adopt(Response response) { engine_->adopt(std::move(response)); }

    /// The next event; nothing when the stream has finished (`error()` says why).
    Awaitable<std::optional<SseEvent>> next() { return Engine::next(engine_); }

    /// The next item; once finished, only `finished`. Views in it are valid until the next call on the stream.
    Awaitable<StreamItem> next_item() { return Engine::next_item(engine_); }

    /// Completes when `try_next()` may have something, at once while it surely has, or with false when nothing more will
    /// ever come.
    Awaitable<bool> wait() { return Engine::wait(engine_); }

    /// The next item that is there without waiting. Views in it are valid until the next call on the stream.
    bool try_next(StreamItem& item) { return engine_->try_next(item); }

    /// With `CommitOn::acknowledged`: the event is done with, and the cursor moves to it. In the order of the events.
    void acknowledge(const SseEventView& event) { engine_->acknowledge(event); }

    /// Ends the stream and its connection: nothing more is received, a pending await completes, `finished` is the last item.
    /// Idempotent.
    void close() { engine_->close(); }

    /// Drops the connection, or cuts the wait short, and connects now. No failure is reported, the backoff stays as it is;
    /// the retry policy is not asked, so a request that is not idempotent is sent again. Nothing while an attempt is under
    /// way.
    void reconnect_now() { engine_->reconnect_now(); }

    bool finished() const noexcept { return engine_->finished(); }
    bool connected() const noexcept { return engine_->connected(); }

    /// Why the stream finished; meaningful once it has.
    const std::error_code& error() const noexcept { return engine_->error(); }

    /// The last failure, where `error()` names a limit of this side.
    const std::error_code& cause() const noexcept { return engine_->cause(); }

    /// Whether the end was one that the server meant: 204, or a whole response where the policy stops there.
    bool ended_complete() const noexcept { return engine_->ended_complete(); }

    /// The head of the last response; null before the first.
    const ResponseHead* response() const noexcept { return engine_->response(); }

    /// The beginning of the body of a last response that was not a stream.
    const std::string& error_body() const noexcept { return engine_->error_body(); }

    const EventTracker& tracker() const noexcept { return engine_->tracker(); }

    /// Bytes of event streams read so far.
    std::uint64_t received() const noexcept { return engine_->received(); }

private:
    using Engine = detail::StreamEngine<Traits>;

    static std::shared_ptr<Engine> make_engine(const asio::any_io_executor& executor, HttpRequest request,
                                               ReconnectingStreamOptions options, std::shared_ptr<Pool> pool) {
        Client client{options.client, std::move(pool)};
        return std::make_shared<Engine>(executor, std::move(request), std::move(options), std::move(client));
    }

    // Shared with the awaits under way, which may outlive this object by a turn.
    std::shared_ptr<Engine> engine_;
};

using ReconnectingStream = BasicReconnectingStream<>;

}  // namespace rejoin

#endif
