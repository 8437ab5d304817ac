#include <memory>
#include <string>
#include <vector>

#include "gateway/proxy_fixture.hpp"

using namespace proxy_tests;
using testing::Gate;
using testing::Reaction;
using testing::run_until;

namespace {

const std::string result = R"({"jsonrpc":"2.0","id":7,"result":{}})";

// A scripted upstream behind a proxy whose waits are short.
struct World {
    explicit World(PostStreams post) {
        options.upstream = Url::parse(upstream.url()).value();
        options.post = post;
    }

    Proxy& start() {
        proxy = std::make_unique<Proxy>(io, options);
        return *proxy;
    }

    std::string post(const std::string& body, const std::string& fields = {}) const {
        return "POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + fields + "\r\n" + body;
    }

    std::vector<std::string> methods() const {
        std::vector<std::string> all;
        for (const auto& request : upstream.requests()) all.push_back(request.head.method);
        return all;
    }

    asio::io_context io{1};
    testing::ScriptedServer upstream{io};
    ReverseProxyOptions options = quick("http://127.0.0.1");
    std::unique_ptr<Proxy> proxy;
};

const std::string call = R"({"jsonrpc":"2.0","id":7,"method":"tools/call"})";

}  // namespace

TEST_CASE("a POST's stream that carried ids and was cut goes on by GET, in the response that is open") {
    World world{PostStreams::resume};
    world.upstream.then(Reaction::stream().event("a", "1").truncate()).then(Reaction::respond(503)).then(Reaction::stream().event("b", "2").clean());
    Proxy& proxy = world.start();
    const Fetched got = whole(world.io, proxy.url("/mcp"), world.post("{}", "Authorization: me\r\nContent-Type: application/json\r\n"));
    CHECK(got.body.find("data: a\nid: 1\n\ndata: b\nid: 2\n\n") != std::string::npos);
    CHECK_FALSE(got.end);
    CHECK(world.methods() == std::vector<std::string>{"POST", "GET", "GET"});
    const auto& resume = world.upstream.requests().back();
    CHECK(resume.last_event_id() == "1");
    CHECK(resume.head.target == "/mcp");
    CHECK(resume.head.fields.get("Authorization") == "me");
    CHECK_FALSE(resume.head.fields.contains("Content-Type"));
    CHECK_FALSE(resume.head.fields.contains("Content-Length"));
}

TEST_CASE("a POST's stream without ids that was cut is cut, and never asked for again") {
    World world{GENERATE(PostStreams::resume, PostStreams::detach)};
    world.upstream.then(Reaction::stream().event("a").truncate());
    Proxy& proxy = world.start();
    const Fetched got = whole(world.io, proxy.url("/mcp"), world.post("{}"));
    CHECK(count(got.body, "data: a") == 1);
    CHECK(got.end == Error::truncated);
    CHECK(world.methods() == std::vector<std::string>{"POST"});
}

TEST_CASE("mcp: an end before the answer is a pause, and the answer makes the stream whole") {
    World world{PostStreams::mcp};
    world.upstream.then(Reaction::stream().retry(20ms).event("", "p").clean()).then(Reaction::stream().event(result, "2").clean());
    Proxy& proxy = world.start();
    const Fetched got = whole(world.io, proxy.url("/mcp"), world.post(call));
    CHECK(count(got.body, result) == 1);
    CHECK_FALSE(got.end);
    CHECK(world.methods() == std::vector<std::string>{"POST", "GET"});
    CHECK(world.upstream.requests().back().last_event_id() == "p");
}

TEST_CASE("mcp: a client that left comes back by GET, to the stream it left and to no other") {
    World world{PostStreams::mcp};
    Gate more;
    world.upstream.then(Reaction::stream().event("one", "1a").wait(more).event(result, "1b").clean());
    world.upstream.then(Reaction::stream().event("two", "2a").wait(more).event(result, "2b").clean());
    Proxy& proxy = world.start();
    const std::string session = "Mcp-Session-Id: s\r\nMCP-Protocol-Version: 2025-11-25\r\n";
    fetched(world.io, proxy.url("/mcp"), world.post(call, session), "id: 1a\n");
    fetched(world.io, proxy.url("/mcp"), world.post(call, session), "id: 2a\n");
    more.open();
    const Fetched rest = whole(world.io, proxy.url("/mcp"), get("/mcp", session + "Last-Event-ID: 1a\r\n"));
    CHECK(field(rest, "SSE-Resume") == "exact");
    CHECK(rest.body.find("data:\nid: 1a\n\n") != std::string::npos);  // primed
    CHECK(count(rest.body, result) == 1);
    CHECK(count(rest.body, "id: 1b") == 1);
    CHECK_FALSE(rest.end);
    const Fetched older = whole(world.io, proxy.url("/mcp"), get("/mcp", "Mcp-Session-Id: s\r\nMCP-Protocol-Version: 2025-06-18\r\nLast-Event-ID: 2a\r\n"));
    CHECK(older.body.find("data:\n") == std::string::npos);
    CHECK(count(older.body, "id: 2b") == 1);
    // To others it does not exist: the upstream is asked.
    const std::size_t asked = world.upstream.requests().size();
    world.upstream.then(Reaction::respond(404));
    CHECK(whole(world.io, proxy.url("/mcp"), get("/mcp", "Mcp-Session-Id: t\r\nLast-Event-ID: 1a\r\n")).head.status == 404);
    CHECK(world.upstream.requests().size() == asked + 1);
}

TEST_CASE("mcp: where a stream can't go on, an error response comes before the cut") {
    World world{PostStreams::mcp};
    world.upstream.then(Reaction::stream().event("progress").truncate());
    SECTION("unanswered") {
        const Fetched got = whole(world.io, world.start().url("/mcp"), world.post(call));
        CHECK(got.body.find(R"("id":7,"error":{)") != std::string::npos);
        CHECK(got.end == Error::truncated);
    }
    SECTION("a body that is too long to keep") {
        world.options.request_copy = 10;
        const Fetched got = whole(world.io, world.start().url("/mcp"), world.post(call));
        CHECK(got.body.find("error") == std::string::npos);
        CHECK(got.end == Error::truncated);
    }
}

TEST_CASE("mcp: cut behind the answer, a stream without ids is whole") {
    World world{PostStreams::mcp};
    world.upstream.then(Reaction::stream().event(result).truncate());
    Proxy& proxy = world.start();
    const Fetched got = whole(world.io, proxy.url("/mcp"), world.post(call));
    CHECK(count(got.body, result) == 1);
    CHECK(got.body.find("error") == std::string::npos);
    CHECK_FALSE(got.end);
}

TEST_CASE("mcp: from 2026-07-28 on nothing is resumed, and leaving cancels upstream at once") {
    World world{PostStreams::mcp};
    const std::string version = "MCP-Protocol-Version: 2026-07-28\r\n";
    SECTION("cut") {
        world.upstream.then(Reaction::stream().event("a", "1").truncate());
        const Fetched got = whole(world.io, world.start().url("/mcp"), world.post(call, version));
        CHECK(got.end == Error::truncated);
        CHECK(world.methods() == std::vector<std::string>{"POST"});
    }
    SECTION("left") {
        world.upstream.then(Reaction::stream().event("a", "1").stall());
        fetched(world.io, world.start().url("/mcp"), world.post(call, version), "id: 1\n");
        CHECK(run_until(world.io, [&] { return world.upstream.closed_by_client(1); }));
    }
}

TEST_CASE("mcp: the session's own stream is one; who comes without an id got nothing on the connection before, and gets that") {
    World world{PostStreams::mcp};
    Gate more;
    world.upstream.then(Reaction::stream().event("a", "1").wait(more).event("b", "2").stall());
    Proxy& proxy = world.start();
    const std::string session = "Mcp-Session-Id: s\r\nAccept: text/event-stream\r\n";
    bool superseded = false;
    const auto first = [&]() -> Awaitable<> {
        const auto got = co_await fetch_all(proxy.url("/mcp"), get("/mcp", session));
        superseded = got && got->end == Error::truncated && got->body.find("data: a") != std::string::npos;
    };
    spawn(world.io.get_executor(), first());
    REQUIRE(run_until(world.io, [&] { return world.upstream.requests().size() == 1 && proxy.manager.metrics().events.value() == 1; }));
    testing::run_until_idle(world.io);
    std::string second;
    const auto next = [&]() -> Awaitable<> {
        const auto got = co_await fetch(proxy.url("/mcp"), get("/mcp", session), until("id: 2\n"));
        if (got) second = got->body;
    };
    spawn(world.io.get_executor(), next());
    REQUIRE(run_until(world.io, [&] { return proxy.manager.metrics().clients_opened.value() == 2; }));
    more.open();
    REQUIRE(run_until(world.io, [&] { return !second.empty(); }));
    CHECK(count(second, "data: a") == 1);
    CHECK(count(second, "data: b") == 1);
    CHECK(run_until(world.io, [&] { return superseded; }));
    const Fetched third = fetched(world.io, proxy.url("/mcp"), get("/mcp", session + "Last-Event-ID: 1\r\n"), "data: b");
    CHECK(count(third.body, "data: a") == 0);
    // It began behind "a": that the one before had, or said that it had.
    const Fetched fourth = fetched(world.io, proxy.url("/mcp"), get("/mcp", session), "data: b");
    CHECK(count(fourth.body, "data: a") == 0);
    CHECK(world.upstream.requests().size() == 1);
}

TEST_CASE("mcp: DELETE ends the session's streams") {
    World world{PostStreams::mcp};
    world.upstream.then(Reaction::stream().event("a", "1").stall()).then(Reaction::respond(200)).then(Reaction::respond(404));
    Proxy& proxy = world.start();
    const std::string session = "Mcp-Session-Id: s\r\n";
    fetched(world.io, proxy.url("/mcp"), get("/mcp", session), "id: 1\n");
    CHECK(proxy.manager.streams() == 1);
    CHECK(whole(world.io, proxy.url("/mcp"), "DELETE /mcp HTTP/1.1\r\nHost: x\r\n" + session + "\r\n").head.status == 200);
    CHECK(proxy.manager.streams() == 0);
    CHECK(whole(world.io, proxy.url("/mcp"), get("/mcp", session + "Last-Event-ID: 1\r\n")).head.status == 404);
}

TEST_CASE("detach: an answer goes on without its client, which comes back for it by GET") {
    World world{PostStreams::detach};
    Gate more;
    world.upstream.then(Reaction::stream().event("to").wait(more).event("ken").event("[DONE]").clean());
    Proxy& proxy = world.start();
    const Fetched begun = fetched(world.io, proxy.url("/mcp"), world.post("{}"), "data: to");
    const std::string id = field(begun, "SSE-Stream-Id");
    REQUIRE(id.starts_with("rj-"));
    more.open();
    CHECK(run_until(world.io, [&] { return proxy.manager.metrics().streams_completed.value() == 1; }));
    CHECK(world.upstream.requests().size() == 1);
    SECTION("from the beginning, by the stream's id") {
        const Fetched all = whole(world.io, proxy.url("/mcp"), get("/mcp", "Last-Event-ID: " + id + "\r\n"));
        CHECK(field(all, "SSE-Resume") == "exact");
        CHECK(count(all.body, "data: ") == 3);
        CHECK_FALSE(all.end);
    }
    SECTION("behind an event") {
        const std::size_t at = begun.body.find("id: ") + 4;
        const std::string last = begun.body.substr(at, begun.body.find('\n', at) - at);
        const Fetched rest = whole(world.io, proxy.url("/mcp"), get("/mcp", "Last-Event-ID: " + last + "\r\n"));
        CHECK(count(rest.body, "data: ") == 2);
        CHECK(count(rest.body, "data: to\n") == 0);
    }
    SECTION("not for anybody else") {
        world.upstream.then(Reaction::respond(404));
        CHECK(whole(world.io, proxy.url("/mcp"), get("/mcp", "Authorization: other\r\nLast-Event-ID: " + id + "\r\n")).head.status == 404);
    }
}

TEST_CASE("exclusive: the newest connection takes the stream over") {
    World world{PostStreams::resume};
    world.options.sharing = Sharing::exclusive;
    world.upstream.then(Reaction::stream().event("a", "1").event("b", "2").stall());
    Proxy& proxy = world.start();
    bool superseded = false;
    const auto first = [&]() -> Awaitable<> {
        const auto got = co_await fetch_all(proxy.url("/s"), get("/s"));
        superseded = got && got->end == Error::truncated;
    };
    spawn(world.io.get_executor(), first());
    REQUIRE(run_until(world.io, [&] { return proxy.manager.metrics().events.value() == 2; }));
    const Fetched again = fetched(world.io, proxy.url("/s"), get("/s", "Last-Event-ID: 1\r\n"), "data: b");
    CHECK(field(again, "SSE-Resume") == "exact");
    CHECK(count(again.body, "data: a") == 0);
    CHECK(run_until(world.io, [&] { return superseded; }));
}

TEST_CASE("what answers anything but GET is never asked for again, idempotent or not") {
    World world{GENERATE(PostStreams::cut, PostStreams::resume)};
    world.upstream.then(Reaction::stream().event("a").clean()).otherwise(Reaction::stream().event("again").stall());
    Proxy& proxy = world.start();
    const Fetched got = whole(world.io, proxy.url("/doc"), "PUT /doc HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab");
    CHECK_FALSE(got.end);
    CHECK(world.methods() == std::vector<std::string>{"PUT"});
    CHECK(world.upstream.requests().front().body == "ab");
}

TEST_CASE("a GET's body is not announced again when its stream is resumed") {
    World world{PostStreams::resume};
    world.upstream.then(Reaction::stream().event("a", "1").truncate()).then(Reaction::stream().event("b", "2").stall());
    Proxy& proxy = world.start();
    fetched(world.io, proxy.url("/s"), "GET /s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab", "data: b");
    REQUIRE(world.upstream.requests().size() == 2);
    CHECK_FALSE(world.upstream.requests().back().head.fields.contains("Content-Length"));
}

TEST_CASE("the unread body of a request that got a stream is never taken for a request") {
    World world{PostStreams::resume};
    world.upstream.then(Reaction::stream().event("a", "1").event("b", "2").clean()).then(Reaction::respond(204));
    Proxy& proxy = world.start();
    whole(world.io, proxy.url("/s"), get("/s"));
    const std::size_t asked = world.upstream.requests().size();
    const std::string inner = "GET /admin HTTP/1.1\r\nHost: x\r\n\r\n";
    const Fetched got = whole(world.io, proxy.url("/s"), "GET /s HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 1\r\nContent-Length: " +
                                                           std::to_string(inner.size()) + "\r\n\r\n" + inner);
    CHECK(count(got.body, "data: b") == 1);
    CHECK(field(got, "Connection") == "close");
    testing::run_until_idle(world.io);
    CHECK(world.upstream.requests().size() == asked);
}

TEST_CASE("mcp: clients without a session are not one another's") {
    World world{PostStreams::mcp};
    world.upstream.then(Reaction::stream().event("one", "1").stall()).then(Reaction::stream().event("two", "2").stall());
    Proxy& proxy = world.start();
    bool ended = false;
    const auto first = [&]() -> Awaitable<> {
        const auto got = co_await fetch_all(proxy.url("/sse"), get("/sse"));
        ended = got.has_value();
    };
    spawn(world.io.get_executor(), first());
    REQUIRE(run_until(world.io, [&] { return proxy.manager.metrics().events.value() == 1; }));
    const Fetched second = fetched(world.io, proxy.url("/sse"), get("/sse"), "data: two");
    CHECK(count(second.body, "data: one") == 0);
    CHECK_FALSE(ended);
}

TEST_CASE("a target that climbs out of the upstream's path is refused") {
    World world{PostStreams::resume};
    Proxy& proxy = world.start();
    for (const char* target : {"/..", "/a/../b", "/%2e%2E/x", "/.%2e/x?y"}) {
        CAPTURE(target);
        CHECK(whole(world.io, proxy.url("/"), get(target, "Connection: close\r\n")).head.status == 400);
    }
    world.upstream.otherwise(Reaction::respond(200));
    for (const char* target : {"/...", "/a..b", "/x?../", "/.x", "/."}) {
        CAPTURE(target);
        CHECK(whole(world.io, proxy.url("/"), get(target, "Connection: close\r\n")).head.status == 200);
    }
}
