#ifndef REJOIN_GATEWAY_HTTP_SERVER_HPP
#define REJOIN_GATEWAY_HTTP_SERVER_HPP

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_set>
#include <utility>

#include <rejoin/http/message.hpp>
#include <rejoin/gateway/access_log.hpp>
#include <rejoin/net/http_connection.hpp>

namespace rejoin {

struct HttpServerOptions {
    /// Bound on receiving a whole request head once its first byte is there; past it 408. Zero = none.
    Duration header_timeout = std::chrono::seconds{10};
    /// How long a connection may wait between requests; zero = no bound.
    Duration keep_alive = std::chrono::seconds{60};
    /// Bound on writing an answer of the server's own; zero = none.
    Duration write_timeout = std::chrono::seconds{30};
    /// Open connections; one more is answered 503 with Retry-After and closed. At least 1.
    std::size_t max_connections = 100'000;
    /// `listen()` backlog.
    int backlog = 4096;
    HttpLimits limits;
    /// Told of each request when it has ended; the entry's views are valid during the call, its `time` is the callee's to fill
    /// in. Empty = none.
    std::function<void(AccessLogEntry)> access_log = {};
};

/// One request on a server connection, given to the handler.
template <class Traits = DefaultTraits>
struct BasicHttpExchange {
    using Connection = BasicHttpServerConnection<Traits>;

    RequestHead request;
    /// Where the request's body is read and the response written.
    std::shared_ptr<Connection> connection;
    /// The peer's address, without port.
    std::string client_address;
    Duration write_timeout;
    /// What whoever answers leaves behind for the access log; `respond()` does by itself.
    ExchangeOutcome outcome = {};
    /// The connection takes no further request: `respond()` says so.
    bool closing = false;

    /// True when the client understands chunked framing.
    bool http_1_1() const noexcept { return request.minor >= 1; }

    Awaitable<bool> respond(int status, std::string text) {
        HttpFields none;
        const bool reusable = co_await respond(status, std::move(text), std::move(none));
        co_return reusable;
    }

    /// Answers with a short text of the server's own. The result tells whether the connection may go on: not when the
    /// request's body was left unread.
    Awaitable<bool> respond(int status, std::string text, HttpFields fields) {
        ResponseHead head;
        head.status = status;
        head.fields = std::move(fields);
        const bool reusable = connection->parser().keep_alive() && body_was_read();
        if (!text.empty()) {
            text += '\n';
            head.fields.set("Content-Type", "text/plain; charset=utf-8");
        }
        if (status != 204) head.fields.set("Content-Length", std::to_string(text.size()));
        if (!reusable || closing) head.fields.set("Connection", "close");
        std::string bytes;
        if (write_head(bytes, head)) co_return false;
        if (request.method != "HEAD") bytes += text;
        outcome.status = status;
        outcome.bytes_out = bytes.size();
        const std::error_code error = co_await connection->write(bytes, write_timeout);
        co_return !error && reusable && !closing;
    }

    /// The request's body was read whole. Only then may the connection take another request: what is unread of it would be
    /// taken for one.
    bool body_was_read() const {
        std::string_view piece;
        const bool more = connection->next_body(piece);
        return !more && connection->body_ended() && !connection->body_error();
    }
};

/// Accepts HTTP/1.1 connections and hands their requests, one after the other, to a handler.
///
/// Limits and refusals are answered here (400, 408, 414, 431, 503). Thread safety: one object only from its strand; it must
/// outlive `run()` of its executor, or be stopped and drained before. Destroying it before its io_context is fine.
template <class Traits = DefaultTraits>
class BasicHttpServer {
public:
    using Connection = BasicHttpServerConnection<Traits>;
    using Exchange = BasicHttpExchange<Traits>;
    /// Answers one request. The result tells whether the connection may take another one.
    using Handler = std::function<Awaitable<bool>(Exchange&)>;

    /// Binds and listens; throws `std::system_error` when that fails.
    BasicHttpServer(const asio::any_io_executor& executor, const asio::ip::tcp::endpoint& endpoint, Handler handler,
                    HttpServerOptions options = {})
        : executor_{executor}, acceptor_{executor}, handler_{std::move(handler)}, options_{std::move(options)} {
        if (options_.max_connections == 0) throw std::system_error{Error::invalid_option};
        acceptor_.open(endpoint.protocol());
        acceptor_.set_option(asio::socket_base::reuse_address{true});
        acceptor_.bind(endpoint);
        acceptor_.listen(options_.backlog);
    }

    asio::ip::tcp::endpoint local_endpoint() const { return acceptor_.local_endpoint(); }

    /// Starts accepting.
    void start() { spawn(executor_, accept_loop()); }

    /// Stops accepting and closes the connections that wait for a request. Those in an exchange go on; no further request
    /// is taken from them. Idempotent.
    void stop() {
        shared_->stopping = true;
        std::error_code ignored;
        acceptor_.close(ignored);
        for (Connection* connection : shared_->waiting) connection->cancel();
    }

    /// Connections that are open now.
    std::size_t connections() const noexcept { return shared_->connections; }

private:
    Awaitable<> accept_loop() {
        while (acceptor_.is_open()) {
            std::error_code error;
            typename Traits::Socket socket = co_await acceptor_.async_accept(detail::to_error(error));
            if (error == asio::error::operation_aborted) break;
            if (error) {
                // Out of descriptors, most likely: accepting at once again would spin.
                asio::steady_timer pause{executor_, std::chrono::milliseconds{50}};
                co_await pause.async_wait(detail::to_error(error));
                continue;
            }
            auto connection = std::make_shared<Connection>(std::move(socket), options_.limits);
            spawn(executor_, serve(std::move(connection)));
        }
    }

    // What connections know of their server. Theirs too, since they may outlive it by the time their io_context is destroyed.
    struct Shared {
        std::unordered_set<Connection*> waiting;
        std::size_t connections = 0;
        bool stopping = false;
    };
    using SharedPtr = std::shared_ptr<Shared>;

    struct Counted {
        explicit Counted(SharedPtr shared_) : shared{std::move(shared_)} { ++shared->connections; }
        ~Counted() { --shared->connections; }
        Counted(const Counted&) = delete;
        SharedPtr shared;
    };

    struct Waiting {
        Waiting(SharedPtr shared_, Connection* one_) : shared{std::move(shared_)}, one{one_} { shared->waiting.insert(one); }
        ~Waiting() { shared->waiting.erase(one); }
        Waiting(const Waiting&) = delete;
        SharedPtr shared;
        Connection* one;
    };

    Awaitable<> serve(std::shared_ptr<Connection> connection) {
        const SharedPtr shared = shared_;
        const bool over_limit = shared->connections >= options_.max_connections;
        const Counted counted{shared};
        Exchange exchange{{}, connection, address_of(*connection), options_.write_timeout};
        for (bool reuse = true; reuse && !shared->stopping;) {
            std::error_code error;
            {
                const Waiting waiting{shared, connection.get()};
                error = co_await connection->wait_readable(options_.keep_alive, Error::header_timeout);
            }
            if (error) break;
            auto head = co_await connection->read_head(options_.header_timeout, Error::header_timeout);
            const int refused = head ? (over_limit ? 503 : 0) : refusal(head.error());
            if (!head && refused == 0) break;
            exchange.request = head ? std::move(*head) : nothing_understood();
            // The handler changes the head. Where there is no log, nothing is kept of it while a stream lasts.
            std::optional<AccessRecord> record;
            if (options_.access_log) record.emplace(exchange.request, exchange.client_address, Traits::Clock::now());
            if (refused != 0) {
                HttpFields fields;
                if (refused == 503) fields.set("Retry-After", "5");
                exchange.closing = true;
                std::string why{"too many connections"};
                if (refused != 503) why = head.error().message();
                reuse = co_await exchange.respond(refused, std::move(why), std::move(fields));
            } else {
                reuse = co_await handler_(exchange);
            }
            if (record) options_.access_log(record->entry(exchange.outcome, Traits::Clock::now()));
            exchange.request = {};
            exchange.outcome = {};
        }
        if (connection->socket().is_open()) co_await drain(*connection);
        connection->close();
    }

    static RequestHead nothing_understood() {
        RequestHead head;
        head.method = head.target = "";
        return head;
    }

    static int refusal(const std::error_code& error) {
        if (error == Error::header_timeout) return 408;
        if (error == Error::header_too_large) return 431;
        if (error == Error::target_too_long) return 414;
        if (error == Error::bad_message) return 400;
        return 0;
    }

    // Closing with unread bytes makes a reset of what was written. So the peer gets a moment to read it.
    Awaitable<> drain(Connection& connection) {
        std::error_code error;
        connection.socket().shutdown(asio::socket_base::shutdown_send, error);
        Deadline<Traits> deadline{executor_, std::chrono::seconds{1}, [&connection] { connection.cancel(); }};
        ReadBuffer buffer;
        for (std::size_t read = 0; !error && read < 1024 * 1024;) {
            buffer.release();
            co_await connection.socket().async_wait(Connection::Socket::wait_read, detail::to_error(error));
            if (error) break;
            buffer.acquire();
            read += connection.socket().read_some(asio::buffer(buffer.data(), ReadBuffer::size), error);
            if (error == asio::error::would_block) error = {};
        }
    }

    static std::string address_of(Connection& connection) {
        std::error_code error;
        const auto endpoint = connection.socket().remote_endpoint(error);
        return error ? std::string{"unknown"} : endpoint.address().to_string();
    }

    asio::any_io_executor executor_;
    asio::ip::tcp::acceptor acceptor_;
    Handler handler_;
    HttpServerOptions options_;
    SharedPtr shared_ = std::make_shared<Shared>();
};

using HttpExchange = BasicHttpExchange<>;
using HttpServer = BasicHttpServer<>;

}  // namespace rejoin

#endif
