#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <rejoin/net/sse_connection_manager.hpp>
#include <rejoin/testing/ports.hpp>
#include <rejoin/testing/scripted_server.hpp>

#include "net/support.hpp"
#include "support/catch.hpp"
#include "support/fake_tls.hpp"

namespace rejoin::testing {
namespace {

using namespace std::chrono_literals;

using Pool = BasicSseConnectionManager<ManualTraits>;
using Connection = Pool::Connection;

struct World {
    World() {
        server.otherwise(Reaction::respond(200, "ok"));
        options.idle_timeout = 30s;
    }

    Pool& pool() {
        if (!pool_) pool_ = Pool::create(io.get_executor(), options);
        return *pool_;
    }
    void drop_pool() { pool_.reset(); }

    Result<Pool::Opened> try_open(std::string_view where, bool fresh = false) {
        const Url url = Url::parse(where).value();
        Phase phase = Phase::prepare;
        return run(io, pool().open(url, phase, fresh));
    }
    Pool::Opened open(std::string_view where, bool fresh = false) { return std::move(try_open(where, fresh).value()); }
    Pool::Opened open() { return open(server.url()); }

    // A request and the whole answer.
    void use(Connection& connection) {
        const std::error_code error = run(io, connection.write("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", Duration::zero()));
        REQUIRE_FALSE(error);
        const auto head = run(io, connection.read_head(Duration::zero(), Error::response_timeout));
        REQUIRE(head);
        std::string_view piece;
        while (!connection.body_ended()) {
            while (connection.next_body(piece)) {}
            if (!connection.body_ended()) run(io, connection.fill());
        }
    }

    // Uses a connection and gives it back. Its number at the server.
    std::size_t exchange(std::string_view where, bool fresh = false) {
        const auto opened = open(where, fresh);
        use(*opened.connection);
        return server.requests().empty() ? 0 : server.requests().back().connection;
    }
    std::size_t exchange() { return exchange(server.url()); }

    // "idle/all"
    std::string counts() { return std::to_string(pool().idle()) + "/" + std::to_string(pool().connections()); }
    bool becomes(std::string_view counts_) {
        return run_until(io, [this, counts_] { return counts() == counts_; });
    }

    asio::io_context io;
    BasicScriptedServer<ManualTraits> server{io};
    BasicScriptedServer<ManualTraits> other{io};
    SseConnectionManagerOptions options;

private:
    std::shared_ptr<Pool> pool_;
};

TEST_CASE("pool: what a response left in good order carries the next request") {
    World world;
    auto opened = world.open();
    CHECK_FALSE(opened.reused);
    CHECK(world.counts() == "0/1");
    world.use(*opened.connection);
    CHECK(world.counts() == "0/1");
    opened.connection.reset();
    CHECK(world.counts() == "1/1");
    opened = world.open();
    CHECK(opened.reused);
    CHECK(world.counts() == "0/1");
    world.use(*opened.connection);
    opened.connection.reset();
    CHECK(world.exchange() == 1);
    CHECK(world.server.connections() == 1);
    CHECK(world.pool().opened() == 1);
    CHECK(world.pool().reused() == 2);
}

TEST_CASE("pool: a connection has one user at a time, and the one used last is taken first") {
    World world;
    auto one = world.open();
    auto two = world.open();
    world.use(*one.connection);
    world.use(*two.connection);
    CHECK(world.server.connections() == 2);
    SECTION("the second") {
        one.connection.reset();
        two.connection.reset();
        CHECK(world.exchange() == 2);
    }
    SECTION("the first") {
        two.connection.reset();
        one.connection.reset();
        CHECK(world.exchange() == 1);
    }
    CHECK(world.counts() == "2/2");
}

TEST_CASE("pool: all owners must have let go, whoever it is that does so last") {
    World world;
    auto opened = world.open();
    world.use(*opened.connection);
    auto copy = opened.connection;
    opened.connection.reset();
    CHECK(world.counts() == "0/1");
    copy.reset();
    CHECK(world.counts() == "1/1");
}

TEST_CASE("pool: origins don't share") {
    World world;
    world.other.otherwise(Reaction::respond(200, "ok"));
    world.options.connect.tls = std::make_shared<FakeTls>();
    world.exchange();
    world.exchange(world.other.url());
    world.exchange("https://" + world.server.authority());
    CHECK(world.server.connections() == 2);
    CHECK(world.other.connections() == 1);
    CHECK(world.counts() == "3/3");
    world.exchange();
    world.exchange(world.other.url("/path?query"));
    world.exchange("https://" + world.server.authority());
    CHECK(world.pool().reused() == 3);
}

TEST_CASE("pool: a fresh one where that is asked for") {
    World world;
    CHECK(world.exchange() == 1);
    CHECK(world.exchange(world.server.url(), true) == 2);
    CHECK(world.counts() == "2/2");
    CHECK(world.pool().reused() == 0);
}

TEST_CASE("pool: what can't carry another request is closed") {
    World world;
    auto opened = world.open();
    SECTION("never used") {}
    SECTION("the body isn't over") {
        world.server.then(Reaction::stream().event("one").stall());
        CHECK_FALSE(run(world.io, opened.connection->write("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", Duration::zero())));
        CHECK(run(world.io, opened.connection->read_head(Duration::zero(), Error::response_timeout)));
    }
    SECTION("the server says so") {
        world.server.then(Reaction{Reaction::respond(200, "ok")}.field("Connection", "close"));
        world.use(*opened.connection);
    }
    SECTION("the body is cut") {
        world.server.then(Reaction{Reaction::respond(200, "ok")}.truncate());
        world.use(*opened.connection);
    }
    SECTION("the user has closed it") {
        world.use(*opened.connection);
        opened.connection->close();
    }
    SECTION("the server has closed it, and nobody knows yet") {
        world.use(*opened.connection);
        world.server.close_connections();
    }
    opened.connection.reset();
    CHECK(world.counts() == "0/0");
    CHECK(run_until(world.io, [&] { return world.server.open_connections() == 0 && ManualClock::pending() == 0; }));
}

TEST_CASE("pool: an idle connection that the server closes is dropped at once") {
    World world;
    world.exchange();
    world.server.close_connections(GENERATE(false, true));
    CHECK(world.becomes("0/0"));
    CHECK(ManualClock::pending() == 0);
    CHECK(world.exchange() == 2);
}

TEST_CASE("pool: nor is one given out whose end nobody has noticed") {
    World world;
    world.exchange();
    world.exchange(world.server.url(), true);
    CHECK(world.counts() == "2/2");
    world.server.close_connections();
    const auto opened = world.open();
    CHECK_FALSE(opened.reused);
    CHECK(world.counts() == "0/1");
}

TEST_CASE("pool: an idle connection on which the server speaks is dropped at once") {
    World world;
    Gate gate;
    world.server.then(Reaction{Reaction::respond(200, "ok")}.wait(gate).send("HTTP/1.1 408 Request Timeout\r\n\r\n"));
    world.exchange();
    CHECK(world.counts() == "1/1");
    gate.open();
    CHECK(world.becomes("0/0"));
}

TEST_CASE("pool: idle connections expire, each at its own time") {
    World world;
    auto one = world.open();
    auto two = world.open();
    world.use(*one.connection);
    world.use(*two.connection);
    one.connection.reset();
    advance_clock(world.io, 10s);
    two.connection.reset();
    CHECK(ManualClock::pending() == 1);
    advance_clock(world.io, 20s - 1ns);
    CHECK(world.counts() == "2/2");
    advance_clock(world.io, 1ns);
    CHECK(world.counts() == "1/1");
    advance_clock(world.io, 10s - 1ns);
    CHECK(world.counts() == "1/1");
    CHECK(run_until(world.io, [&] { return world.server.open_connections() == 1; }));
    advance_clock(world.io, 1ns);
    CHECK(world.counts() == "0/0");
    CHECK(ManualClock::pending() == 0);
    CHECK(run_until(world.io, [&] { return world.server.open_connections() == 0; }));
}

TEST_CASE("pool: use begins the idle time anew, and no timer is left when nothing is idle") {
    World world;
    world.exchange();
    advance_clock(world.io, 29s);
    auto opened = world.open();
    CHECK(ManualClock::pending() == 0);
    world.use(*opened.connection);
    opened.connection.reset();
    advance_clock(world.io, 29s);
    CHECK(world.counts() == "1/1");
    advance_clock(world.io, 1s);
    CHECK(world.counts() == "0/0");
}

TEST_CASE("pool: without an idle time they stay") {
    World world;
    world.options.idle_timeout = 0s;
    world.exchange();
    CHECK(ManualClock::pending() == 0);
    advance_clock(world.io, 1000h);
    CHECK(world.counts() == "1/1");
    CHECK(world.open().reused);
}

TEST_CASE("pool: over the bounds on idle ones the one unused for longest is closed") {
    World world;
    SECTION("of one origin") {
        world.options.idle_per_origin = 1;
        auto one = world.open();
        auto two = world.open();
        world.use(*one.connection);
        world.use(*two.connection);
        one.connection.reset();
        two.connection.reset();
        CHECK(world.counts() == "1/1");
        CHECK(world.exchange() == 2);
    }
    SECTION("of all") {
        world.options.idle = 1;
        world.exchange();
        world.exchange(world.other.url());
        CHECK(world.counts() == "1/1");
        CHECK_FALSE(world.open().reused);
        CHECK(world.open(world.other.url()).reused);
    }
    SECTION("none is kept") {
        (GENERATE(true, false) ? world.options.idle : world.options.idle_per_origin) = 0;
        world.exchange();
        CHECK(world.counts() == "0/0");
    }
}

TEST_CASE("pool: a bound on the connections to one origin") {
    World world;
    world.options.per_origin = 2;
    auto one = world.open();
    auto two = world.open();
    CHECK(world.try_open(world.server.url()).error() == Error::limit_reached);
    CHECK(world.try_open(world.other.url()));
    world.use(*one.connection);
    one.connection.reset();
    SECTION("an idle one counts, and may be taken") { CHECK(world.open().reused); }
    SECTION("or gives way to a fresh one") {
        const auto fresh = world.open(world.server.url(), true);
        CHECK_FALSE(fresh.reused);
        CHECK(world.counts() == "0/2");
        CHECK(world.try_open(world.server.url(), true).error() == Error::limit_reached);
    }
    SECTION("a closed one counts no more") {
        two.connection.reset();
        CHECK(world.counts() == "1/1");
        two = world.open(world.server.url(), true);
        CHECK(world.counts() == "1/2");
    }
}

TEST_CASE("pool: a bound on all connections") {
    World world;
    world.options.connections = 1;
    auto one = world.open();
    CHECK(world.try_open(world.other.url()).error() == Error::limit_reached);
    world.use(*one.connection);
    one.connection.reset();
    const auto two = world.open(world.other.url());  // the idle one of the other origin gives way
    CHECK(world.counts() == "0/1");
    CHECK(run_until(world.io, [&] { return world.server.open_connections() == 0; }));
    CHECK(world.try_open(world.server.url()).error() == Error::limit_reached);
}

TEST_CASE("pool: one that is being opened counts until that has failed or is given up") {
    World world;
    UnansweredPort silent{world.io};
    if (!silent.works()) return;
    world.options.connections = 1;
    world.options.connect.connect_timeout = 5s;
    const Url url = Url::parse("http://127.0.0.1:" + std::to_string(silent.port())).value();
    const std::size_t before = open_descriptors();
    Phase phase = Phase::prepare;
    Task<Result<Pool::Opened>> task{world.io, world.pool().open(url, phase)};
    run_until_idle(world.io);
    CHECK(world.counts() == "0/1");
    CHECK(phase == Phase::connect);
    CHECK(world.try_open(world.server.url()).error() == Error::limit_reached);
    SECTION("failed") {
        advance_clock(world.io, 5s);
        REQUIRE(task.done());
        CHECK(task.value().error() == Error::connect_timeout);
    }
    SECTION("given up") { CHECK(task.cancel_ends_it()); }
    CHECK(world.counts() == "0/0");
    CHECK(world.pool().opened() == 0);
    CHECK(open_descriptors() == before);
    CHECK(world.try_open(world.server.url()));
}

TEST_CASE("pool: clear closes what is idle, and nothing keeps the io_context running then") {
    World world;
    auto used = world.open();
    world.exchange();
    CHECK(world.counts() == "1/2");
    SECTION("clear") {
        world.pool().clear();
        CHECK(world.counts() == "0/1");
        world.use(*used.connection);
        used.connection.reset();
        CHECK(world.counts() == "1/1");
        world.pool().clear();
    }
    SECTION("its end: what is in use goes on, and is closed when it comes back") {
        world.drop_pool();
        world.use(*used.connection);
        used.connection.reset();
    }
    CHECK(run_until(world.io, [&] { return world.server.open_connections() == 0; }));
    world.server.refuse();
    world.other.refuse();
    run_until_idle(world.io);
    CHECK(world.io.stopped());
    CHECK(ManualClock::pending() == 0);
}

TEST_CASE("pool: what a former user waited for says nothing to it any more") {
    World world;
    auto opened = world.open();
    world.use(*opened.connection);
    int gone = 0;
    opened.connection->on_peer_close([&gone] { ++gone; });
    const std::weak_ptr<Connection> owner = opened.connection->weak_from_this();
    opened.connection.reset();
    CHECK(world.counts() == "1/1");
    CHECK_FALSE(owner.expired());
    SECTION("idle again") {}
    SECTION("used again, and idle") {
        opened = world.open();
        CHECK(opened.reused);
        CHECK(opened.connection->shared_from_this().get() == opened.connection.get());
        world.use(*opened.connection);
        opened.connection.reset();
    }
    world.server.close_connections();
    CHECK(world.becomes("0/0"));
    CHECK(gone == 0);
    CHECK(owner.expired());
}

TEST_CASE("pool: destroyed with its io_context, in use and idle, no descriptor stays") {
    const std::size_t before = open_descriptors();
    const auto hold = [](std::string where, std::shared_ptr<bool> ready) -> Awaitable<> {
        const auto executor = co_await asio::this_coro::executor;
        const auto pool = Pool::create(executor);
        const Url url = Url::parse(where).value();
        Phase phase = Phase::prepare;
        auto idle = co_await pool->open(url, phase);
        auto used = co_await pool->open(url, phase);
        for (const auto& opened : {idle, used}) {
            const std::error_code error = co_await opened->connection->write("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Duration::zero());
            const auto head = co_await opened->connection->read_head(Duration::zero(), Error::response_timeout);
            std::string_view piece;
            while (!opened->connection->body_ended() && !error && head) {
                while (opened->connection->next_body(piece)) {}
                if (!opened->connection->body_ended()) co_await opened->connection->fill();
            }
        }
        idle = std::error_code{};
        *ready = pool->idle() == 1;
        AsyncEvent never{executor};
        co_await never.wait();
    };
    {
        World world;
        const auto ready = std::make_shared<bool>(false);
        spawn(world.io.get_executor(), hold(world.server.url(), ready));
        CHECK(run_until(world.io, [&] { return *ready; }));
    }
    CHECK(open_descriptors() == before);
    CHECK(ManualClock::pending() == 0);
}

TEST_CASE("pool: options out of their domain") {
    asio::io_context io;
    SseConnectionManagerOptions options;
    options.idle_timeout = -1s;
    std::error_code error;
    try {
        Pool::create(io.get_executor(), options);
    } catch (const std::system_error& failure) {
        error = failure.code();
    }
    CHECK(error == Error::invalid_option);
}

}  // namespace
}  // namespace rejoin::testing
