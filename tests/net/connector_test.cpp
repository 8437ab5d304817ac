#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <rejoin/net/connector.hpp>
#include <rejoin/testing/ports.hpp>

#include "net/support.hpp"
#include "support/catch.hpp"
#include "support/scripted_resolver.hpp"

namespace rejoin::testing {
namespace {

using namespace std::chrono_literals;

using Connected = Result<asio::ip::tcp::socket>;

TEST_CASE("connect: to a literal address, without the resolver") {
    asio::io_context io;
    ScriptedResolver::script = {};
    asio::ip::tcp::acceptor acceptor{io, loopback(0)};
    Task<Connected> task{io, connect<ScriptedTraits>("127.0.0.1", acceptor.local_endpoint().port(), ConnectOptions{})};
    REQUIRE(task.wait());
    REQUIRE(task.value());
    CHECK(task.value()->remote_endpoint() == acceptor.local_endpoint());
    asio::socket_base::keep_alive keep_alive;
    task.value()->get_option(keep_alive);
    CHECK(keep_alive.value());
    CHECK(ScriptedResolver::script.asked.empty());
    CHECK(ManualClock::pending() == 0);
}

TEST_CASE("connect: the first address that answers, or the last one's error") {
    asio::io_context io;
    RefusedPort refused{io};
    asio::ip::tcp::acceptor acceptor{io, loopback(0)};
    ScriptedResolver::script = {};
    auto& results = ScriptedResolver::script.results;
    SECTION("second answers") {
        results = {{loopback(refused.port())}, {acceptor.local_endpoint()}};
        Task<Connected> task{io, connect<ScriptedTraits>("some.name", 81, ConnectOptions{})};
        REQUIRE(task.wait());
        REQUIRE(task.value());
        CHECK(task.value()->remote_endpoint() == acceptor.local_endpoint());
        CHECK(ScriptedResolver::script.asked == "some.name:81");
    }
    SECTION("none answers") {
        results = {{loopback(refused.port())}, {loopback(refused.port())}};
        Task<Connected> task{io, connect<ScriptedTraits>("some.name", 81, ConnectOptions{})};
        REQUIRE(task.wait());
        CHECK(task.value().error() == asio::error::connection_refused);
    }
    SECTION("no address") {
        Task<Connected> task{io, connect<ScriptedTraits>("some.name", 81, ConnectOptions{})};
        REQUIRE(task.wait());
        CHECK(task.value().error() == asio::error::host_not_found);
    }
    SECTION("unknown name") {
        ScriptedResolver::script.error = asio::error::host_not_found;
        Task<Connected> task{io, connect<ScriptedTraits>("some.name", 81, ConnectOptions{})};
        REQUIRE(task.wait());
        CHECK(task.value().error() == asio::error::host_not_found);
    }
}

TEST_CASE("connect: a resolver that doesn't answer") {
    asio::io_context io;
    ScriptedResolver::script = {};
    ScriptedResolver::script.silent = true;
    ConnectOptions options;
    options.resolve_timeout = 7s;
    Task<Connected> task{io, connect<ScriptedTraits>("some.name", 81, options)};
    advance_clock(io, 7s - 1ns);
    REQUIRE_FALSE(task.done());
    SECTION("times out, and is cancelled") {
        advance_clock(io, 1ns);
        REQUIRE(task.done());
        CHECK(task.value().error() == Error::resolve_timeout);
    }
    SECTION("is cancelled with the caller, at once") { CHECK(task.cancel_ends_it()); }
    CHECK(ScriptedResolver::script.canceled == 1);
    CHECK(ManualClock::pending() == 0);
}

TEST_CASE("connect: an answer on the way when the deadline strikes wins") {
    asio::io_context io;
    ScriptedResolver::script = {};
    asio::ip::tcp::acceptor acceptor{io, loopback(0)};
    ScriptedResolver::script.results = {{acceptor.local_endpoint()}};
    Task<Connected> task{io, connect<ScriptedTraits>("some.name", 81, ConnectOptions{})};
    io.poll_one();              // asks; the answer is posted
    ManualClock::advance(5s);  // the resolver's deadline, behind it
    REQUIRE(task.wait());
    CHECK(task.value());
}

// Takes no connection until the test does.
std::size_t waiting_at(asio::ip::tcp::acceptor& acceptor) {
    acceptor.non_blocking(true);
    std::size_t count = 0;
    for (std::error_code error;; ++count) {
        asio::ip::tcp::socket socket{acceptor.get_executor()};
        acceptor.accept(socket, error);
        if (error) return count;
    }
}

TEST_CASE("connect: an address that doesn't answer has its time, then the next is tried beside it") {
    const std::size_t before = open_descriptors();
    {
        asio::io_context io;
        UnansweredPort first{io};
        UnansweredPort second{io};
        if (!first.works() || !second.works()) return;
        asio::ip::tcp::acceptor acceptor{io, loopback(0)};
        const std::size_t descriptors = open_descriptors();
        ScriptedResolver::script = {};
        auto& results = ScriptedResolver::script.results;
        results = {{loopback(first.port())}, {loopback(second.port())}, {acceptor.local_endpoint()}};
        Task<Connected> task{io, connect<ScriptedTraits>("some.name", 81, ConnectOptions{})};
        advance_clock(io, 250ms - 1ns);
        CHECK(open_descriptors() == descriptors + 1);
        advance_clock(io, 250ms);
        CHECK(open_descriptors() == descriptors + 2);
        REQUIRE_FALSE(task.done());
        advance_clock(io, 1ns);
        REQUIRE(task.wait());
        REQUIRE(task.value());
        CHECK(task.value()->remote_endpoint() == acceptor.local_endpoint());
        CHECK(open_descriptors() == descriptors + 1);  // the winner alone
        CHECK(waiting_at(acceptor) == 1);
        CHECK(ManualClock::pending() == 0);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("connect: an address that fails gives way to the next at once") {
    asio::io_context io;
    UnansweredPort silent{io};
    if (!silent.works()) return;
    RefusedPort refused{io};
    asio::ip::tcp::acceptor acceptor{io, loopback(0)};
    ScriptedResolver::script = {};
    ScriptedResolver::script.results = {{loopback(silent.port())}, {loopback(refused.port())}, {acceptor.local_endpoint()}};
    Task<Connected> task{io, connect<ScriptedTraits>("some.name", 81, ConnectOptions{})};
    advance_clock(io, 250ms);
    REQUIRE(task.wait());
    CHECK(task.value());
}

TEST_CASE("connect: without a delay one address after the other") {
    asio::io_context io;
    UnansweredPort silent{io};
    if (!silent.works()) return;
    asio::ip::tcp::acceptor acceptor{io, loopback(0)};
    ConnectOptions options;
    options.attempt_delay = 0s;
    ScriptedResolver::script = {};
    ScriptedResolver::script.results = {{loopback(silent.port())}, {acceptor.local_endpoint()}};
    Task<Connected> task{io, connect<ScriptedTraits>("some.name", 81, options)};
    advance_clock(io, 5s);
    REQUIRE(task.done());
    CHECK(task.value().error() == Error::connect_timeout);
    CHECK(waiting_at(acceptor) == 0);
}

TEST_CASE("connect: no more addresses are tried than the bound says") {
    asio::io_context io;
    std::deque<RefusedPort> refused;
    ScriptedResolver::script = {};
    for (std::size_t i = 0; i < max_connect_attempts; ++i) {
        ScriptedResolver::script.results.push_back({loopback(refused.emplace_back(io).port())});
    }
    asio::ip::tcp::acceptor acceptor{io, loopback(0)};
    ScriptedResolver::script.results.push_back({acceptor.local_endpoint()});
    Task<Connected> task{io, connect<ScriptedTraits>("some.name", 81, ConnectOptions{})};
    REQUIRE(task.wait());
    CHECK(task.value().error() == asio::error::connection_refused);
    CHECK(waiting_at(acceptor) == 0);
}

TEST_CASE("connect: hosts that don't answer") {
    const std::size_t before = open_descriptors();
    {
        asio::io_context io;
        UnansweredPort first{io};
        UnansweredPort second{io};
        if (!first.works() || !second.works()) return;
        const std::size_t descriptors = open_descriptors();
        ConnectOptions options;
        options.connect_timeout = 3s;
        ScriptedResolver::script = {};
        // One deadline for all addresses.
        ScriptedResolver::script.results = {{loopback(first.port())}, {loopback(second.port())}};
        Phase phase = Phase::prepare;
        Task<Connected> task{io, connect<ScriptedTraits>("some.name", 81, options, phase)};
        advance_clock(io, 3s - 1ns);
        REQUIRE_FALSE(task.done());
        CHECK(open_descriptors() == descriptors + 2);
        SECTION("times out") {
            advance_clock(io, 1ns);
            REQUIRE(task.done());
            CHECK(task.value().error() == Error::connect_timeout);
        }
        SECTION("is given up with the caller, at once") { CHECK(task.cancel_ends_it()); }
        CHECK(phase == Phase::connect);
        CHECK(open_descriptors() == descriptors);
        CHECK(ManualClock::pending() == 0);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("connect: an answer on the way when the deadline strikes wins over it, too") {
    asio::io_context io;
    ScriptedResolver::script = {};
    asio::ip::tcp::acceptor acceptor{io, loopback(0)};
    ConnectOptions options;
    options.resolve_timeout = 0s;
    Task<Connected> task{io, connect<ScriptedTraits>("127.0.0.1", acceptor.local_endpoint().port(), options)};
    while (waiting_at(acceptor) == 0) io.poll_one();
    ManualClock::advance(5s);
    REQUIRE(task.wait());
    CHECK(task.value());
}

TEST_CASE("connect: the family of the resolver's first address goes first") {
    if (!has_ipv6_loopback()) return;
    asio::io_context io;
    asio::ip::tcp::acceptor v6{io, {asio::ip::address_v6::loopback(), 0}};
    asio::ip::tcp::acceptor v4{io, loopback(0)};
    ScriptedResolver::script = {};
    auto& results = ScriptedResolver::script.results;
    std::optional<asio::ip::tcp::endpoint> expected;
    SECTION("IPv6") {
        results = {{v6.local_endpoint()}, {v4.local_endpoint()}};
        expected = v6.local_endpoint();
    }
    SECTION("IPv4") {
        results = {{v4.local_endpoint()}, {v6.local_endpoint()}};
        expected = v4.local_endpoint();
    }
    SECTION("IPv6, but it fails there") {
        results = {{v6.local_endpoint()}, {v4.local_endpoint()}};
        expected = v4.local_endpoint();
        v6.close();
    }
    Task<Connected> task{io, connect<ScriptedTraits>("some.name", 81, ConnectOptions{})};
    REQUIRE(task.wait());
    REQUIRE(task.value());
    CHECK(task.value()->remote_endpoint() == expected);
}

#if defined(TCP_KEEPIDLE)
TEST_CASE("connect: the silence before the first probe is an option") {
    asio::io_context io;
    asio::ip::tcp::acceptor acceptor{io, loopback(0)};
    ConnectOptions options;
    options.keep_alive_idle = 42s;
    options.keep_alive = GENERATE(true, false);
    Task<Connected> task{io, connect<ManualTraits>("127.0.0.1", acceptor.local_endpoint().port(), options)};
    REQUIRE(task.wait());
    REQUIRE(task.value());
    int idle = 0;
    socklen_t size = sizeof idle;
    REQUIRE(::getsockopt(task.value()->native_handle(), IPPROTO_TCP, TCP_KEEPIDLE, &idle, &size) == 0);
    CHECK((idle == 42) == options.keep_alive);
}
#endif

TEST_CASE("connect: destroyed with its io_context in every phase, no descriptor stays") {
    const std::size_t before = open_descriptors();
    const bool resolving = GENERATE(true, false);
    {
        asio::io_context io;
        UnansweredPort first{io};
        UnansweredPort second{io};
        ScriptedResolver::script = {};
        ScriptedResolver::script.silent = resolving;
        ScriptedResolver::script.results = {{loopback(first.port())}, {loopback(second.port())}};
        Task<Connected> task{io, connect<ScriptedTraits>("some.name", 81, ConnectOptions{})};
        advance_clock(io, 1s);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("connect: with the system's resolver") {
    asio::io_context io;
    asio::ip::tcp::acceptor acceptor{io, loopback(0)};
    Task<Connected> task{io, connect<DefaultTraits>("localhost", acceptor.local_endpoint().port(), ConnectOptions{})};
    REQUIRE(task.wait());
    CHECK(task.value());
    Task<Connected> canceled{io, connect<DefaultTraits>("localhost", acceptor.local_endpoint().port(), ConnectOptions{})};
    io.poll_one();
    CHECK(canceled.cancel_ends_it());
}

}  // namespace
}  // namespace rejoin::testing
