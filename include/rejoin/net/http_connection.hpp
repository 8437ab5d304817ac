#ifndef REJOIN_NET_HTTP_CONNECTION_HPP
#define REJOIN_NET_HTTP_CONNECTION_HPP

#include <array>
#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <rejoin/error.hpp>
#include <rejoin/http/parser.hpp>
#include <rejoin/net/deadline.hpp>
#include <rejoin/net/read_buffer.hpp>
#include <rejoin/net/secure_layer.hpp>
#include <rejoin/net/traits.hpp>
#include <rejoin/result.hpp>

namespace rejoin {

/// One HTTP/1.1 connection over TCP, seen from the side that reads `Parser`'s kind of message: `HttpClientConnection`
/// reads responses, `HttpServerConnection` requests. With a `SecureLayer`, over TLS: `handshake()` comes first then, and
/// whoever writes to `socket()` or reads from it by hand breaks the connection.
///
/// Reading is pull: `read_head()`, then `next_body()` for what is there and `fill()` when it wants more. The read buffer
/// is on loan only while bytes are unconsumed, so a connection that waits holds none.
///
/// Thread safety: distinct objects safe; one object only from its strand. One reader and one writer may be under way
/// together. Cancellation: every awaitable ends with `operation_aborted`; the connection is then only good for closing.
template <class Parser, class Traits = DefaultTraits>
class BasicHttpConnection : public std::enable_shared_from_this<BasicHttpConnection<Parser, Traits>> {
public:
    using Socket = typename Traits::Socket;
    using Head = typename Parser::Head;

    BasicHttpConnection(Socket socket, HttpLimits limits, std::unique_ptr<SecureLayer> secure = nullptr)
        : socket_{std::move(socket)}, secure_{std::move(secure)}, parser_{limits} {
        std::error_code ignored;
        socket_.non_blocking(true, ignored);
        socket_.set_option(asio::ip::tcp::no_delay{true}, ignored);
    }

    BasicHttpConnection(const BasicHttpConnection&) = delete;
    BasicHttpConnection& operator=(const BasicHttpConnection&) = delete;

    asio::any_io_executor executor() { return socket_.get_executor(); }
    Socket& socket() noexcept { return socket_; }
    Parser& parser() noexcept { return parser_; }
    const Parser& parser() const noexcept { return parser_; }
    bool is_secure() const noexcept { return secure_ != nullptr; }

    /// Ends the TLS handshake before anything else is read or written; nothing to do without a layer.
    /// Errors: `tls_timeout` after `timeout` (zero = no bound), the layer's, or what the socket says; the connection is
    /// then only good for closing.
    Awaitable<std::error_code> handshake(Duration timeout) {
        if (!secure_) co_return std::error_code{};
        Deadline<Traits> deadline{socket_.get_executor(), timeout, [this] { cancel(); }};
        const unsigned canceled = cancels_;
        for (;;) {
            std::error_code error = secure_->handshake(socket_);
            if (error != asio::error::would_block) co_return error;
            error = asio::error::operation_aborted;
            if (canceled == cancels_) co_await socket_.async_wait(secure_->wants(), detail::to_error(error));
            if (error) co_return deadline.expired() ? std::error_code{Error::tls_timeout} : error;
        }
    }

    /// Completes when bytes of the next message are there, or the peer has closed. Errors: `on_timeout` after `timeout`
    /// (zero = no bound), or what the socket says.
    Awaitable<std::error_code> wait_readable(Duration timeout, Error on_timeout) {
        if (!input_.empty() || eof_) co_return std::error_code{};
        buffer_.release();
        Deadline<Traits> deadline{socket_.get_executor(), timeout, [this] { cancel(); }};
        std::error_code error;
        if (secure_) {  // only decrypted bytes are known to be a message's
            error = co_await receive();
        } else {
            co_await socket_.async_wait(Socket::wait_read, detail::to_error(error));
        }
        if (error && deadline.expired()) error = on_timeout;
        co_return error;
    }

    /// Reads the head of the next message. Errors: `on_timeout`, `end_of_stream` when the peer closed before its first
    /// byte, `truncated` inside it, the parser's refusals, or what the socket says.
    Awaitable<Result<Head>> read_head(Duration timeout, Error on_timeout) {
        parser_.reset();
        ended_ = false;
        body_error_ = {};
        Deadline<Traits> deadline{socket_.get_executor(), timeout, [this] { cancel(); }};
        for (;;) {
            const HttpStep step = parser_.parse(input_);
            if (step == HttpStep::head) {
                if (input_.empty()) buffer_.release();
                co_return parser_.take_head();
            }
            if (step == HttpStep::error) co_return parser_.error();
            if (eof_) {
                const HttpStep last = parser_.finish();
                if (last == HttpStep::error) co_return parser_.error();
                co_return Error::end_of_stream;
            }
            if (deadline.expired()) co_return on_timeout;
            const std::error_code error = co_await receive();
            if (error && deadline.expired()) co_return on_timeout;
            if (error) co_return error;
        }
    }

    /// The next piece of the current message's body, valid until the next call of `next_body()`, `fill()` or
    /// `read_head()`. False: `fill()` is needed, or `body_ended()`.
    bool next_body(std::string_view& piece) {
        while (!ended_) {
            switch (parser_.parse(input_)) {
            case HttpStep::body: piece = parser_.body(); return true;
            case HttpStep::complete: end_body({}); break;
            case HttpStep::error: end_body(parser_.error()); break;
            case HttpStep::head: end_body(Error::bad_message); break;
            case HttpStep::need_more:
                if (!eof_) return false;
                // Without TLS's own end, anybody on the way may have cut what has no other end.
                end_body(parser_.finish() == HttpStep::complete && !cut_ ? std::error_code{} : std::error_code{Error::truncated});
                break;
            }
        }
        return false;
    }

    /// True when no more of the body will come; `body_error()` then tells whether it came whole.
    bool body_ended() const noexcept { return ended_; }

    /// Value 0 for a body that is complete by its framing; `truncated`, the parser's refusal, or what the socket said.
    const std::error_code& body_error() const noexcept { return body_error_; }

    /// The exchange is over without an error, all that was to be written is, and another may follow on this connection.
    bool reusable() const noexcept {
        return !spoiled_ && ended_ && !body_error_ && parser_.keep_alive() && !eof_ && !unsent_ && input_.empty() && socket_.is_open() &&
               !(secure_ && secure_->pending());
    }

    /// Another message may be written from now on: until its answer has been read whole, `reusable()` is false.
    void begin_exchange() noexcept { ended_ = false; }

    /// A message was begun and will not be written to its end: never `reusable()` again.
    void forbid_reuse() noexcept { spoiled_ = true; }

    /// Waits for bytes and reads them once. Afterwards ask `next_body()` again. A socket error ends the body.
    /// Cancellation: throws `operation_aborted` and leaves the body as it was, so that reading may go on later.
    Awaitable<> fill() {
        if (!input_.empty()) co_return;  // what is there goes first; waiting would give its buffer away
        const std::error_code error = co_await receive();
        if (!error) co_return;
        const asio::cancellation_state canceled = co_await asio::this_coro::cancellation_state;
        if (canceled.cancelled() != asio::cancellation_type::none) throw std::system_error{error};
        end_body(error);
    }

    /// Writes all of `buffers`. Errors: `Error::write_timeout` after `timeout` (zero = no bound) or what the socket says;
    /// the connection is then broken. Lifetime: the buffers must live until completion.
    Awaitable<std::error_code> write(std::span<const asio::const_buffer> buffers, Duration timeout) {
        std::error_code error;
        unsent_ = true;
        std::size_t done = try_write(buffers, error);
        if (error) co_return error;
        const std::size_t total = asio::buffer_size(buffers);
        unsent_ = done != total;
        if (!unsent_) co_return error;
        Deadline<Traits> deadline{socket_.get_executor(), timeout, [this] { cancel(); }};
        const unsigned canceled = cancels_;
        std::vector<asio::const_buffer> rest{buffers.begin(), buffers.end()};
        std::size_t first = 0;
        for (std::size_t step = done;;) {
            while (step > 0) {
                const std::size_t part = std::min(step, rest[first].size());
                rest[first] += part;
                step -= part;
                if (rest[first].size() == 0) ++first;
            }
            unsent_ = done != total;
            if (!unsent_) co_return error;
            const auto ready = secure_ ? secure_->wants() : Socket::wait_write;
            error = asio::error::operation_aborted;
            if (canceled == cancels_) co_await socket_.async_wait(ready, detail::to_error(error));
            if (error) co_return deadline.expired() ? std::error_code{Error::write_timeout} : error;
            step = try_write(std::span{rest}.subspan(first), error);
            if (error) co_return error;
            done += step;
        }
    }

    Awaitable<std::error_code> write(std::string_view bytes, Duration timeout) {
        const std::array<asio::const_buffer, 1> buffers{asio::buffer(bytes)};
        const std::error_code error = co_await write(buffers, timeout);
        co_return error;
    }

    /// Writes what the socket takes right now, which may be nothing. Never waits. With TLS, bytes that were not taken must
    /// be the first of the next call.
    std::size_t try_write(std::span<const asio::const_buffer> buffers, std::error_code& error) {
        const std::size_t written =
            secure_ ? detail::write_gathered(*secure_, socket_, buffers, error) : socket_.write_some(buffers, error);
        if (error == asio::error::would_block) error = {};
        return written;
    }

    /// Calls `gone` once when the peer closes or breaks the connection while nothing is read from it, as a client does that
    /// gives up on a response. A peer that sends something instead (a pipelined request) is watched no further.
    /// Ends with `cancel()`, without a call. The connection must be owned by a shared_ptr. The last piece of a body is no
    /// longer valid.
    template <class F>
    void on_peer_close(F gone) {
        if (!input_.empty() || (secure_ && secure_->pending())) return;
        watch(Socket::wait_read, std::move(gone));
    }

    /// Ends what is waiting on the socket, with `operation_aborted`; the connection stays open.
    void cancel() {
        ++cancels_;
        std::error_code ignored;
        socket_.cancel(ignored);
    }

    /// Closes in the orderly way: what was written is still delivered, with TLS also the news that it was all. Idempotent.
    void close() {
        ++cancels_;
        std::error_code ignored;
        if (secure_ && socket_.is_open()) secure_->shutdown(socket_);
        socket_.close(ignored);
    }

    /// Closes with a reset, so that the peer can't take what it has for the whole. Idempotent.
    void abort() {
        ++cancels_;
        std::error_code ignored;
        socket_.set_option(asio::socket_base::linger{true, 0}, ignored);
        socket_.close(ignored);
    }

private:
    void end_body(std::error_code error) {
        ended_ = true;
        body_error_ = error;
        if (input_.empty()) buffer_.release();
    }

    // Only called with all input consumed, so the buffer is free to go back while we wait.
    Awaitable<std::error_code> receive() {
        const unsigned canceled = cancels_;
        std::error_code error;
        auto ready = Socket::wait_read;
        bool wait = !(secure_ && secure_->pending());
        buffer_.release();
        for (;;) {
            if (wait) co_await socket_.async_wait(ready, detail::to_error(error));
            if (error || !input_.empty() || eof_) co_return error;  // on_peer_close() may have been first
            ++reads_;
            read_some(error);
            if (error != asio::error::would_block) co_return error;
            // Bytes that are no message's, or not yet. A cancel() that found nobody waiting counts all the same.
            if (canceled != cancels_) co_return asio::error::operation_aborted;
            if (secure_) ready = secure_->wants();
            wait = true;
            error = {};
        }
    }

    // Takes into `input_` what is there; the ends of the connection are no error but `eof_`.
    std::size_t read_some(std::error_code& error) {
        buffer_.acquire();
        const auto buffer = asio::buffer(buffer_.data(), ReadBuffer::size);
        const std::size_t size = secure_ ? secure_->read_some(socket_, buffer, error) : socket_.read_some(buffer, error);
        if (error == asio::error::would_block) {
            buffer_.release();
            return 0;
        }
        cut_ = error == Error::truncated;
        if (cut_ || error == asio::error::eof) {
            eof_ = true;
            error = {};
        }
        input_ = {buffer_.data(), size};
        return size;
    }

    template <class F>
    void watch(typename Socket::wait_type ready, F gone) {
        socket_.async_wait(ready, [self = this->shared_from_this(), gone = std::move(gone),
                                   reads = reads_](std::error_code error) mutable {
            if (error == asio::error::operation_aborted) return;
            std::error_code closed;
            if (!error && self->secure_) {
                if (reads != self->reads_ || !self->input_.empty()) return;  // somebody reads, and sees the end as well
                if (self->read_some(error) > 0) return;
                if (error == asio::error::would_block) return self->watch(self->secure_->wants(), std::move(gone));
            } else if (!error && self->socket_.available(closed) > 0) {
                return;
            }
            gone();
        });
    }

    Socket socket_;
    std::unique_ptr<SecureLayer> secure_;
    Parser parser_;
    ReadBuffer buffer_;
    std::string_view input_;
    std::error_code body_error_;
    bool ended_ = false;
    bool eof_ = false;
    bool cut_ = false;      // the end came without TLS's own
    bool spoiled_ = false;
    bool unsent_ = false;   // a write is under way or has failed
    unsigned cancels_ = 0;  // so that a cancel() is seen between two waits, too
    unsigned reads_ = 0;
};

template <class Traits = DefaultTraits>
using BasicHttpClientConnection = BasicHttpConnection<ResponseParser, Traits>;
template <class Traits = DefaultTraits>
using BasicHttpServerConnection = BasicHttpConnection<RequestParser, Traits>;

using HttpClientConnection = BasicHttpClientConnection<>;
using HttpServerConnection = BasicHttpServerConnection<>;

}  // namespace rejoin

#endif
