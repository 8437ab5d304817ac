#ifndef REJOIN_TESTS_TESTING_CLIENT_HPP
#define REJOIN_TESTS_TESTING_CLIENT_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <rejoin/net/http_connection.hpp>
#include <rejoin/testing/flaky_history.hpp>
#include <rejoin/testing/run.hpp>

// A plain client for the tests of the test servers: one request, what came back, how it ended.

namespace rejoin::testing {

inline Awaitable<DefaultTraits::Socket> dial(std::uint16_t port) {
    const auto executor = co_await asio::this_coro::executor;
    DefaultTraits::Socket socket{executor};
    const asio::ip::tcp::endpoint endpoint{asio::ip::address_v4::loopback(), port};
    co_await socket.async_connect(endpoint, asio::use_awaitable);
    co_return std::move(socket);
}

inline std::string get(std::string_view target = "/", std::string_view fields = {}) {
    return std::string{"GET "}.append(target).append(" HTTP/1.1\r\nHost: x\r\n").append(fields).append("\r\n");
}

inline std::string post(std::string_view target, std::string_view body) {
    return std::string{"POST "}.append(target).append(" HTTP/1.1\r\nHost: x\r\nContent-Length: ")
        .append(std::to_string(body.size())).append("\r\n\r\n").append(body);
}

struct Reply {
    ResponseHead head;
    std::string body;
    std::error_code error;  ///< of the head or of the body
    bool keep_alive = false;
    std::vector<std::string> pieces;
};

/// A connection that outlives its replies.
class Client {
public:
    explicit Client(DefaultTraits::Socket socket) : http{std::move(socket), HttpLimits{}} {}

    Awaitable<Reply> ask(std::string_view request, std::size_t enough = ~std::size_t{0}) {
        Reply reply;
        reply.error = co_await http.write(request, Duration::zero());
        if (!reply.error) co_await read(reply, enough);
        co_return std::move(reply);
    }

    /// Reads head and body, the body no further than `enough` bytes.
    Awaitable<> read(Reply& reply, std::size_t enough = ~std::size_t{0}) {
        auto head = co_await http.read_head(Duration::zero(), Error::response_timeout);
        if (!head) {
            reply.error = head.error();
            co_return;
        }
        reply.head = std::move(*head);
        reply.keep_alive = http.parser().keep_alive();
        co_await read_body(reply, enough);
    }

    Awaitable<> read_body(Reply& reply, std::size_t enough = ~std::size_t{0}) {
        for (;;) {
            std::string_view piece;
            while (http.next_body(piece)) {
                reply.body += piece;
                reply.pieces.emplace_back(piece);
            }
            if (http.body_ended() || reply.body.size() >= enough) break;
            co_await http.fill();
        }
        reply.error = http.body_error();
    }

    HttpClientConnection http;
};

inline Awaitable<Reply> fetch(std::uint16_t port, std::string request, std::size_t enough = ~std::size_t{0}) {
    auto socket = co_await dial(port);
    Client client{std::move(socket)};
    Reply reply = co_await client.ask(request, enough);
    co_return std::move(reply);
}

inline Reply fetch_now(asio::io_context& io, std::uint16_t port, std::string request, std::size_t enough = ~std::size_t{0}) {
    return run(io, fetch(port, std::move(request), enough));
}

/// The numbers of the whole events in a stream, by their data.
inline std::vector<std::uint64_t> numbers_in(std::string_view stream) {
    std::vector<std::uint64_t> numbers;
    for (std::size_t end; (end = stream.find("\n\n")) != std::string_view::npos; stream.remove_prefix(end + 2)) {
        std::string_view block = stream.substr(0, end);
        const std::size_t data = block.find("data: ");
        if (data == std::string_view::npos) continue;
        block.remove_prefix(data + 6);
        numbers.push_back(FlakyHistory::number_of_data(block.substr(0, block.find('\n'))).value_or(0));
    }
    return numbers;
}

}  // namespace rejoin::testing

#endif
