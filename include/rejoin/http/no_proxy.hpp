#ifndef REJOIN_HTTP_NO_PROXY_HPP
#define REJOIN_HTTP_NO_PROXY_HPP

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <rejoin/error.hpp>
#include <rejoin/http/detail/address.hpp>
#include <rejoin/http/detail/ascii.hpp>
#include <rejoin/http/url.hpp>
#include <rejoin/result.hpp>

namespace rejoin {

/// What the environment's variables say about proxies, by the custom that curl began. Plain values: filled in by hand, or
/// by `from_environment()`, which nothing in the library calls on its own.
struct ProxyEnvironment {
    /// The proxy for http URLs; a URL of scheme http, or its authority alone. Empty: `all`.
    std::string http;
    /// The proxy for https URLs, likewise.
    std::string https;
    /// The proxy for either, where it has none of its own. Empty: none.
    std::string all;
    /// Hosts that are reached without a proxy: see `bypasses_proxy()`.
    std::string no_proxy;

    /// Reads `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, then those in upper case, except `HTTP_PROXY`: in a
    /// CGI program that one is a request's header (CVE-2016-5385). An empty variable counts as none.
    /// Thread safety: as `std::getenv`, not beside code that changes the environment.
    static ProxyEnvironment from_environment() {
        const auto read = [](const char* name, const char* other) {
            const char* value = std::getenv(name);
            if ((value == nullptr || *value == '\0') && other != nullptr) value = std::getenv(other);
            return std::string{value == nullptr ? "" : value};
        };
        ProxyEnvironment environment;
        environment.http = read("http_proxy", nullptr);
        environment.https = read("https_proxy", "HTTPS_PROXY");
        environment.all = read("all_proxy", "ALL_PROXY");
        environment.no_proxy = read("no_proxy", "NO_PROXY");
        return environment;
    }
};

namespace detail {

inline std::string_view without_trailing_dot(std::string_view name) {
    if (name.ends_with('.')) name.remove_suffix(1);
    return name;
}

// `name` is `suffix` or ends with it behind a dot.
inline bool has_domain(std::string_view name, std::string_view suffix) {
    if (suffix.empty() || name.size() < suffix.size()) return false;
    const std::size_t front = name.size() - suffix.size();
    return iequals(name.substr(front), suffix) && (front == 0 || name[front - 1] == '.');
}

// One entry of the list.
inline bool bypasses_proxy(std::string_view entry, const Url& url, const std::optional<AddressBytes>& address) {
    if (entry == "*") return true;
    const std::size_t slash = entry.find('/');
    if (slash != std::string_view::npos) {
        const auto prefix = parse_address(entry.substr(0, slash));
        const auto bits = parse_number(entry.substr(slash + 1), 128);
        return address && prefix && bits && *bits <= prefix->size * 8 && address->in_prefix(*prefix, *bits);
    }
    std::string_view host = entry;
    std::string_view port;
    if (entry.starts_with('[')) {
        const std::size_t close = entry.find(']');
        if (close == std::string_view::npos) return false;
        host = entry.substr(1, close - 1);
        port = entry.substr(close + 1);
    } else if (std::count(entry.begin(), entry.end(), ':') == 1) {
        host = entry.substr(0, entry.find(':'));
        port = entry.substr(host.size());
    }
    if (!port.empty() && (port.front() != ':' || parse_number(port.substr(1), 65535) != url.port)) return false;
    if (address) return parse_address(host) == address;
    if (host.starts_with("*.")) host.remove_prefix(1);
    if (host.starts_with('.')) host.remove_prefix(1);
    return has_domain(without_trailing_dot(url.host), without_trailing_dot(host));
}

}  // namespace detail

/// Whether a `NO_PROXY` list has `url`'s host. The entries, separated by commas or blanks, in any case: `*` for every
/// host; a name for that host and all below it (`example.com`, `.example.com`, `*.example.com` mean the same); an address,
/// IPv6 also in brackets; a range of addresses (`10.0.0.0/8`, `fd00::/8`); names and addresses also with `:port`. Names
/// are not resolved: an address in the list is for URLs that have it. An entry that can't be read is passed over.
inline bool bypasses_proxy(std::string_view list, const Url& url) {
    const auto address = detail::parse_address(url.host);
    while (!list.empty()) {
        const std::size_t end = std::min(list.size(), list.find_first_of(", \t"));
        const std::string_view entry = list.substr(0, end);
        list.remove_prefix(std::min(list.size(), end + 1));
        if (!entry.empty() && detail::bypasses_proxy(entry, url, address)) return true;
    }
    return false;
}

/// The proxy that connections to `url` go through; nothing: straight to the host. A value without a scheme means http.
/// Errors: `bad_url`, `unsupported_scheme` (a proxy spoken to by TLS or SOCKS) for a proxy that would be taken, since a
/// connection that was to be proxied must not go around it.
inline Result<std::optional<Url>> proxy_for(const Url& url, const ProxyEnvironment& environment) {
    std::string_view value = url.is_https() ? environment.https : environment.http;
    if (value.empty()) value = environment.all;
    if (value.empty() || bypasses_proxy(environment.no_proxy, url)) return std::optional<Url>{};
    const bool has_scheme = value.find("://") != std::string_view::npos;
    auto proxy = Url::parse(has_scheme ? std::string{value} : "http://" + std::string{value});
    if (!proxy) return proxy.error();
    if (proxy->is_https()) return Error::unsupported_scheme;
    return std::optional<Url>{std::move(*proxy)};
}

}  // namespace rejoin

#endif
