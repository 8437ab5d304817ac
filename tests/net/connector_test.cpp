#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <rejoin/net/connector.hpp>
#include <rejoin/testing/ports.hpp>

#include "net/support.hpp"
#include "support/catch.hpp"

namespace rejoin::testing {
namespace {

using namespace std::chrono_literals;

struct Entry {
    asio::ip::tcp::endpoint at;
    asio::ip::tcp::endpoint endpoint() const { return at; }
};

struct Script {
    bool silent = false;
    std::error_code error;
    std::vector<Entry> results;
    int canceled = 0;
    std::string asked;
};

// A resolver that does as the test says.
class ScriptedResolver {
public:
    inline static Script script;

    explicit ScriptedResolver(const asio::any_io_executor& executor) : executor_{executor} {}

    template <class Handler>
    void async_resolve(const std::string& host, const std::string& port, Handler handler) {
        script.asked = host + ":" + port;
        if (!script.silent) asio::post(executor_, [handler]() mutable { handler(script.error, script.results); });
    }
    void cancel() { ++script.canceled; }

private:
    asio::any_io_executor executor_;
};

struct ScriptedTraits : ManualTraits {
    using Resolver = ScriptedResolver;
};

using Connected = Result<asio::ip::tcp::socket>;

asio::ip::tcp::endpoint loopback(std::uint16_t port) { return {asio::ip::address_v4::loopback(), port}; }

TEST_CASE("connect: to a literal address, without the resolver") {
    asio::io_context io;
    ScriptedResolver::script = Script{};
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
    ScriptedResolver::script = Script{};
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
    ScriptedResolver::script = Script{};
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
    ScriptedResolver::script = Script{};
    asio::ip::tcp::acceptor acceptor{io, loopback(0)};
    ScriptedResolver::script.results = {{acceptor.local_endpoint()}};
    Task<Connected> task{io, connect<ScriptedTraits>("some.name", 81, ConnectOptions{})};
    io.poll_one();              // asks; the answer is posted
    ManualClock::advance(5s);  // the resolver's deadline, behind it
    REQUIRE(task.wait());
    CHECK(task.value());
}

TEST_CASE("connect: a host that doesn't answer") {
    const std::size_t before = open_descriptors();
    {
        asio::io_context io;
        UnansweredPort silent{io};
        if (!silent.works()) return;
        const std::size_t descriptors = open_descriptors();
        ConnectOptions options;
        options.connect_timeout = 3s;
        ScriptedResolver::script = Script{};
        // One deadline for all addresses.
        ScriptedResolver::script.results = {{loopback(silent.port())}, {loopback(silent.port())}};
        Task<Connected> task{io, connect<ScriptedTraits>("some.name", 81, options)};
        advance_clock(io, 3s - 1ns);
        REQUIRE_FALSE(task.done());
        CHECK(open_descriptors() == descriptors + 1);
        SECTION("times out") {
            advance_clock(io, 1ns);
            REQUIRE(task.done());
            CHECK(task.value().error() == Error::connect_timeout);
        }
        SECTION("is given up with the caller, at once") { CHECK(task.cancel_ends_it()); }
        CHECK(open_descriptors() == descriptors);
        CHECK(ManualClock::pending() == 0);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("connect: destroyed with its io_context in every phase, no descriptor stays") {
    const std::size_t before = open_descriptors();
    const bool resolving = GENERATE(true, false);
    {
        asio::io_context io;
        UnansweredPort silent{io};
        ScriptedResolver::script = Script{};
        ScriptedResolver::script.silent = true;
        const char* const host = resolving ? "some.name" : "127.0.0.1";
        Task<Connected> task{io, connect<ScriptedTraits>(host, silent.port(), ConnectOptions{})};
        run_until_idle(io);
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
