#ifndef REJOIN_NET_HTTP_CONNECTOR_HPP
#define REJOIN_NET_HTTP_CONNECTOR_HPP

#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <rejoin/error.hpp>
#include <rejoin/http/limits.hpp>
#include <rejoin/http/no_proxy.hpp>
#include <rejoin/http/url.hpp>
#include <rejoin/net/connect_options.hpp>
#include <rejoin/net/connector.hpp>
#include <rejoin/net/http_connection.hpp>
#include <rejoin/net/http_tunnel.hpp>
#include <rejoin/result.hpp>
#include <rejoin/resume/phase.hpp>

namespace rejoin {

/// Opens connections to the origins of URLs: TCP, a tunnel where a proxy stands between, TLS for https.
///
/// Thread safety: distinct objects safe; one object only from its strand. Several `open()` may be under way at once.
template <class Traits = DefaultTraits>
class BasicHttpConnector {
public:
    using Connection = BasicHttpClientConnection<Traits>;

    explicit BasicHttpConnector(ConnectOptions options = {}, HttpLimits limits = {})
        : options_{std::move(options)}, limits_{limits} {}

    const ConnectOptions& options() const noexcept { return options_; }
    const HttpLimits& limits() const noexcept { return limits_; }

    /// What the proxy that was asked last said to CONNECT: the cause of `proxy_refused`. Status 0: it said nothing.
    const TunnelAnswer& tunnel_answer() const noexcept { return tunnel_answer_; }

    /// The way to `url`: the proxy of the options, or the one that their `proxies` choose, or none. Errors: as of
    /// `proxy_for()`; `unsupported_scheme` for a proxy that is not http.
    Result<std::optional<HttpProxy>> proxy(const Url& url) const {
        std::optional<HttpProxy> proxy = options_.proxy;
        if (!proxy && options_.proxies) {
            auto chosen = proxy_for(url, *options_.proxies);
            if (!chosen) return chosen.error();
            if (*chosen) proxy = HttpProxy{std::move(**chosen), {}};
        }
        if (proxy && proxy->url.scheme != "http") return Error::unsupported_scheme;
        return proxy;
    }

    /// A connection to `url`'s origin on which nothing has been sent. `phase` is kept up to date: `resolve`, `connect`,
    /// then `proxy` and `tls` where they apply; after a failure it is where that struck.
    ///
    /// Errors: as of `connect()`, `open_tunnel()` and the TLS handshake, with a timeout of its own for each phase;
    /// `unsupported_scheme` for https without `ConnectOptions::tls`, and as of `proxy()`.
    /// Cancellation (terminal): `operation_aborted` at once, and no descriptor stays.
    /// Lifetime: this object, `url` and `phase` must live until completion.
    Awaitable<Result<std::shared_ptr<Connection>>> open(const Url& url, Phase& phase) {
        phase = Phase::resolve;
        const bool secure = url.scheme == "https";
        if (secure ? !options_.tls : url.scheme != "http") co_return Error::unsupported_scheme;
        const auto way = proxy(url);
        if (!way) phase = Phase::proxy;
        if (!way) co_return way.error();

        const Url& peer = *way ? (*way)->url : url;
        auto socket = co_await connect<Traits>(peer.host, peer.port, options_, phase);
        if (!socket) co_return socket.error();
        if (*way) {
            phase = Phase::proxy;
            TunnelAnswer answer;
            const std::error_code refused =
                co_await open_tunnel<Traits>(*socket, **way, url.host, url.port, limits_, options_.proxy_timeout, answer);
            tunnel_answer_ = std::move(answer);
            if (refused) co_return refused;
        }
        if (!secure) {
            auto plain = std::make_shared<Connection>(std::move(*socket), limits_);
            co_return std::move(plain);
        }

        phase = Phase::tls;
        auto layer = options_.tls->layer(url.host);
        if (!layer) co_return layer.error();
        auto connection = std::make_shared<Connection>(std::move(*socket), limits_, std::move(*layer));
        const std::error_code failed = co_await connection->handshake(options_.tls_timeout);
        if (failed) co_return failed;
        co_return std::move(connection);
    }

private:
    ConnectOptions options_;
    HttpLimits limits_;
    TunnelAnswer tunnel_answer_;
};

using HttpConnector = BasicHttpConnector<>;

}  // namespace rejoin

#endif
