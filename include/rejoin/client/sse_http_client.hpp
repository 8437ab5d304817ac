#ifndef REJOIN_CLIENT_SSE_HTTP_CLIENT_HPP
#define REJOIN_CLIENT_SSE_HTTP_CLIENT_HPP

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <rejoin/client/http_request.hpp>
#include <rejoin/client/message_response.hpp>
#include <rejoin/http/chunk.hpp>
#include <rejoin/http/parser.hpp>
#include <rejoin/net/http_connector.hpp>
#include <rejoin/net/sse_connection_manager.hpp>
#include <rejoin/resume/phase.hpp>

namespace rejoin {

struct SseHttpClientOptions {
    ConnectOptions connect;
    /// Bound on writing the request; zero = none.
    Duration write_timeout = std::chrono::seconds{30};
    /// Bound on the wait for the whole response head, interim responses included; zero = none.
    Duration response_timeout = std::chrono::seconds{30};
    HttpLimits limits;
    /// Redirects followed in one `send()`; zero = none are followed.
    unsigned max_redirects = 10;
    /// Headers that stay behind when a redirect leads to another origin.
    std::vector<std::string> credentials = {"Authorization", "Cookie",         "Proxy-Authorization", "X-Api-Key",
                                            "Api-Key",       "X-Goog-Api-Key", "X-Auth-Token",        "Mcp-Session-Id"};
};

/// How far a `send()` has come: what decides whether the request may be sent again.
struct SendProgress {
    /// Bytes of the request may have reached the server whose answer is awaited.
    bool sent = false;
    /// A redirect said that a request which is not idempotent was carried out (303, or 301 and 302 to a POST).
    bool carried_out = false;
    Phase phase = Phase::resolve;
};

/// Sends a request and gives back what comes: an event stream or a regular response. On a connection of its own, or on one
/// of a pool; a request that is not idempotent never goes out on a used connection, since one that turns out to be dead
/// could not be told from one that was cut.
///
/// Redirects (301 302 303 307 308) are followed as RFC 9110 15.4 says: 303, and 301/302 for POST, become GET without the
/// body; the options' `credentials` stay behind when the origin changes; https to http is refused.
/// Thread safety: distinct objects safe; one object only from its strand. Several `send()` may be under way at once.
template <class Traits = DefaultTraits>
class BasicSseHttpClient {
public:
    using Connection = BasicHttpClientConnection<Traits>;
    using Response = BasicMessageResponse<Traits>;
    using Pool = BasicSseConnectionManager<Traits>;

    /// `pool`: where connections come from and go back to; null = each request has its own. A pool makes its connections by
    /// its own `ConnectOptions` and limits.
    explicit BasicSseHttpClient(SseHttpClientOptions options = {}, std::shared_ptr<Pool> pool = nullptr)
        : options_{std::move(options)}, pool_{std::move(pool)} {}

    const SseHttpClientOptions& options() const noexcept { return options_; }

    /// Completes with the first final response that is not a redirect to follow. Errors: the phase's timeout, what the
    /// resolver, TLS, the proxy or the socket says, the parser's refusals, `bad_redirect`, `too_many_redirects`,
    /// `not_resumable` where the body's source can't be rewound, `invalid_option` where it is not of its size.
    /// Cancellation (terminal): `operation_aborted` at once; the connection is dropped.
    Awaitable<Result<Response>> send(HttpRequest request) {
        SendProgress unasked;
        auto response = co_await send(std::move(request), unasked);
        co_return std::move(response);
    }

    /// The same, and keeps `progress` up to date. Lifetime: `progress` must live until completion.
    Awaitable<Result<Response>> send(HttpRequest request, SendProgress& progress) {
        bool lasting = true;
        std::optional<Url> lasting_url;
        for (unsigned redirects = 0;; ++redirects) {
            auto response = co_await send_once(request, progress);
            if (!response) co_return response.error();
            const int status = response->status();
            if (!is_redirect(status) || options_.max_redirects == 0) {
                if (lasting_url) response->set_lasting_url(std::move(*lasting_url));
                co_return std::move(response);
            }
            progress.phase = Phase::response;
            if (redirects == options_.max_redirects) co_return Error::too_many_redirects;
            const std::string method = request.method;
            const std::error_code error = follow(request, response->head());
            if (error) co_return error;
            if (request.method != method && !is_idempotent(method)) progress.carried_out = true;
            take_body_at_hand(*response);
            lasting = lasting && (status == 301 || status == 308);
            if (lasting) lasting_url = request.url;
        }
    }

    /// A new connection to `url`'s origin. The pieces of `send()` are public for those who stream a body, as a proxy does.
    Awaitable<Result<std::shared_ptr<Connection>>> open(const Url& url) {
        Phase phase{};
        auto opened = co_await open(url, phase, true);
        if (!opened) co_return opened.error();
        co_return std::move(opened->connection);
    }

    /// Writes a head and a body that is whole.
    Awaitable<std::error_code> write_request(Connection& connection, const RequestHead& head, std::string_view body) {
        std::string bytes;
        const std::error_code malformed = write_head(bytes, head);
        if (malformed) co_return malformed;
        bytes += body;
        const std::error_code error = co_await connection.write(bytes, options_.write_timeout);
        co_return error;
    }

    /// Reads the head of the final response to a request of `method`; interim ones (1xx) are skipped.
    Awaitable<Result<ResponseHead>> read_response(Connection& connection, std::string_view method) {
        connection.parser().expect_answer_to(method);
        const TimePoint until = Traits::Clock::now() + options_.response_timeout;
        for (;;) {
            Duration left = options_.response_timeout;
            if (left > Duration::zero()) left = std::max(until - Traits::Clock::now(), Duration{1});
            auto head = co_await connection.read_head(left, Error::response_timeout);
            if (!head) {
                // Nothing but an end where the answer should stand is a cut, not an end of anything.
                if (head.error() == Error::end_of_stream) co_return Error::truncated;
                co_return head.error();
            }
            if (head->status >= 200) co_return std::move(*head);
        }
    }

    using Opened = typename Pool::Opened;

    /// A connection to `url`'s origin: of the pool, unless there is none or `fresh`. Lifetime: `url` and `phase` must live
    /// until completion.
    Awaitable<Result<Opened>> open(const Url& url, Phase& phase, bool fresh) {
        if (pool_) {
            auto pooled = co_await pool_->open(url, phase, fresh);
            co_return std::move(pooled);
        }
        BasicHttpConnector<Traits> connector{options_.connect, options_.limits};
        auto connection = co_await connector.open(url, phase);
        if (!connection) co_return connection.error();
        Opened opened;
        opened.connection = std::move(*connection);
        co_return std::move(opened);
    }

    /// Whether a request on a used connection may never have reached the server: the peer ended the connection before a byte
    /// of the response. What may be sent twice is then worth a fresh one.
    static bool was_stale(const Opened& opened, const std::error_code& error) {
        return opened.reused && !opened.connection->parser().begun() && is_cut(error);
    }

private:
    // Without redirects. A used connection that has died meanwhile is replaced once, unseen.
    Awaitable<Result<Response>> send_once(const HttpRequest& request, SendProgress& progress) {
        for (bool fresh = !is_idempotent(request.method);; fresh = true) {
            progress.sent = false;
            auto opened = co_await open(request.url, progress.phase, fresh);
            if (!opened) co_return opened.error();
            auto response = co_await exchange(opened->connection, request, progress);
            if (response || !was_stale(*opened, response.error())) co_return std::move(response);
        }
    }

    static bool is_cut(const std::error_code& error) {
        return error == Error::truncated || error == Error::end_of_stream || error == asio::error::connection_reset ||
               error == asio::error::broken_pipe || error == asio::error::eof || error == asio::error::connection_aborted;
    }

    Awaitable<Result<Response>> exchange(std::shared_ptr<Connection> connection, const HttpRequest& request, SendProgress& progress) {
        if (request.source && !request.source->rewind()) co_return Error::not_resumable;
        const RequestHead head = make_request_head(request);
        progress.phase = Phase::write;
        progress.sent = true;
        std::error_code error;
        std::error_code source_error;
        if (request.source) error = co_await write_pieces(*connection, head, *request.source, source_error);
        if (source_error) co_return source_error;
        if (!request.source) error = co_await write_request(*connection, head, request.body);
        // A server may refuse what it has not read whole, and says why before it closes (RFC 9112 9.5).
        if (error && !is_cut(error)) co_return error;
        progress.phase = Phase::response;
        auto response = co_await read_response(*connection, head.method);
        if (!response && error) progress.phase = Phase::write;
        if (!response) co_return error ? error : response.error();
        progress.phase = Phase::body;
        const bool coding_asked = request.headers.contains("Accept-Encoding");
        Response message{std::move(*response), request.url, std::move(connection), coding_asked};
        co_return std::move(message);
    }

    // `source_error`: what is wrong with the source, and not with the connection.
    Awaitable<std::error_code> write_pieces(Connection& connection, const RequestHead& head, BodySource& source, std::error_code& source_error) {
        std::string bytes;
        const std::error_code malformed = write_head(bytes, head);
        if (malformed) co_return malformed;
        const bool chunked = !source.size();
        std::uint64_t left = source.size().value_or(0);
        for (bool more = true; more;) {
            auto piece = co_await source.next();
            if (!piece) source_error = piece.error();
            if (!piece) co_return source_error;
            more = !piece->empty();
            if (chunked && more) append_chunk(bytes, *piece);
            else if (chunked) bytes += last_chunk;
            else bytes += *piece;
            if (!chunked && (piece->size() > left || (!more && left > 0))) source_error = Error::invalid_option;
            if (source_error) co_return source_error;
            if (!chunked) left -= piece->size();
            if (bytes.empty()) continue;
            const std::error_code error = co_await connection.write(bytes, options_.write_timeout);
            if (error) co_return error;
            bytes.clear();
        }
        co_return std::error_code{};
    }

    // A redirect's own body is mostly there with its head, and with it read the connection may go back to the pool.
    static void take_body_at_hand(Response& response) {
        std::string_view piece;
        while (response.connection().next_body(piece)) {}
    }

    static bool is_redirect(int status) {
        return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    }

    std::error_code follow(HttpRequest& request, const ResponseHead& response) const {
        const auto location = response.fields.get("Location");
        if (!location || location->empty()) return Error::bad_redirect;
        auto target = request.url.resolve(*location);
        if (!target) return Error::bad_redirect;
        if (request.url.scheme == "https" && target->scheme == "http") return Error::bad_redirect;
        if (!request.url.same_origin(*target)) {
            for (const std::string& name : options_.credentials) request.headers.erase(name);
            request.headers.erase("Host");
        }
        const int status = response.status;
        const bool to_get = (status == 303 && request.method != "HEAD") ||
                            ((status == 301 || status == 302) && request.method == "POST");
        if (to_get) {
            request.method = "GET";
            drop_body(request);
        }
        request.url = std::move(*target);
        return {};
    }

    SseHttpClientOptions options_;
    std::shared_ptr<Pool> pool_;
};

using SseHttpClient = BasicSseHttpClient<>;

}  // namespace rejoin

#endif
