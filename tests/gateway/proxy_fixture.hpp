#ifndef REJOIN_TESTS_GATEWAY_PROXY_FIXTURE_HPP
#define REJOIN_TESTS_GATEWAY_PROXY_FIXTURE_HPP

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>

#include <rejoin/rejoin.hpp>
#include <rejoin/testing/flaky_upstream.hpp>
#include <rejoin/testing/run.hpp>
#include <rejoin/testing/scripted_server.hpp>

#include "support/catch.hpp"

namespace proxy_tests {

using namespace std::chrono_literals;
using namespace rejoin;

inline std::size_t open_descriptors() {
    const std::filesystem::directory_iterator descriptors{"/proc/self/fd"};
    return static_cast<std::size_t>(std::distance(begin(descriptors), end(descriptors)));
}

/// Options that make a test quick: nothing here waits for people.
inline ReverseProxyOptions quick(const std::string& upstream) {
    ReverseProxyOptions options;
    options.upstream = Url::parse(upstream).value();
    options.reconnection.backoff.base = 1ms;
    options.reconnection.backoff.cap = 5ms;
    options.reconnection.max_outage = 20s;
    options.directory.linger = 2s;
    return options;
}

/// A proxy on loopback, on the test's own io_context.
struct Proxy {
    Proxy(asio::io_context& io, ReverseProxyOptions options, HttpServerOptions server_options = {})
        : manager{io.get_executor(), std::move(options)},
          server{io.get_executor(), {asio::ip::address_v4::loopback(), 0},
                 [this](HttpExchange& exchange) { return manager.handle(exchange); }, server_options} {
        server.start();
    }

    std::string url(std::string_view target) const {
        return "http://127.0.0.1:" + std::to_string(server.local_endpoint().port()) + std::string{target};
    }

    ReverseProxySseManager manager;
    HttpServer server;
};

/// Follows a stream of a `FlakyUpstream` and checks it while it comes: each number once, in order.
class Follower : public std::enable_shared_from_this<Follower> {
public:
    Follower(asio::io_context& io, const std::string& url, std::uint64_t last, std::uint64_t leave_every)
        : last_{last}, leave_every_{leave_every}, stream_{io.get_executor(), HttpRequest{Url::parse(url).value()}, options()} {}

    static std::shared_ptr<Follower> start(asio::io_context& io, const std::string& url, std::uint64_t last, std::uint64_t leave_every) {
        auto follower = std::make_shared<Follower>(io, url, last, leave_every);
        spawn(io.get_executor(), follower->follow(follower));
        return follower;
    }

    bool done() const noexcept { return done_; }
    std::uint64_t seen() const noexcept { return seen_; }
    const std::vector<std::string>& wrong() const noexcept { return wrong_; }
    std::uint64_t gaps() const noexcept { return gaps_; }
    unsigned drops() const noexcept { return drops_; }
    unsigned left() const noexcept { return left_; }
    void close() { stream_.close(); }

private:
    static ReconnectingStreamOptions options() {
        ReconnectingStreamOptions options;
        options.reconnection.backoff.base = 1ms;
        options.reconnection.backoff.cap = 5ms;
        return options;
    }

    Awaitable<> follow(std::shared_ptr<Follower> /*self*/) {
        StreamItem item;
        for (bool more = true; more;) {
            more = co_await stream_.wait();
            while (stream_.try_next(item)) {
                if (item.kind == StreamItem::Kind::dropped) ++drops_;
                if (item.kind != StreamItem::Kind::event) continue;
                take(item.event);
            }
        }
        done_ = true;
    }

    void take(const SseEventView& event) {
        if (event.type == "sse-gap") {
            ++gaps_;
            return;
        }
        const auto number = testing::FlakyHistory::number_of_data(event.data);
        if (!number || *number != seen_ + 1) {
            wrong_.push_back("after " + std::to_string(seen_) + ": " + std::string{event.data.substr(0, 40)});
        }
        if (number) seen_ = *number;
        if (seen_ == last_) {
            stream_.close();
        } else if (leave_every_ > 0 && seen_ % leave_every_ == 0) {
            ++left_;
            stream_.reconnect_now();
        }
    }

    std::uint64_t last_;
    std::uint64_t leave_every_;
    std::uint64_t seen_ = 0;
    std::uint64_t gaps_ = 0;
    unsigned drops_ = 0;
    unsigned left_ = 0;
    bool done_ = false;
    std::vector<std::string> wrong_;
    ReconnectingStream stream_;
};

/// One response as a client without any logic of its own gets it.
struct Fetched {
    ResponseHead head;
    std::string body;
    std::error_code end;  ///< value 0 when the body came whole
};

/// Sends `request` as it stands and reads the response, at most until `enough(body)` holds.
template <class Enough>
Awaitable<Result<Fetched>> fetch(std::string url, std::string request, Enough enough) {
    const Url target = Url::parse(url).value();
    SseHttpClient client;
    auto connection = co_await client.open(target);
    if (!connection) co_return connection.error();
    const std::error_code error = co_await (*connection)->write(request, 5s);
    if (error) co_return error;
    auto head = co_await (*connection)->read_head(10s, Error::response_timeout);
    if (!head) co_return head.error();
    Fetched fetched;
    fetched.head = std::move(*head);
    for (;;) {
        std::string_view piece;
        while ((*connection)->next_body(piece)) fetched.body += piece;
        if ((*connection)->body_ended() || enough(fetched.body)) break;
        co_await (*connection)->fill();
    }
    fetched.end = (*connection)->body_ended() ? (*connection)->body_error() : std::error_code{Error::closed};
    co_return std::move(fetched);
}

inline Awaitable<Result<Fetched>> fetch_all(std::string url, std::string request) {
    auto fetched = co_await fetch(std::move(url), std::move(request), [](const std::string&) { return false; });
    co_return std::move(fetched);
}

// --- for tests that look at one response ---

inline auto until(std::string text) {
    return [text = std::move(text)](const std::string& body) { return body.find(text) != std::string::npos; };
}

inline std::string field(const Fetched& fetched, std::string_view name) { return std::string{fetched.head.fields.get(name).value_or("(none)")}; }

inline std::size_t count(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++found;
    return found;
}

/// The id of the event of that number among those in `body` that have one.
inline std::string id_of(const std::string& body, std::size_t number) {
    std::size_t at = 0;
    for (; number > 0; --number) at = body.find("\nid: ", at) + 5;
    return body.substr(at, body.find('\n', at) - at);
}

inline Fetched fetched(asio::io_context& io, const std::string& url, const std::string& request, const std::string& end_with) {
    return testing::run(io, fetch(url, request, until(end_with))).value();
}

inline Fetched whole(asio::io_context& io, const std::string& url, const std::string& request) {
    return testing::run(io, fetch_all(url, request)).value();
}

inline std::string get(const std::string& target, const std::string& fields = {}) {
    return "GET " + target + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n";
}

}  // namespace proxy_tests

#endif
