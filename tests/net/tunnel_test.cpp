#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include <asio/write.hpp>

#include <rejoin/net/http_tunnel.hpp>

#include "net/support.hpp"
#include "support/catch.hpp"

namespace rejoin::testing {
namespace {

using namespace std::chrono_literals;

HttpProxy proxy_at(std::string_view url, std::string authorization = {}) {
    return HttpProxy{Url::parse(url).value(), std::move(authorization)};
}

std::string request_for(const HttpProxy& proxy, std::string_view host, std::uint16_t port) {
    std::string bytes;
    if (write_head(bytes, make_tunnel_request(proxy, host, port))) return "can't be sent";
    return bytes;
}

TEST_CASE("tunnel request: host and port, also the default one, in target and Host") {
    const HttpProxy proxy = proxy_at("http://p.test:3128");
    CHECK(request_for(proxy, "a.test", 443) == "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n");
    CHECK(request_for(proxy, "::1", 80) == "CONNECT [::1]:80 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n");
}

TEST_CASE("tunnel request: credentials") {
    const auto authorization = [](const HttpProxy& proxy) {
        return std::string{make_tunnel_request(proxy, "a.test", 80).fields.get("Proxy-Authorization").value_or("-")};
    };
    CHECK(authorization(proxy_at("http://p.test")) == "-");
    CHECK(authorization(proxy_at("http://Aladdin:open%20sesame@p.test")) == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    CHECK(authorization(proxy_at("http://u:p@p.test", "Bearer x")) == "Bearer x");
    CHECK(request_for(proxy_at("http://p.test", "Bearer x\r\nHost: y"), "a.test", 80) == "can't be sent");
}

// A tunnel asked for on one end of a connection; the test is the proxy at the other.
struct Asked {
    explicit Asked(HttpLimits limits = {}, Duration timeout = 10s)
        : task{io, open_tunnel<ManualTraits>(pair.left, proxy, "a.test", 443, limits, timeout, answer)} {
        run_until_idle(io);
    }

    void say(std::string_view bytes) {
        asio::write(pair.right, asio::buffer(bytes));
        run_until_idle(io);
    }

    // The outcome in words.
    std::string outcome() {
        if (!task.done()) return "waits";
        const std::string status = answer.status == 0 ? "" : std::to_string(answer.status) + " " + answer.reason + ": ";
        return status + (task.value() ? task.value().message() : "open");
    }

    asio::io_context io;
    SocketPair pair{io};
    HttpProxy proxy = proxy_at("http://u:p@p.test:3128");
    TunnelAnswer answer;
    Task<std::error_code> task;
};

std::string outcome_of(std::string_view bytes) {
    std::string whole;
    {
        Asked asked;
        asked.say(bytes);
        whole = asked.outcome();
    }
    Asked asked;
    for (const char byte : bytes) {
        if (asked.task.done()) break;
        asked.say(std::string_view{&byte, 1});
    }
    if (asked.outcome() != whole) return whole + ", but byte by byte: " + asked.outcome();
    return whole;
}

std::string message(Error error) { return make_error_code(error).message(); }

TEST_CASE("tunnel: the request is on the wire before anything is read") {
    Asked asked;
    std::string got(1024, '\0');
    got.resize(asked.pair.right.read_some(asio::buffer(got)));
    CHECK(got == "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\nProxy-Authorization: Basic dTpw\r\n\r\n");
    CHECK(asked.outcome() == "waits");
}

TEST_CASE("tunnel: any 2xx opens it, and has no body whatever its fields say") {
    CHECK(outcome_of("HTTP/1.1 200 Connection established\r\n\r\n") == "200 Connection established: open");
    CHECK(outcome_of("HTTP/1.0 200 OK\r\n\r\n") == "200 OK: open");
    CHECK(outcome_of("HTTP/1.1 204 X\r\n\r\n") == "204 X: open");
    CHECK(outcome_of("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n") == "200 OK: open");
    CHECK(outcome_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") == "200 OK: open");
    CHECK(outcome_of("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n") == "200 OK: open");
}

TEST_CASE("tunnel: interim answers are passed over") {
    CHECK(outcome_of("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n") == "200 OK: open");
    CHECK(outcome_of("HTTP/1.1 100 Continue\r\n\r\n") == "waits");
    CHECK(outcome_of("HTTP/1.1 101 Switching Protocols\r\n\r\n") == message(Error::bad_message));
}

TEST_CASE("tunnel: every other status is a refusal that can be shown") {
    const std::string refused = message(Error::proxy_refused);
    CHECK(outcome_of("HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n") == "407 Who are you: " + message(Error::proxy_authentication));
    CHECK(outcome_of("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n") == "302 Found: " + refused);
    Asked asked;
    asked.say("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nno!");
    CHECK(asked.outcome() == "502 Bad Gateway: " + refused);
    CHECK(asked.task.value() == Error::proxy_refused);
}

TEST_CASE("tunnel: bytes behind the answer, or in its place") {
    Asked asked;
    asked.say("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n");
    CHECK(asked.outcome() == "200 OK: " + message(Error::bad_message));
    CHECK(outcome_of("SSH-2.0-x\r\n") == message(Error::bad_message));
    HttpLimits limits;
    limits.header_bytes = 30;
    Asked narrow{limits};
    narrow.say("HTTP/1.1 200 OK\r\nField: long, long\r\n\r\n");
    CHECK(narrow.outcome() == message(Error::header_too_large));
}

TEST_CASE("tunnel: a proxy that leaves") {
    Asked asked;
    const std::string_view said = GENERATE("", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n\r\n");
    if (!said.empty()) asked.say(said);
    std::string request(1024, '\0');
    asked.pair.right.read_some(asio::buffer(request));  // what nobody has read would turn the end into a reset
    SECTION("in the orderly way") {
        asked.pair.right.close();
        REQUIRE(asked.task.wait());
        CHECK(asked.task.value() == Error::truncated);
    }
    SECTION("by a reset") {
        asked.pair.right.set_option(asio::socket_base::linger{true, 0});
        asked.pair.right.close();
        REQUIRE(asked.task.wait());
        CHECK(asked.task.value() == asio::error::connection_reset);
    }
    CHECK(asked.answer.status == 0);
}

TEST_CASE("tunnel: a proxy that is silent, or too slow") {
    Asked asked{HttpLimits{}, 3s};
    advance_clock(asked.io, 2s);
    asked.say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n");
    advance_clock(asked.io, 1s - 1ns);
    REQUIRE_FALSE(asked.task.done());
    SECTION("times out, as one time for the whole answer") {
        advance_clock(asked.io, 1ns);
        REQUIRE(asked.task.done());
        CHECK(asked.task.value() == Error::proxy_timeout);
        CHECK(asked.task.value() == ErrorCondition::timeout);
    }
    SECTION("answers in time") {
        asked.say("\r\n");
        CHECK(asked.outcome() == "200 OK: open");
    }
    SECTION("is left with the caller, at once") { CHECK(asked.task.cancel_ends_it()); }
    CHECK(ManualClock::pending() == 0);
}

TEST_CASE("tunnel: without a bound it waits") {
    Asked asked{HttpLimits{}, 0s};
    advance_clock(asked.io, 100h);
    CHECK(asked.outcome() == "waits");
    CHECK(ManualClock::pending() == 0);
}

}  // namespace
}  // namespace rejoin::testing
