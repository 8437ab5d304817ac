#ifndef REJOIN_TESTING_PORTS_HPP
#define REJOIN_TESTING_PORTS_HPP

#include <sys/socket.h>

#include <cstdint>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>

#include <rejoin/net/asio.hpp>

namespace rejoin::testing {

/// A port on 127.0.0.1 that refuses connections for as long as the object lives: it is taken, but nobody listens.
class RefusedPort {
public:
    explicit RefusedPort(asio::io_context& io) : socket_{io} {
        socket_.open(asio::ip::tcp::v4());
        socket_.bind({asio::ip::address_v4::loopback(), 0});
    }

    std::uint16_t port() const { return socket_.local_endpoint().port(); }

private:
    asio::ip::tcp::socket socket_;
};

/// A port on 127.0.0.1 where connecting neither succeeds nor fails, as behind a firewall that drops packets: its queue of
/// connections is full and nobody accepts. Where the system doesn't let a queue be full (not Linux), `works()` is false.
class UnansweredPort {
public:
    explicit UnansweredPort(asio::io_context& io) : acceptor_{io} {
        acceptor_.open(asio::ip::tcp::v4());
        acceptor_.bind({asio::ip::address_v4::loopback(), 0});
        acceptor_.listen(0);
        const auto endpoint = acceptor_.local_endpoint();
        for (int tries = 0; tries < 64 && !works_; ++tries) {
            asio::ip::tcp::socket socket{io};
            socket.open(endpoint.protocol());
            socket.non_blocking(true);  // Asio's own connect() would wait all the same
            ::connect(socket.native_handle(), endpoint.data(), static_cast<socklen_t>(endpoint.size()));
            works_ = !is_connected(socket);
            fillers_.push_back(std::move(socket));
        }
    }

    std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
    bool works() const noexcept { return works_; }

private:
    static bool is_connected(asio::ip::tcp::socket& socket) {
        std::error_code error;
        socket.remote_endpoint(error);
        return !error;
    }

    asio::ip::tcp::acceptor acceptor_;
    std::vector<asio::ip::tcp::socket> fillers_;
    bool works_ = false;
};

}  // namespace rejoin::testing

#endif
