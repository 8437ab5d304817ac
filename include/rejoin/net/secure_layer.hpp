#ifndef REJOIN_NET_SECURE_LAYER_HPP
#define REJOIN_NET_SECURE_LAYER_HPP

#include <cstddef>
#include <memory>
#include <string>
#include <system_error>

#include <rejoin/net/asio.hpp>
#include <rejoin/result.hpp>

namespace rejoin {

/// What encrypts one connection, between the HTTP connection and its socket; null for plain TCP. Implemented by
/// `rejoin/net/tls.hpp` (target `rejoin::tls`), so that nothing else needs OpenSSL.
///
/// It never waits: an operation that can't go on fails with `would_block`, and `wants()` then tells which readiness of the
/// socket to wait for, which need not be the operation's own direction. A connection that waits holds no plain bytes here.
/// Not thread-safe.
class SecureLayer {
public:
    using Socket = asio::ip::tcp::socket;

    SecureLayer() = default;
    SecureLayer(const SecureLayer&) = delete;
    SecureLayer& operator=(const SecureLayer&) = delete;
    virtual ~SecureLayer() = default;

    /// Goes on with the handshake. No error: it is done. Errors: `would_block`, `tls_failed`, `certificate_*`, or what the
    /// socket says.
    virtual std::error_code handshake(Socket& socket) = 0;

    /// Errors: `would_block`; `asio::error::eof` when the peer ended the layer (close_notify); `Error::truncated` when the
    /// connection ended without that; what the socket says.
    virtual std::size_t read_some(Socket& socket, asio::mutable_buffer buffer, std::error_code& error) = 0;

    /// Writes some of `buffer`. After `would_block` the same bytes must be offered again, possibly more behind them.
    virtual std::size_t write_some(Socket& socket, asio::const_buffer buffer, std::error_code& error) = 0;

    /// Plain bytes can be read without waiting for the socket.
    virtual bool pending() const = 0;

    /// What the last `would_block` waits for.
    virtual Socket::wait_type wants() const = 0;

    /// Tells the peer that nothing more will come (close_notify), as far as that goes without waiting.
    virtual void shutdown(Socket& socket) = 0;
};

/// Makes the layer of each connection of a client. Shared by its connections, which may resume each other's sessions.
/// Thread safety: see the implementation.
class TlsClient {
public:
    virtual ~TlsClient() = default;

    /// The layer of one connection to `host` (a name or an address), whose certificate must be for that host.
    virtual Result<std::unique_ptr<SecureLayer>> layer(const std::string& host) = 0;
};

}  // namespace rejoin

#endif
