// Interceptors in a proxy: what becomes of streams while one is awaited, and of the heads of messages.

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gateway/proxy_fixture.hpp"

using namespace proxy_tests;
using testing::Reaction;
using testing::run_until;

namespace {

using Intercepted = std::vector<SseEvent>;

// What a stream's interceptors were told of its end, as text.
struct EndNotes {
    struct Note {
        EndNotes* notes;
        int events = 0;
        void operator()(const StreamContext&, Intercepted&) { ++events; }
        void on_end(const StreamContext& stream, StreamEnding end) {
            notes->texts.push_back(std::string{stream.method} + " " + std::string{stream.target} +
                                   (end == StreamEnding::complete ? " complete " : " cut ") + std::to_string(events));
        }
    };

    auto factory() {
        return [this](const RequestHead&) {
            ++made;
            return Note{this};
        };
    }

    std::vector<std::string> texts;
    int made = 0;
};

std::string post_of(const std::string& target) { return "POST " + target + " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"; }

struct Caught {
    std::optional<Result<Fetched>> result;
};

std::shared_ptr<Caught> begin_fetch(asio::io_context& io, std::string url, std::string request, std::string end_with) {
    auto caught = std::make_shared<Caught>();
    asio::co_spawn(io, fetch(std::move(url), std::move(request), until(std::move(end_with))),
                   [caught](std::exception_ptr, Result<Fetched> result) { caught->result.emplace(std::move(result)); });
    return caught;
}

}  // namespace

// --- events ---

TEST_CASE("an interceptor that is awaited holds its own stream, behind what came before") {
    asio::io_context io{1};
    testing::ScriptedServer upstream{io};
    testing::Gate more;
    // In one read, so that nothing but the wait for the second hands the first on.
    const std::string rest = "data: a\nid: 1\n\ndata: b\nid: 2\n\ndata: c\nid: 3\n\n";
    upstream.otherwise(Reaction::stream().wait(more).body(rest).stall());
    Proxy proxy{io, quick(upstream.url())};
    AsyncEvent gate{io.get_executor()};
    proxy.manager.add_interceptor([&gate](const StreamContext& stream, Intercepted& events) -> Awaitable<> {
        if (stream.target != "/held" || events[0].data != "b") co_return;
        co_await gate.wait();
        events[0].data = "B";
    });
    const auto first = begin_fetch(io, proxy.url("/held"), get("/held"), "id: 1\n\n");
    REQUIRE(run_until(io, [&] { return proxy.manager.gauges().clients == 1; }));
    more.open();
    REQUIRE(run_until(io, [&] { return first->result.has_value(); }));
    CHECK((*first->result)->body == ":\ndata: a\nid: 1\n\n");
    CHECK(fetched(io, proxy.url("/other"), get("/other"), "id: 3\n\n").body == ":\n" + rest);
    const auto back = begin_fetch(io, proxy.url("/held"), get("/held", "Last-Event-ID: 1\r\n"), "id: 3\n\n");
    testing::run_until_idle(io);
    CHECK_FALSE(back->result.has_value());
    gate.notify();
    REQUIRE(run_until(io, [&] { return back->result.has_value(); }));
    CHECK((*back->result)->body == ":\ndata: B\nid: 2\n\ndata: c\nid: 3\n\n");
    CHECK(upstream.requests().size() == 2);
}

TEST_CASE("a stream that is closed while an interceptor is awaited takes it along") {
    const auto held = std::make_shared<int>();
    {
        asio::io_context io{1};
        testing::ScriptedServer upstream{io};
        upstream.otherwise(Reaction::stream().event("a", "1").event("b", "2").stall());
        EndNotes notes;
        Proxy proxy{io, quick(upstream.url())};
        bool waiting = false;
        const auto held_by = [held, &waiting](const StreamContext&, Intercepted& events) -> Awaitable<> {
            if (events[0].data != "b") co_return;
            const std::shared_ptr<int> in_frame = held;
            const asio::any_io_executor executor = co_await asio::this_coro::executor;
            asio::steady_timer never{executor, asio::steady_timer::time_point::max()};
            waiting = true;
            co_await never.async_wait(asio::use_awaitable);
        };
        proxy.manager.add_interceptor(notes.factory());
        proxy.manager.add_interceptor(held_by);
        const long without_frame = held.use_count();
        const auto client = begin_fetch(io, proxy.url("/s"), post_of("/s"), "data: a\n");
        REQUIRE(run_until(io, [&] { return waiting; }));
        SECTION("its client leaves") {
            REQUIRE(run_until(io, [&] { return client->result.has_value(); }));
            REQUIRE(run_until(io, [&] { return !notes.texts.empty(); }));
            CHECK(notes.texts.front() == "POST /s cut 2");
            CHECK(held.use_count() == without_frame);
            CHECK(run_until(io, [&] { return proxy.manager.streams() == 0 && upstream.open_connections() == 0; }));
        }
        SECTION("the gateway stops") {
            proxy.manager.stop();
            REQUIRE(run_until(io, [&] { return !notes.texts.empty(); }));
            CHECK(held.use_count() == without_frame);
        }
        SECTION("everything goes away") {
            CHECK(held.use_count() == without_frame + 1);
            io.stop();
        }
    }
    CHECK(held.use_count() == 1);
}

TEST_CASE("an interceptor that throws ends the stream as cut") {
    asio::io_context io{1};
    testing::ScriptedServer upstream{io};
    upstream.otherwise(Reaction::stream().event("a", "1").event("b", "2").event("c", "3").stall());
    EndNotes notes;
    Proxy proxy{io, quick(upstream.url())};
    proxy.manager.add_interceptor(notes.factory());
    const int way = GENERATE(0, 1, 2, 3);
    CAPTURE(way);
    if (way == 3) {
        proxy.manager.add_interceptor([](const RequestHead&) -> void (*)(const StreamContext&, Intercepted&) { throw 1; });
    } else {
        proxy.manager.add_interceptor([way](const StreamContext&, Intercepted& events) -> Awaitable<> {
            if (events[0].data != "b") return {};
            if (way == 0) throw std::runtime_error{"no"};
            if (way == 1) throw 1;
            const auto later = []() -> Awaitable<> {
                co_await asio::post(asio::use_awaitable);
                throw std::runtime_error{"no"};
            };
            return later();
        });
    }
    const Fetched got = whole(io, proxy.url("/s"), get("/s"));
    CHECK(got.body == (way == 3 ? ":\n" : ":\ndata: a\nid: 1\n\n"));
    CHECK(got.end);
    CHECK(notes.texts == std::vector<std::string>{way == 3 ? "GET /s cut 1" : "GET /s cut 2"});
    CHECK(upstream.requests().size() == 1);
}

TEST_CASE("what an upstream replays after a drop is shown to interceptors once, and its end is told once") {
    asio::io_context io{1};
    testing::ScriptedServer upstream{io};
    upstream.then(Reaction::stream().event("a", "1").event("b", "2").truncate())
        .then(Reaction::stream().event("b", "2").event("c", "3").truncate())
        .then(Reaction::respond(204));
    EndNotes notes;
    Proxy proxy{io, quick(upstream.url())};
    proxy.manager.add_interceptor(notes.factory());
    const Fetched got = whole(io, proxy.url("/s"), get("/s?last_event_id=0&x=y"));
    CHECK(count(got.body, "data:") == 3);
    CHECK_FALSE(got.end);
    CHECK(notes.made == 1);
    CHECK(notes.texts == std::vector<std::string>{"GET /s?x=y complete 3"});
}

TEST_CASE("a dropped event leaves no frame, and is not asked for again") {
    asio::io_context io{1};
    testing::ScriptedServer upstream{io};
    upstream.then(Reaction::stream().event("a", "1").event("secret", "2").truncate())
        .then(Reaction::stream().event("c", "3").stall())
        .then(Reaction::stream().event("secret", "2").event("c", "3").stall());
    Proxy proxy{io, quick(upstream.url())};
    proxy.manager.add_interceptor([](const StreamContext&, Intercepted& events) {
        if (events[0].data == "secret") events.clear();
    });
    CHECK(fetched(io, proxy.url("/s"), get("/s"), "id: 3\n\n").body == ":\ndata: a\nid: 1\n\ndata: c\nid: 3\n\n");
    CHECK(upstream.requests()[1].last_event_id() == "2");
    // Nobody can have seen it; who comes back from before it gets what followed.
    CHECK(fetched(io, proxy.url("/s"), get("/s", "Last-Event-ID: 1\r\n"), "id: 3\n\n").body == ":\ndata: c\nid: 3\n\n");
    CHECK(upstream.requests().size() == 2);
    proxy.manager.stop();
    // Also from a gateway that knows nothing of it any more.
    Proxy other{io, quick(upstream.url())};
    other.manager.add_interceptor([](const StreamContext&, Intercepted& events) {
        if (events[0].data == "secret") events.clear();
    });
    CHECK(fetched(io, other.url("/s"), get("/s", "Last-Event-ID: 1\r\n"), "id: 3\n\n").body == ":\ndata: c\nid: 3\n\n");
}

// --- heads ---

TEST_CASE("a request's change goes upstream, also with the requests that resume its stream, and keeps its framing") {
    asio::io_context io{1};
    testing::ScriptedServer upstream{io};
    Proxy proxy{io, quick(upstream.url())};
    proxy.manager.add_request_interceptor([](const ForwardingContext& client, RequestHead& request) -> std::optional<Refusal> {
        CHECK(client.client_address == "127.0.0.1");
        CHECK_FALSE(request.fields.contains("X-Hop"));
        request.fields.set("X-Api-Key", "k");
        request.fields.erase("X-Gone");
        request.target = "/v2" + request.target;
        request.method = "DELETE";
        request.minor = 7;
        for (const char* const name : {"Content-Length", "Transfer-Encoding", "Connection", "Expect", "Upgrade"}) request.fields.set(name, "X-Api-Key");
        return std::nullopt;
    });
    const std::string fields = "X-Gone: 1\r\nConnection: X-Api-Key, X-Hop\r\nX-Hop: 1\r\n";
    SECTION("a stream") {
        upstream.then(Reaction::stream().event("a", "1").truncate()).then(Reaction::stream().event("b", "2").stall());
        fetched(io, proxy.url("/s"), get("/s?lastEventId=0", fields), "id: 2\n\n");
        REQUIRE(upstream.requests().size() == 2);
        CHECK(upstream.requests()[0].head.target == "/v2/s?lastEventId=0");
        CHECK(upstream.requests()[1].head.target == "/v2/s");
        CHECK(upstream.requests()[1].last_event_id() == "1");
        // It is found again under what the client calls it.
        const Fetched rest = fetched(io, proxy.url("/s"), get("/s", "Last-Event-ID: 1\r\n"), "id: 2\n\n");
        CHECK(field(rest, "SSE-Resume") == "exact");
        CHECK(upstream.requests().size() == 2);
        for (const auto& request : upstream.requests()) {
            CHECK(request.head.method == "GET");
            CHECK_FALSE(request.head.fields.contains("Content-Length"));
        }
    }
    SECTION("a body with a length") {
        upstream.then(Reaction::respond(200, "ok"));
        whole(io, proxy.url("/s"), "PUT /s HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n" + fields + "\r\nabc");
        CHECK(upstream.requests()[0].head.fields.get("Content-Length") == "3");
        CHECK(upstream.requests()[0].body == "abc");
    }
    SECTION("a body in chunks") {
        upstream.then(Reaction::respond(200, "ok"));
        whole(io, proxy.url("/s"), "PUT /s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + fields + "\r\n3\r\nabc\r\n0\r\n\r\n");
        CHECK(upstream.requests()[0].head.fields.get("Transfer-Encoding") == "chunked");
        CHECK(upstream.requests()[0].head.method == "PUT");
        CHECK(upstream.requests()[0].body == "abc");
    }
    for (const auto& request : upstream.requests()) {
        CHECK(request.head.fields.get("X-Api-Key") == "k");
        CHECK_FALSE(request.head.fields.contains("X-Gone"));
        CHECK_FALSE(request.head.fields.contains("Upgrade"));
        CHECK_FALSE(request.head.fields.contains("Expect"));
    }
}

TEST_CASE("a request can be refused, also where a log would answer it") {
    asio::io_context io{1};
    testing::ScriptedServer upstream{io};
    upstream.then(Reaction::stream().event("a", "1").event("b", "2").stall());
    Proxy proxy{io, quick(upstream.url())};
    bool later_asked = false;
    proxy.manager.add_request_interceptor([](const ForwardingContext&, RequestHead& request) -> std::optional<Refusal> {
        const auto token = request.fields.get("X-Token");
        if (token == "good") return std::nullopt;
        if (token == "over") return Refusal{204, "not sent"};
        Refusal refusal{401, "no token"};
        refusal.fields.set("WWW-Authenticate", "Bearer");
        refusal.fields.set("Content-Length", "0");
        refusal.fields.set("Transfer-Encoding", "chunked");
        return refusal;
    });
    proxy.manager.add_request_interceptor([&later_asked](const ForwardingContext&, RequestHead&) -> std::optional<Refusal> {
        later_asked = true;
        return std::nullopt;
    });
    const Fetched refused = whole(io, proxy.url("/s"), get("/s"));
    CHECK(refused.head.status == 401);
    CHECK(refused.body == "no token\n");
    CHECK(field(refused, "WWW-Authenticate") == "Bearer");
    CHECK_FALSE(later_asked);
    CHECK(upstream.requests().empty());
    fetched(io, proxy.url("/s"), get("/s", "X-Token: good\r\n"), "id: 2\n\n");
    CHECK(whole(io, proxy.url("/s"), get("/s", "Last-Event-ID: 1\r\n")).head.status == 401);
    const Fetched over = whole(io, proxy.url("/s"), get("/s", "X-Token: over\r\nLast-Event-ID: 1\r\n"));
    CHECK(over.head.status == 204);
    CHECK_FALSE(over.head.fields.contains("Content-Length"));
    CHECK(fetched(io, proxy.url("/s"), get("/s", "X-Token: good\r\nLast-Event-ID: 1\r\n"), "id: 2\n\n").head.status == 200);
    CHECK(proxy.manager.metrics().requests.value() == 5);
}

TEST_CASE("one credential for all requests does not make one principal of all clients") {
    asio::io_context io{1};
    testing::ScriptedServer upstream{io};
    upstream.otherwise(Reaction::stream().event("a", "1").event("b", "2").stall());
    Proxy proxy{io, quick(upstream.url())};
    proxy.manager.add_request_interceptor([](const ForwardingContext&, RequestHead& request) -> std::optional<Refusal> {
        request.fields.set("Authorization", "Bearer ours");
        return std::nullopt;
    });
    fetched(io, proxy.url("/s"), get("/s", "Authorization: Bearer a\r\n"), "id: 2\n\n");
    fetched(io, proxy.url("/s"), get("/s", "Authorization: Bearer b\r\nLast-Event-ID: 1\r\n"), "id: 2\n\n");
    REQUIRE(upstream.requests().size() == 2);
    CHECK(upstream.requests()[1].head.fields.get("Authorization") == "Bearer ours");
}

TEST_CASE("what can't be sent is a 500 that says so") {
    asio::io_context io{1};
    testing::ScriptedServer upstream{io};
    upstream.otherwise(Reaction::respond(200, "ok"));
    const std::vector<std::pair<std::string, std::function<std::optional<Refusal>(RequestHead&)>>> bad{
        {"request", [](RequestHead& head) { return head.fields.set("X", "a\r\nY: b"), std::nullopt; }},
        {"request", [](RequestHead& head) { return head.fields.set("X Y", "a"), std::nullopt; }},
        {"request", [](RequestHead& head) { return head.target = "http://other/", std::nullopt; }},
        {"request", [](RequestHead& head) { return head.target = "/a b", std::nullopt; }},
        {"request", [](RequestHead& head) { return head.target = "/a/%2e./b", std::nullopt; }},
        {"failed", [](RequestHead&) -> std::optional<Refusal> { throw std::runtime_error{"secret"}; }},
        {"failed", [](RequestHead&) -> std::optional<Refusal> { throw 1; }},
        {"refusal", [](RequestHead&) { return Refusal{99, "x"}; }},
        {"refusal", [](RequestHead&) { return Refusal{304, "x"}; }},
        {"refusal", [](RequestHead&) { return Refusal{200, "x", {{"X", "\n"}}}; }},
    };
    for (const auto& [word, interceptor] : bad) {
        Proxy proxy{io, quick(upstream.url())};
        proxy.manager.add_request_interceptor(
            [does = interceptor](const ForwardingContext&, RequestHead& request) { return does(request); });
        const Fetched got = whole(io, proxy.url("/s"), get("/s"));
        CHECK(got.head.status == 500);
        CHECK(count(got.body, word) == 1);
        CHECK(count(got.body, "secret") == 0);
    }
    CHECK(upstream.requests().empty());
}

TEST_CASE("a response's change goes to the client and keeps its framing") {
    asio::io_context io{1};
    testing::ScriptedServer upstream{io};
    Proxy proxy{io, quick(upstream.url())};
    proxy.manager.add_response_interceptor([](const RequestHead& request, ResponseHead& response) {
        response.fields.set("X-For", request.target);
        response.fields.erase("Server");
        for (const char* const name : {"Content-Length", "Transfer-Encoding", "Connection"}) response.fields.set(name, "1");
        response.minor = 0;
        if (response.status == 500) response.status = 503;
    });
    SECTION("regular") {
        upstream.then(Reaction::respond(500, "oh no").field("Server", "x"));
        const Fetched got = whole(io, proxy.url("/s"), get("/s"));
        CHECK(got.head.status == 503);
        CHECK(got.head.minor == 1);
        CHECK(got.body == "oh no");
        CHECK_FALSE(got.end);
        CHECK(field(got, "X-For") == "/s");
        CHECK(field(got, "Server") == "(none)");
        CHECK(field(got, "Content-Length") == "5");
        CHECK(field(got, "Transfer-Encoding") == "(none)");
        CHECK(field(got, "Connection") == "(none)");
    }
    SECTION("without a body") {
        upstream.then(Reaction::respond(204));
        const Fetched got = whole(io, proxy.url("/s"), get("/s"));
        CHECK(got.head.status == 204);
        CHECK(field(got, "X-For") == "/s");
        CHECK(field(got, "Content-Length") == "(none)");
    }
    SECTION("a stream, for each client") {
        upstream.then(Reaction::stream().field("Server", "x").event("a", "1").event("b", "2").stall());
        for (const char* const back : {"", "Last-Event-ID: 1\r\n"}) {
            const Fetched got = fetched(io, proxy.url("/s"), get("/s", back), "id: 2\n\n");
            CHECK(field(got, "X-For") == "/s");
            CHECK(field(got, "Server") == "(none)");
            CHECK(field(got, "Transfer-Encoding") == "chunked");
            CHECK(field(got, "Content-Length") == "(none)");
            CHECK(field(got, "Connection") == "(none)");
        }
        CHECK(upstream.requests().size() == 1);
    }
}

TEST_CASE("a response that an interceptor spoils is a 500, and nothing of it is sent") {
    asio::io_context io{1};
    testing::ScriptedServer upstream{io};
    const std::vector<std::function<void(ResponseHead&)>> bad{
        [](ResponseHead& head) { head.fields.set("X", "a\nb"); },
        [](ResponseHead& head) { head.reason = "a\r\nX: b"; },
        [](ResponseHead& head) { head.status = 600; },
        [](ResponseHead& head) { head.status = 101; },
        [](ResponseHead& head) { head.status = 204; },
        [](ResponseHead&) { throw std::runtime_error{"secret"}; },
    };
    for (const bool stream : {false, true}) {
        upstream.otherwise(stream ? Reaction::stream().event("a", "1").stall() : Reaction::respond(200, "all well"));
        for (const auto& interceptor : bad) {
            Proxy proxy{io, quick(upstream.url())};
            proxy.manager.add_response_interceptor([&interceptor](const RequestHead&, ResponseHead& response) { interceptor(response); });
            const Fetched got = whole(io, proxy.url("/s"), get("/s"));
            CHECK(got.head.status == 500);
            CHECK(count(got.body, "an interceptor") == 1);
            CHECK(count(got.body, "secret") == 0);
            CHECK_FALSE(got.end);
            proxy.manager.stop();
        }
    }
}
