#ifndef REJOIN_TESTS_SUPPORT_CONNECT_PROXY_HPP
#define REJOIN_TESTS_SUPPORT_CONNECT_PROXY_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/read_until.hpp>
#include <asio/write.hpp>

#include <rejoin/net/asio.hpp>

namespace rejoin::testing {

/// An HTTP proxy on 127.0.0.1 that takes CONNECT and forwards bytes both ways; an end on one side ends the other. Every
/// tunnel leads to 127.0.0.1, to the port asked for, whatever the name is: so names need not exist.
class ConnectProxy {
public:
    explicit ConnectProxy(asio::io_context& io)
        : state_{std::make_shared<State>(asio::ip::tcp::acceptor{io, {asio::ip::address_v4::loopback(), 0}})} {
        spawn(io.get_executor(), serve(state_));
    }

    ~ConnectProxy() { state_->acceptor.close(); }

    ConnectProxy(const ConnectProxy&) = delete;
    ConnectProxy& operator=(const ConnectProxy&) = delete;

    std::uint16_t port() const { return state_->acceptor.local_endpoint().port(); }
    std::string url(const std::string& userinfo = {}) const {
        return "http://" + (userinfo.empty() ? "" : userinfo + "@") + "127.0.0.1:" + std::to_string(port());
    }

    /// The heads it got, as they came.
    const std::vector<std::string>& requests() const noexcept { return state_->requests; }

    /// What it says instead of opening tunnels, from now on; it then keeps the connection and is silent.
    void answer(std::string bytes) { state_->answer = std::move(bytes); }

private:
    using Socket = asio::ip::tcp::socket;
    struct State {
        explicit State(asio::ip::tcp::acceptor acceptor_) : acceptor{std::move(acceptor_)} {}
        asio::ip::tcp::acceptor acceptor;
        std::vector<std::string> requests;
        std::string answer;
    };
    struct Tunnel {
        Socket client;
        Socket host;
    };

    static Awaitable<> serve(std::shared_ptr<State> state) {
        const auto executor = co_await asio::this_coro::executor;
        for (;;) {
            auto tunnel = std::make_shared<Tunnel>(Tunnel{Socket{executor}, Socket{executor}});
            std::error_code error;
            co_await state->acceptor.async_accept(tunnel->client, rejoin::detail::to_error(error));
            if (error) co_return;
            spawn(executor, open(state, tunnel));
        }
    }

    static Awaitable<> open(std::shared_ptr<State> state, std::shared_ptr<Tunnel> tunnel) {
        std::string head;
        std::error_code error;
        co_await asio::async_read_until(tunnel->client, asio::dynamic_buffer(head), "\r\n\r\n", rejoin::detail::to_error(error));
        if (error) co_return;
        state->requests.push_back(head);
        const std::string target = head.substr(8, head.find(' ', 8) - 8);  // behind "CONNECT "
        std::string said = state->answer;
        if (said.empty()) {
            const auto port = static_cast<std::uint16_t>(std::stoul(target.substr(target.rfind(':') + 1)));
            const asio::ip::tcp::endpoint host{asio::ip::address_v4::loopback(), port};
            co_await tunnel->host.async_connect(host, rejoin::detail::to_error(error));
            said = error ? "HTTP/1.1 502 Bad Gateway\r\n\r\n" : "HTTP/1.1 200 Connection established\r\n\r\n";
        }
        co_await asio::async_write(tunnel->client, asio::buffer(said), rejoin::detail::to_error(error));
        const auto executor = co_await asio::this_coro::executor;
        if (tunnel->host.is_open()) spawn(executor, forward(tunnel, tunnel->host, tunnel->client));
        co_await forward(tunnel, tunnel->client, tunnel->host);
    }

    static Awaitable<> forward(std::shared_ptr<Tunnel> tunnel, Socket& from, Socket& to) {
        std::string bytes(4096, '\0');
        std::error_code error;
        while (!error) {
            const std::size_t size = co_await from.async_read_some(asio::buffer(bytes), rejoin::detail::to_error(error));
            if (!error) co_await asio::async_write(to, asio::buffer(bytes.data(), size), rejoin::detail::to_error(error));
        }
        tunnel->client.close(error);
        tunnel->host.close(error);
    }

    std::shared_ptr<State> state_;
};

}  // namespace rejoin::testing

#endif
