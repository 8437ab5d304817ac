#ifndef REJOIN_NET_CONNECT_OPTIONS_HPP
#define REJOIN_NET_CONNECT_OPTIONS_HPP

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <rejoin/http/no_proxy.hpp>
#include <rejoin/http/url.hpp>
#include <rejoin/net/secure_layer.hpp>
#include <rejoin/net/traits.hpp>

namespace rejoin {

/// An HTTP proxy that connections go through by CONNECT (RFC 9110 9.3.6), to http and https origins alike.
struct HttpProxy {
    /// Where it listens; scheme http. Its userinfo, percent-decoded, is sent as Basic Proxy-Authorization.
    Url url;
    /// The value of Proxy-Authorization, instead of what the URL says; empty: as the URL says.
    std::string authorization;
};

/// How a connection comes about.
struct ConnectOptions {
    /// Bound on name resolution; zero = none.
    Duration resolve_timeout = std::chrono::seconds{5};
    /// Bound on connecting, over all addresses of the name together (of the proxy's, where there is one); zero = none.
    Duration connect_timeout = std::chrono::seconds{5};
    /// How long one address has before the next is tried beside it (RFC 8305, section 5); zero = only after it failed.
    Duration attempt_delay = std::chrono::milliseconds{250};
    /// Bound on the proxy's answer to CONNECT; zero = none.
    Duration proxy_timeout = std::chrono::seconds{10};
    /// Bound on the TLS handshake; zero = none.
    Duration tls_timeout = std::chrono::seconds{10};
    /// TCP keep-alive probes on the connection.
    bool keep_alive = true;
    /// With `keep_alive`: the time of silence before the first probe, whole seconds; zero = the system's.
    std::chrono::seconds keep_alive_idle{0};
    /// Makes https possible (`rejoin/net/tls.hpp`); null = https URLs fail with `unsupported_scheme`.
    std::shared_ptr<TlsClient> tls = nullptr;
    /// The proxy for every connection. None = what `proxies` says.
    std::optional<HttpProxy> proxy = std::nullopt;
    /// Chooses the proxy by the URL, of each redirect anew: `ProxyEnvironment::from_environment()` for what the user's
    /// environment says. None = straight to the origin.
    std::optional<ProxyEnvironment> proxies = std::nullopt;
};

}  // namespace rejoin

#endif
