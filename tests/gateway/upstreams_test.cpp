#include <string>

#include "gateway/proxy_fixture.hpp"

using namespace proxy_tests;
using testing::Reaction;
using testing::run_until;

TEST_CASE("connections to the upstream are kept for the next request") {
    asio::io_context io{1};
    testing::ScriptedServer upstream{io};
    upstream.otherwise(Reaction::respond(200, "x"));
    Proxy proxy{io, quick(upstream.url())};
    for (int i = 0; i < 3; ++i) CHECK(whole(io, proxy.url("/"), get("/", "Connection: close\r\n")).body == "x");
    CHECK(upstream.connections() == 1);
    SECTION("one that died meanwhile is replaced, unseen") {
        upstream.then(Reaction{}.reset());
        CHECK(whole(io, proxy.url("/"), get("/", "Connection: close\r\n")).body == "x");
        CHECK(upstream.connections() == 2);
    }
    SECTION("what can't be sent twice never goes out on a used one") {
        CHECK(whole(io, proxy.url("/"), "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab").body == "x");
        CHECK(upstream.connections() == 2);
        CHECK(upstream.requests().back().body == "ab");
    }
}

TEST_CASE("several upstreams: the next one is asked when one can't be had, by its own name and path") {
    asio::io_context io{1};
    testing::ScriptedServer first{io};
    testing::ScriptedServer second{io};
    second.otherwise(Reaction::respond(200, "second"));
    ReverseProxyOptions options = quick(first.url("/one"));
    options.alternatives.push_back(Url::parse(second.url("/two")).value());
    Proxy proxy{io, options};
    first.refuse();
    CHECK(whole(io, proxy.url("/x"), get("/x", "Connection: close\r\n")).body == "second");
    CHECK(second.requests().front().head.target == "/two/x");
    CHECK(second.requests().front().head.fields.get("Host") == second.authority());
}

TEST_CASE("several upstreams: a stream goes on at the next one behind the same event") {
    asio::io_context io{1};
    testing::ScriptedServer first{io};
    testing::ScriptedServer second{io};
    first.then(Reaction::stream().event("a", "1").truncate()).otherwise(Reaction::respond(503));
    second.otherwise(Reaction::stream().event("b", "2").stall());
    ReverseProxyOptions options = quick(first.url("/one"));
    options.alternatives.push_back(Url::parse(second.url("/two")).value());
    Proxy proxy{io, options};
    const Fetched got = fetched(io, proxy.url("/s"), get("/s"), "data: b");
    CHECK(count(got.body, "data: a") == 1);
    CHECK(second.requests().front().head.target == "/two/s");
    CHECK(second.requests().front().head.fields.get("Host") == second.authority());
    CHECK(second.requests().front().last_event_id() == "1");
}

TEST_CASE("an upstream that fails again and again is left alone for a while") {
    asio::io_context io{1};
    testing::ScriptedServer upstream{io};
    ReverseProxyOptions options = quick(upstream.url());
    options.breaker.failures = 2;
    Proxy proxy{io, options};
    upstream.refuse();
    for (int i = 0; i < 2; ++i) CHECK(whole(io, proxy.url("/"), get("/", "Connection: close\r\n")).head.status == 502);
    const Fetched refused = whole(io, proxy.url("/"), get("/", "Connection: close\r\n"));
    CHECK(refused.head.status == 503);
    CHECK(refused.head.fields.contains("Retry-After"));
}
