#ifndef REJOIN_NET_HTTP_TUNNEL_HPP
#define REJOIN_NET_HTTP_TUNNEL_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <asio/write.hpp>

#include <rejoin/error.hpp>
#include <rejoin/http/basic_authorization.hpp>
#include <rejoin/http/response_parser.hpp>
#include <rejoin/net/connect_options.hpp>
#include <rejoin/net/deadline.hpp>
#include <rejoin/net/traits.hpp>
#include <rejoin/result.hpp>

namespace rejoin {

/// The request that asks `proxy` for a tunnel to `host` and `port` (RFC 9110 9.3.6): `host:port` as target and as Host,
/// an IPv6 address in brackets, and Proxy-Authorization where the proxy's options have any.
inline RequestHead make_tunnel_request(const HttpProxy& proxy, std::string_view host, std::uint16_t port) {
    const bool bare_ipv6 = host.find(':') != std::string_view::npos;
    RequestHead head;
    head.method = "CONNECT";
    head.target = bare_ipv6 ? "[" + std::string{host} + "]" : std::string{host};
    head.target.append(":").append(std::to_string(port));
    head.fields.add("Host", head.target);
    const std::string own = proxy.authorization.empty() ? basic_authorization(proxy.url.userinfo) : proxy.authorization;
    if (!own.empty()) head.fields.add("Proxy-Authorization", own);
    return head;
}

/// What a proxy said to CONNECT.
struct TunnelAnswer {
    /// 0 before the final answer's head was there.
    int status = 0;
    std::string reason;
};

namespace detail {

// What is left to do with a piece of the answer.
enum class TunnelStep : std::uint8_t { read, open, refused, malformed };

// A 2xx has no body here, whatever its fields say (RFC 9110 9.3.6); interim answers are passed over.
inline TunnelStep take_tunnel_answer(ResponseParser& parser, std::string_view input, TunnelAnswer& answer) {
    for (;;) {
        switch (parser.parse(input)) {
        case HttpStep::need_more: return TunnelStep::read;
        case HttpStep::head: {
            ResponseHead head = parser.take_head();
            if (head.status < 200) break;
            answer.status = head.status;
            answer.reason = std::move(head.reason);
            if (head.status / 100 != 2) return TunnelStep::refused;
            // The host doesn't speak first, neither in HTTP nor in TLS: these bytes are not its own.
            return input.empty() ? TunnelStep::open : TunnelStep::malformed;
        }
        case HttpStep::complete: parser.reset(); break;
        case HttpStep::body:
        case HttpStep::error: return TunnelStep::malformed;
        }
    }
}

}  // namespace detail

/// Makes of `socket`, connected to `proxy`, a connection to `host` and `port`. Afterwards no byte of the host's is lost:
/// what follows the answer is still in the socket, or was an error.
///
/// `answer` is set from a final answer's head on, also when that is a refusal. Errors: `proxy_authentication` for 407,
/// `proxy_refused` for another status than 2xx, `proxy_timeout` for an answer that isn't whole `timeout` after the call (zero = no bound), `truncated` when
/// the proxy closes before, `bad_message` and the other refusals of the parser, `invalid_head` for credentials that can't
/// be sent, or what the socket says; the socket is then only good for closing.
/// Cancellation (terminal): `operation_aborted`. Lifetime: the references must live until completion.
template <class Traits = DefaultTraits>
Awaitable<std::error_code> open_tunnel(typename Traits::Socket& socket, const HttpProxy& proxy, std::string host,
                                       std::uint16_t port, const HttpLimits& limits, Duration timeout, TunnelAnswer& answer) {
    answer = TunnelAnswer{};
    std::string request;
    std::error_code error = write_head(request, make_tunnel_request(proxy, host, port));
    if (error) co_return error;
    Deadline<Traits> deadline{socket.get_executor(), timeout, [&socket] {
                                  std::error_code ignored;
                                  socket.cancel(ignored);
                              }};
    co_await asio::async_write(socket, asio::buffer(request), detail::to_error(error));

    ResponseParser parser{limits};
    parser.expect_no_body(true);
    std::string buffer(1024, '\0');
    while (!error) {
        if (deadline.expired()) co_return Error::proxy_timeout;
        const std::size_t size = co_await socket.async_read_some(asio::buffer(buffer), detail::to_error(error));
        if (error) break;
        switch (detail::take_tunnel_answer(parser, std::string_view{buffer}.substr(0, size), answer)) {
        case detail::TunnelStep::read: break;
        case detail::TunnelStep::open: co_return std::error_code{};
        case detail::TunnelStep::refused: co_return answer.status == 407 ? Error::proxy_authentication : Error::proxy_refused;
        case detail::TunnelStep::malformed: {
            const std::error_code refusal = parser.error();
            co_return refusal ? refusal : std::error_code{Error::bad_message};
        }
        }
    }
    if (deadline.expired()) co_return Error::proxy_timeout;
    if (error == asio::error::eof) co_return Error::truncated;
    co_return error;
}

}  // namespace rejoin

#endif
