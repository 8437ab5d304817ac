#ifndef REJOIN_EXAMPLES_ENDPOINT_HPP
#define REJOIN_EXAMPLES_ENDPOINT_HPP

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <asio/ip/tcp.hpp>

namespace examples {

/// Reads `HOST:PORT`, `[IPv6]:PORT` or `:PORT` (all interfaces); the host is an address or `localhost`. Port 0 picks one.
inline std::optional<asio::ip::tcp::endpoint> parse_endpoint(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    std::string host{text.substr(0, colon)};
    const std::string_view digits = text.substr(colon + 1);
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    if (host.empty()) host = "0.0.0.0";
    if (host == "localhost") host = "127.0.0.1";
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    std::error_code bad;
    const auto address = asio::ip::make_address(host, bad);
    if (bad) return std::nullopt;
    return asio::ip::tcp::endpoint{address, port};
}

/// The URL under which an endpoint is reached from this machine.
inline std::string url_of(const asio::ip::tcp::endpoint& endpoint) {
    const auto address = endpoint.address();
    std::string host = address.to_string();
    if (address.is_v6()) host = "[" + host + "]";
    return "http://" + host + ":" + std::to_string(endpoint.port());
}

}  // namespace examples

#endif
