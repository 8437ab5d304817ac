#ifndef REJOIN_CLIENT_SSE_HTTP_CLIENT_HPP
#define REJOIN_CLIENT_SSE_HTTP_CLIENT_HPP

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <rejoin/client/http_request.hpp>
#include <rejoin/client/message_response.hpp>
#include <rejoin/http/parser.hpp>
#include <rejoin/net/connector.hpp>

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
};

/// How far a `send()` has come: what decides whether the request may be sent again.
struct SendProgress {
    /// Bytes of the request may have reached the server whose answer is awaited.
    bool sent = false;
};

/// Sends a request on a connection of its own and gives back what comes: an event stream or a regular response.
///
/// Redirects (301 302 303 307 308) are followed as RFC 9110 15.4 says: 303, and 301/302 for POST, become GET without the
/// body; Authorization, Cookie and Proxy-Authorization stay behind when the origin changes; https to http is refused.
/// Thread safety: distinct objects safe; one object only from its strand. Several `send()` may be under way at once.
template <class Traits = DefaultTraits>
class BasicSseHttpClient {
public:
    using Connection = BasicHttpClientConnection<Traits>;
    using Response = BasicMessageResponse<Traits>;

    explicit BasicSseHttpClient(SseHttpClientOptions options = {}) : options_{std::move(options)} {}

    const SseHttpClientOptions& options() const noexcept { return options_; }

    /// Completes with the first final response that is not a redirect to follow. Errors: the phase's timeout, what the
    /// resolver or the socket says, the parser's refusals, `bad_redirect`, `too_many_redirects`.
    /// Cancellation (terminal): `operation_aborted` at once; the connection is dropped.
    Awaitable<Result<Response>> send(HttpRequest request) {
        SendProgress unasked;
        auto response = co_await send(std::move(request), unasked);
        co_return std::move(response);
    }

    /// The same, and keeps `progress` up to date. Lifetime: `progress` must live until completion.
    Awaitable<Result<Response>> send(HttpRequest request, SendProgress& progress) {
        for (unsigned redirects = 0;; ++redirects) {
            progress.sent = false;
            auto connection = co_await open(request.url);
            if (!connection) co_return connection.error();
            progress.sent = true;
            const RequestHead head = make_request_head(request);
            std::error_code error = co_await write_request(**connection, head, request.body);
            if (error) co_return error;
            auto response = co_await read_response(**connection, head.method);
            if (!response) co_return response.error();
            if (!is_redirect(response->status) || options_.max_redirects == 0) {
                Response message{std::move(*response), std::move(request.url), std::move(*connection)};
                co_return std::move(message);
            }
            if (redirects == options_.max_redirects) co_return Error::too_many_redirects;
            error = follow(request, *response);
            if (error) co_return error;
        }
    }

    /// Connects to `url`'s origin. The pieces of `send()` are public for those who stream a body, as a proxy does.
    Awaitable<Result<std::shared_ptr<Connection>>> open(const Url& url) {
        if (url.scheme != "http") co_return Error::unsupported_scheme;
        auto socket = co_await connect<Traits>(url.host, url.port, options_.connect);
        if (!socket) co_return socket.error();
        auto connection = std::make_shared<Connection>(std::move(*socket), options_.limits);
        co_return std::move(connection);
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

private:
    static bool is_redirect(int status) {
        return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    }

    static std::error_code follow(HttpRequest& request, const ResponseHead& response) {
        const auto location = response.fields.get("Location");
        if (!location || location->empty()) return Error::bad_redirect;
        auto target = request.url.resolve(*location);
        if (!target) return Error::bad_redirect;
        if (request.url.scheme == "https" && target->scheme == "http") return Error::bad_redirect;
        if (!request.url.same_origin(*target)) {
            for (const char* name : {"Authorization", "Cookie", "Proxy-Authorization", "Host"}) request.headers.erase(name);
        }
        const int status = response.status;
        const bool to_get = (status == 303 && request.method != "HEAD") ||
                            ((status == 301 || status == 302) && request.method == "POST");
        if (to_get) {
            request.method = "GET";
            request.body.clear();
            for (const char* name : {"Content-Type", "Content-Length", "Content-Encoding", "Content-Language", "Content-Location"}) {
                request.headers.erase(name);
            }
        }
        request.url = std::move(*target);
        return {};
    }

    SseHttpClientOptions options_;
};

using SseHttpClient = BasicSseHttpClient<>;

}  // namespace rejoin

#endif
