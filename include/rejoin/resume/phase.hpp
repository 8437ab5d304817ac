#ifndef REJOIN_RESUME_PHASE_HPP
#define REJOIN_RESUME_PHASE_HPP

#include <cstdint>
#include <string_view>

#include <rejoin/version.hpp>

namespace rejoin {

/// How far an attempt to get a stream has come, and so: where it failed. Each phase has a timeout of its own.
enum class Phase : std::uint8_t {
    prepare,   ///< Before anything is sent: the hook before each attempt, the circuit breaker.
    resolve,   ///< The host's name.
    connect,   ///< TCP, to the host or to the proxy.
    proxy,     ///< CONNECT through an HTTP proxy.
    tls,       ///< The TLS handshake.
    write,     ///< Sending the request.
    response,  ///< Waiting for the response's head.
    body,      ///< The response's body: the stream itself.
};

/// The name as written above, for logs and metric labels.
constexpr std::string_view to_string(Phase phase) noexcept {
    switch (phase) {
    case Phase::prepare: return "prepare";
    case Phase::resolve: return "resolve";
    case Phase::connect: return "connect";
    case Phase::proxy: return "proxy";
    case Phase::tls: return "tls";
    case Phase::write: return "write";
    case Phase::response: return "response";
    case Phase::body: return "body";
    }
    return "unknown";
}

}  // namespace rejoin

#endif
