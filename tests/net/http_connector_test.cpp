#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rejoin/net/http_connector.hpp>
#include <rejoin/testing/ports.hpp>
#include <rejoin/testing/scripted_server.hpp>

#include "net/support.hpp"
#include "support/catch.hpp"
#include "support/connect_proxy.hpp"
#include "support/fake_tls.hpp"
#include "support/scripted_resolver.hpp"

namespace rejoin::testing {
namespace {

using namespace std::chrono_literals;

using Connector = BasicHttpConnector<ScriptedTraits>;
using Connection = Connector::Connection;
using Opened = Result<std::shared_ptr<Connection>>;

Url url_of(std::string_view text) { return Url::parse(text).value(); }

struct World {
    World() { ScriptedResolver::script = {}; }

    HttpProxy through(std::string_view userinfo = {}) const { return HttpProxy{url_of(proxy.url(std::string{userinfo})), {}}; }

    std::unique_ptr<Task<Opened>> start(std::string_view where) {
        url = url_of(where);
        connector = std::make_unique<Connector>(options, HttpLimits{});
        return std::make_unique<Task<Opened>>(io, connector->open(url, phase));
    }
    Opened open(std::string_view where) {
        const auto task = start(where);
        REQUIRE(task->wait());
        REQUIRE_FALSE(task->failure());
        return std::move(task->value());
    }

    // The status of an answer to a request on it.
    int ask(Connection& connection) {
        const std::error_code error = run(io, connection.write("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", Duration::zero()));
        REQUIRE_FALSE(error);
        const auto head = run(io, connection.read_head(Duration::zero(), Error::response_timeout));
        REQUIRE(head);
        return head->status;
    }

    asio::io_context io;
    BasicScriptedServer<ManualTraits> server{io};
    ConnectProxy proxy{io};
    std::shared_ptr<FakeTls> tls = std::make_shared<FakeTls>();
    ConnectOptions options;
    std::unique_ptr<Connector> connector;
    Url url;
    Phase phase = Phase::prepare;
};

TEST_CASE("http connector: straight to the origin") {
    World world;
    const auto opened = world.open(world.server.url());
    REQUIRE(opened);
    CHECK(world.phase == Phase::connect);
    CHECK(world.ask(**opened) == 404);
    CHECK_FALSE((*opened)->is_secure());
    CHECK(world.proxy.requests().empty());
}

TEST_CASE("http connector: https only with a TLS client") {
    World world;
    const auto where = "https://" + world.server.authority();
    const auto refused = world.open(where);
    CHECK(refused.error() == Error::unsupported_scheme);
    CHECK(world.server.connections() == 0);
    world.options.tls = world.tls;
    const auto opened = world.open(where);
    REQUIRE(opened);
    CHECK(world.phase == Phase::tls);
    CHECK((*opened)->is_secure());
    CHECK(world.tls->hosts == std::vector<std::string>{"127.0.0.1"});
    CHECK(world.ask(**opened) == 404);
}

TEST_CASE("http connector: TLS that fails, before and in the handshake") {
    World world;
    world.options.tls = world.tls;
    SECTION("before") { world.tls->refusal = Error::tls_failed; }
    SECTION("in it") { world.tls->handshake_error = Error::tls_failed; }
    const auto opened = world.open("https://" + world.server.authority());
    CHECK(opened.error() == Error::tls_failed);
    CHECK(world.phase == Phase::tls);
    CHECK(run_until(world.io, [&] { return world.server.connections() == 1 && world.server.open_connections() == 0; }));
}

TEST_CASE("http connector: through a proxy, which resolves the name") {
    World world;
    world.options.tls = world.tls;
    world.options.proxy = world.through("me:secret");
    const bool secure = GENERATE(false, true);
    const std::string authority = "no.such.name:" + std::to_string(world.server.port());
    const auto opened = world.open((secure ? "https://" : "http://") + authority);
    REQUIRE(opened);
    CHECK(world.phase == (secure ? Phase::tls : Phase::proxy));
    CHECK(world.tls->hosts == (secure ? std::vector<std::string>{"no.such.name"} : std::vector<std::string>{}));
    CHECK(world.ask(**opened) == 404);
    const std::string expected = "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n";
    CHECK(world.proxy.requests() == std::vector<std::string>{expected});
    CHECK(world.server.requests().at(0).head.fields.count("Proxy-Authorization") == 0);
    CHECK(ScriptedResolver::script.asked.empty());
    CHECK(world.connector->tunnel_answer().status == 200);
}

TEST_CASE("http connector: the proxy's refusal can be shown") {
    World world;
    world.options.proxy = world.through();
    world.proxy.answer("HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n");
    const auto opened = world.open(world.server.url());
    CHECK(opened.error() == Error::proxy_authentication);
    CHECK(world.phase == Phase::proxy);
    CHECK(world.connector->tunnel_answer().status == 407);
    CHECK(world.connector->tunnel_answer().reason == "Who are you");
    CHECK(world.server.connections() == 0);
}

TEST_CASE("http connector: a proxy that is not there") {
    World world;
    RefusedPort refused{world.io};
    world.options.proxy = HttpProxy{url_of("http://127.0.0.1:" + std::to_string(refused.port())), {}};
    const auto opened = world.open(world.server.url());
    CHECK(opened.error() == asio::error::connection_refused);
    CHECK(world.phase == Phase::connect);
}

TEST_CASE("http connector: a proxy by the environment, chosen by the URL") {
    World world;
    ProxyEnvironment environment;
    environment.http = world.proxy.url();
    environment.no_proxy = "127.0.0.1";
    world.options.proxies = environment;
    REQUIRE(world.open(world.server.url()));
    CHECK(world.proxy.requests().empty());
    REQUIRE(world.open("http://a.test:" + std::to_string(world.server.port())));
    CHECK(world.proxy.requests().size() == 1);
    SECTION("is not asked where the options name one") {
        world.options.proxies->http = "http://127.0.0.1:1";
        world.options.proxy = world.through();
        REQUIRE(world.open("http://a.test:" + std::to_string(world.server.port())));
        REQUIRE(world.open(world.server.url()));
        CHECK(world.proxy.requests().size() == 3);
    }
    SECTION("which can't be used") {
        world.options.proxies->http = "socks5://127.0.0.1:1";
        CHECK(world.open("http://a.test").error() == Error::unsupported_scheme);
        world.options.proxy = HttpProxy{url_of("https://127.0.0.1:1"), {}};
        CHECK(world.open("http://a.test").error() == Error::unsupported_scheme);
    }
}

TEST_CASE("http connector: in every phase a timeout of its own, and an end with the caller") {
    World world;
    UnansweredPort silent{world.io};
    if (!silent.works()) return;
    std::string where = world.server.url();
    Phase phase = Phase::resolve;
    Error timeout = Error::resolve_timeout;
    world.options.resolve_timeout = 1s;
    world.options.connect_timeout = 2s;
    world.options.proxy_timeout = 3s;
    world.options.tls_timeout = 4s;
    Duration time = 1s;
    SECTION("resolve") {
        ScriptedResolver::script.silent = true;
        where = "http://some.name/";
    }
    SECTION("connect") {
        where = "http://127.0.0.1:" + std::to_string(silent.port());
        phase = Phase::connect;
        timeout = Error::connect_timeout;
        time = 2s;
    }
    SECTION("proxy") {
        world.options.proxy = world.through();
        world.proxy.answer("HTTP/1.1 ");
        phase = Phase::proxy;
        timeout = Error::proxy_timeout;
        time = 3s;
    }
    SECTION("tls") {
        world.options.tls = world.tls;
        world.tls->handshake_error = asio::error::would_block;
        where = "https://" + world.server.authority();
        phase = Phase::tls;
        timeout = Error::tls_timeout;
        time = 4s;
    }
    CAPTURE(to_string(phase));
    const std::size_t before = open_descriptors();
    for (const bool canceled : {false, true}) {
        const auto task = world.start(where);
        advance_clock(world.io, time - 1ns);
        CHECK_FALSE(task->done());
        CHECK(world.phase == phase);
        if (canceled) {
            CHECK(task->cancel_ends_it());
        } else {
            advance_clock(world.io, 1ns);
            REQUIRE(task->done());
            CHECK(task->value().error() == timeout);
        }
        CHECK(ManualClock::pending() == 0);
        CHECK(world.phase == phase);
        CHECK(run_until(world.io, [&] { return open_descriptors() == before; }));
    }
}

}  // namespace
}  // namespace rejoin::testing
