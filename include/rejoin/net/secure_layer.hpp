#ifndef REJOIN_NET_SECURE_LAYER_HPP
#define REJOIN_NET_SECURE_LAYER_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
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
/// The socket must be non-blocking. Not thread-safe.
class SecureLayer {
public:
    using Socket = asio::ip::tcp::socket;

    SecureLayer() = default;
    SecureLayer(const SecureLayer&) = delete;
    SecureLayer& operator=(const SecureLayer&) = delete;
    virtual ~SecureLayer() = default;

    /// Goes on with the handshake. No error: it is done. Errors: `would_block`, `tls_failed` or the implementation's own
    /// reason, `certificate_*`, or what the socket says.
    virtual std::error_code handshake(Socket& socket) = 0;

    /// Reads what is there and fits. An error that comes behind bytes is kept for the next call.
    /// Errors: `would_block`; `asio::error::eof` when the peer ended the layer (close_notify); `Error::truncated` when the
    /// connection ended without that; the implementation's own reason; what the socket says.
    virtual std::size_t read_some(Socket& socket, asio::mutable_buffer buffer, std::error_code& error) = 0;

    /// Writes some of `buffer`. After `would_block` the same bytes must be offered again, possibly more behind them.
    virtual std::size_t write_some(Socket& socket, asio::const_buffer buffer, std::error_code& error) = 0;

    /// `read_some()` may have more without the socket becoming readable again: ask it before waiting.
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

namespace detail {

// Writes through the layer until it blocks or all is written; small buffers share a record, since each record costs its
// own framing, encryption and system call. What is offered depends on the bytes alone and not on where one buffer ends
// and the next begins, so that after a block a caller may cut them anew.
inline std::size_t write_gathered(SecureLayer& layer, SecureLayer::Socket& socket, std::span<const asio::const_buffer> buffers,
                                  std::error_code& error) {
    std::array<char, 16 * 1024> record;  // the most that a TLS record holds
    std::size_t total = 0;
    std::size_t first = 0;
    std::size_t skip = 0;
    error = {};
    for (;;) {
        while (first < buffers.size() && buffers[first].size() == skip) {
            ++first;
            skip = 0;
        }
        if (first == buffers.size()) return total;

        asio::const_buffer offer = asio::buffer(buffers[first] + skip, record.size());
        if (offer.size() < record.size() && first + 1 < buffers.size()) {
            std::size_t size = 0;
            for (std::size_t i = first; i < buffers.size() && size < record.size(); ++i) {
                const asio::const_buffer rest = i == first ? buffers[i] + skip : buffers[i];
                const std::size_t part = std::min(rest.size(), record.size() - size);
                if (part == 0) continue;
                std::memcpy(record.data() + size, rest.data(), part);
                size += part;
            }
            offer = asio::buffer(record.data(), size);
        }
        std::size_t written = layer.write_some(socket, offer, error);
        total += written;
        const bool all = written == offer.size();
        while (written > 0) {
            const std::size_t part = std::min(written, buffers[first].size() - skip);
            written -= part;
            skip += part;
            if (skip == buffers[first].size()) {
                ++first;
                skip = 0;
            }
        }
        if (error || !all) return total;
    }
}

}  // namespace detail

}  // namespace rejoin

#endif
