#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gateway/route.hpp"

using namespace proxy_tests;
using testing::Gate;
using testing::Reaction;
using testing::run_until;

namespace {

// A stream whose head waits.
Reaction held(const Gate& gate) {
    Reaction reaction;
    reaction.wait(gate);
    ResponseHead head;
    head.fields.add("Content-Type", "text/event-stream");
    reaction.head(head, testing::Framing::chunked);
    return reaction;
}

}  // namespace

TEST_CASE("a shared stream: all who come back at once are told what they miss") {
    Route route;
    route.options.sharing = Sharing::shared;
    route.options.stream.ids = IdMode::minted;
    const std::string accept = GENERATE("", "Accept: text/event-stream\r\n");
    route.upstream.then(events(1, 2).stall());
    route.start();
    const std::string id = id_of(route.ask(accept, "event 2\n").body, 2);
    Gate head;
    route.upstream.then(events(9, 9, held(head)).stall()).then(events(9, 9, held(head)).stall());
    route.start();  // and nobody knows the id any more
    const auto one = route.follow(accept + "Last-Event-ID: " + id + "\r\n");
    const auto two = route.follow(accept + "Last-Event-ID: " + id + "\r\n");
    REQUIRE(run_until(route.io, [&] { return route.metrics().requests.value() == 2 && route.upstream.requests().size() == (accept.empty() ? 3 : 2); }));
    head.open();
    for (const auto& client : {one, two}) {
        REQUIRE(route.until_has(client, ":\n"));
        CHECK(count(client->body, "sse-gap") == 1);
    }
    CHECK(route.proxy->manager.streams() == 1);
}

TEST_CASE("what others have seen elsewhere teaches nothing about an upstream") {
    Route route;
    route.start();
    Reaction sparse = Reaction::stream();
    sparse.event("a", "30").event("b", "45").stall();
    route.upstream.otherwise(sparse);
    for (int i = 0; i < 5; ++i) route.ask("Last-Event-ID: 20\r\n", "data: b", "/s" + std::to_string(i));
    CHECK(route.proxy->manager.gauges().resume_support == ResumeSupport::unknown);
    CHECK(route.asked().back() == "20");
}

TEST_CASE("an upstream that did not care is tried again now and then") {
    Route route;
    route.upstream.then(events(1, 2).truncate()).then(events(9, 10).truncate()).then(events(19, 20).truncate()).then(events(29, 30).stall());
    route.start();
    route.ask("", "event 30\n");
    REQUIRE(route.proxy->manager.gauges().resume_support == ResumeSupport::no);
    route.upstream.otherwise(events(36, 36).stall());
    const auto asked_for = [&](int i) {
        route.ask("Last-Event-ID: 35\r\n", "event 36\n", "/s" + std::to_string(i));
        return route.asked().back();
    };
    for (int i = 1; i < 16; ++i) CHECK(asked_for(i).empty());
    CHECK(asked_for(16) == "35");
    CHECK(route.proxy->manager.gauges().resume_support == ResumeSupport::yes);
    CHECK(asked_for(17) == "35");
}

TEST_CASE("mcp: who names no id gets what is left, and is told, where the beginning is gone") {
    Route route;
    route.options.post = PostStreams::mcp;
    route.options.stream.log.events = 4;
    Gate more;
    route.upstream.then(events(9, 9, events(1, 8).wait(more)).stall());
    route.start();
    const std::string session = "Mcp-Session-Id: s\r\nAccept: text/event-stream\r\n";
    const auto first = route.follow(session);
    REQUIRE(route.until_has(first, "event 8\n"));
    const auto second = route.follow(session);
    REQUIRE(route.until_has(second, "event 8\n"));
    CHECK(exactly(second->body, 5, 8));
    CHECK(count(second->body, "\"reason\":\"not_kept\",\"from\":\"\",\"lost\":4}") == 1);
    more.open();
    REQUIRE(route.until_has(second, "event 9\n"));
    CHECK_FALSE(second->ended);
}

TEST_CASE("a stream that was given up is asked for upstream, also where its last event has no id") {
    Route route;
    route.upstream.then(events(1, 1).event("tail").truncate()).then(Reaction::respond(404)).otherwise(events(2, 3).stall());
    route.start();
    whole(route.io, route.proxy->url("/s"), get("/s"));
    CHECK(exactly(route.ask("Last-Event-ID: 1\r\n", "event 3\n").body, 2, 3));
    CHECK(route.asked().back() == "1");
}

TEST_CASE("what has no id at the end of a stream is repeated once, and then it is over") {
    Route route;
    route.upstream.then(events(1, 1).event("[DONE]").clean()).otherwise(Reaction::respond(204));
    route.start();
    const Fetched first = whole(route.io, route.proxy->url("/s"), get("/s"));
    REQUIRE_FALSE(first.end);
    CHECK(count(whole(route.io, route.proxy->url("/s"), get("/s", "Last-Event-ID: 1\r\n")).body, "data: [DONE]") == 1);
    CHECK(whole(route.io, route.proxy->url("/s"), get("/s", "Last-Event-ID: 1\r\nConnection: close\r\n")).head.status == 204);
}

TEST_CASE("minted ids: an evicted id of a stream that was given up gets what is left, once") {
    Route route;
    route.options.stream.ids = IdMode::minted;
    route.options.stream.log.events = 4;
    route.options.stream.backpressure = false;
    Gate more;
    route.upstream.then(events(3, 9, events(1, 2).wait(more)).truncate()).then(Reaction::respond(404)).otherwise(events(10, 11).stall());
    route.start();
    const auto client = route.follow();
    REQUIRE(route.until_has(client, "event 2\n"));
    const std::string id = id_of(client->body, 1);
    more.open();
    REQUIRE(run_until(route.io, [&] { return route.metrics().streams_cut.value() == 1 && client->ended; }));
    const Fetched rest = whole(route.io, route.proxy->url("/s"), get("/s", "Last-Event-ID: " + id + "\r\n"));
    CHECK(field(rest, "SSE-Resume").starts_with("gap; from=" + id + "; lost="));
    CHECK(exactly(rest.body, 6, 9));
    const Fetched on = route.ask("Last-Event-ID: " + id_of(rest.body, 4) + "\r\n", "event 11\n");
    CHECK(exactly(on.body, 10, 11));
    CHECK(route.asked().back() == "9");
}

TEST_CASE("catching up loses no part of an event that was split") {
    Route route;
    route.options.sharing = Sharing::shared;
    route.options.stream.log.events = 4;
    route.upstream.then(events(1, 6).stall());
    route.start();
    route.proxy->manager.add_interceptor([](const StreamContext&, std::vector<SseEvent>& parts) {
        SseEvent head = parts.front();
        head.data = "head of " + head.data;
        parts.insert(parts.begin(), head);
    });
    const auto present = route.follow();
    REQUIRE(route.until_has(present, "data: event 6\n"));
    route.upstream.then(events(3, 6).stall());
    const auto late = route.follow("Last-Event-ID: 2\r\n");
    REQUIRE(route.until_has(late, "data: event 6\n"));
    for (int i = 3; i <= 6; ++i) {
        CHECK(count(late->body, "data: head of event " + std::to_string(i) + "\n") == 1);
        CHECK(count(late->body, "data: event " + std::to_string(i) + "\n") == 1);
    }
    CHECK(run_until(route.io, [&] { return route.metrics().clients_joined.value() == 1; }));
}

TEST_CASE("catching up doubles nothing that has no id") {
    Route route;
    route.options.sharing = Sharing::shared;
    route.options.stream.log.events = 4;
    Gate main;
    Gate other;
    route.upstream.then(events(8, 9, events(7, 7, events(1, 6).wait(main)).event("event 70")).stall());
    route.start();
    const auto present = route.follow();
    REQUIRE(route.until_has(present, "event 6\n"));
    route.upstream.then(events(8, 9, events(7, 7).event("event 70").wait(other)).stall());
    const auto late = route.follow("Last-Event-ID: 2\r\n");
    REQUIRE(route.until_has(late, "event 70\n"));
    main.open();
    REQUIRE(route.until_has(present, "event 9\n"));
    other.open();
    REQUIRE(route.until_has(late, "event 9\n"));
    for (const char* event : {"7", "70", "8", "9"}) CHECK(count(late->body, std::string{"data: event "} + event + "\n") == 1);
    CHECK(run_until(route.io, [&] { return route.metrics().clients_joined.value() == 1; }));
}

TEST_CASE("a shared stream that was given up is asked for once by all who come back to it") {
    Route route;
    route.options.sharing = Sharing::shared;
    route.options.stream.ids = GENERATE(IdMode::minted, IdMode::passthrough, IdMode::sealed);
    Gate cut;
    route.upstream.then(events(1, 2).wait(cut).truncate()).then(Reaction::respond(404));
    route.start();
    std::vector<std::shared_ptr<Route::Client>> clients;
    for (int i = 0; i < 4; ++i) clients.push_back(route.follow("Accept: text/event-stream\r\n"));
    REQUIRE(route.until_has(clients.front(), "event 2\n"));
    const std::string id = id_of(clients.front()->body, 2);
    cut.open();
    for (const auto& client : clients) REQUIRE(run_until(route.io, [&] { return client->ended; }));
    route.upstream.otherwise(events(3, 6).stall());
    const std::size_t before = route.upstream.requests().size();
    clients.clear();
    for (int i = 0; i < 4; ++i) clients.push_back(route.follow("Accept: text/event-stream\r\nLast-Event-ID: " + id + "\r\n"));
    for (const auto& client : clients) {
        REQUIRE(route.until_has(client, "event 6\n"));
        CHECK(exactly(client->body, 3, 6));
    }
    CHECK(route.upstream.requests().size() == before + 1);
    CHECK(route.asked().back() == "2");
}

TEST_CASE("a gateway may go before the requests do that wait for one another's stream") {
    Route route;
    route.options.sharing = Sharing::shared;
    Gate never;
    route.upstream.then(held(never).stall());
    route.start();
    const auto one = route.follow("Accept: text/event-stream\r\n");
    const auto two = route.follow("Accept: text/event-stream\r\n");
    REQUIRE(run_until(route.io, [&] { return route.metrics().requests.value() == 2 && route.upstream.requests().size() == 1; }));
}

TEST_CASE("proxy before proxy: an error does not make the other one forgotten") {
    Route route;
    Reaction answer = Reaction::stream();
    answer.field("Via", "1.1 rejoin").field("SSE-Resume", "gap; from=theirs; lost=3").event("six", "x").stall();
    route.upstream.otherwise(answer);
    route.start();
    const std::string id = "rj-0123456789abcdef-5-AAAAAAAAAAA";
    // What it says is told in the client's words.
    CHECK(field(route.ask("Last-Event-ID: " + id + "\r\n", "data: six"), "SSE-Resume") == "gap; from=" + id + "; lost=3");
    route.upstream.then(Reaction::respond(503));
    const std::string other = "rj-0123456789abcdef-9-AAAAAAAAAAA";
    CHECK(field(route.ask("Last-Event-ID: " + other + "\r\n", "data: six"), "SSE-Resume") == "(none)");
    CHECK(route.asked().back() == other);
}

TEST_CASE("a stream that was given up does not hide another one that has the rest") {
    Route route;
    route.options.sharing = Sharing::shared;
    route.upstream.then(events(1, 2).truncate()).then(Reaction::respond(404)).then(events(1, 4).stall()).otherwise(Reaction::respond(404));
    route.start();
    whole(route.io, route.proxy->url("/s"), get("/s"));
    const auto present = route.follow();
    REQUIRE(route.until_has(present, "event 4\n"));
    CHECK(exactly(route.ask("Last-Event-ID: 2\r\n", "event 4\n").body, 3, 4));
}

TEST_CASE("ids of the upstream's that merely begin like the gateway's are the upstream's") {
    Route route;
    Reaction answer = Reaction::stream();
    answer.event("a", "rj-1").event("b", "rjs-k-2").stall();
    route.upstream.otherwise(answer);
    route.start();
    route.ask("", "data: b", "/x");
    for (const std::string id : {"rj-1", "rjs-k-2"}) {
        route.ask("Last-Event-ID: " + id + "\r\n", "data: b", "/y" + id);
        CHECK(route.asked().back() == id);
    }
}

TEST_CASE("a detached answer that was cut is not asked for as something else") {
    Route route;
    route.options.post = PostStreams::detach;
    route.upstream.then(Reaction::stream().event("a").event("b").truncate()).otherwise(events(7, 7).stall());
    route.start();
    const Fetched first = whole(route.io, route.proxy->url("/s"), "POST /s HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
    const Fetched back = whole(route.io, route.proxy->url("/s"), get("/s", "Last-Event-ID: " + id_of(first.body, 2) + "\r\nConnection: close\r\n"));
    CHECK(back.head.status == 410);
    CHECK(route.upstream.requests().size() == 1);
}

TEST_CASE("an event that an interceptor failed at is asked for again") {
    Route route;
    route.options.stream.ids = GENERATE(IdMode::passthrough, IdMode::minted, IdMode::sealed);
    route.upstream.then(events(1, 3).stall()).otherwise(events(2, 3).stall());
    route.start();
    bool fail = true;
    route.proxy->manager.add_interceptor([&fail](const StreamContext&, std::vector<SseEvent>& one) {
        if (fail && one.front().data == "event 2") throw std::runtime_error{"no"};
    });
    const Fetched first = whole(route.io, route.proxy->url("/s"), get("/s"));
    CHECK(exactly(first.body, 1, 1));
    fail = false;
    CHECK(exactly(route.ask("Last-Event-ID: " + id_of(first.body, 1) + "\r\n", "event 3\n").body, 2, 3));
    CHECK(route.asked().back() == "1");
}

TEST_CASE("no stream goes past the interceptors") {
    Route route;
    route.options.directory.streams = 1;
    route.start();
    route.proxy->manager.add_interceptor([](const StreamContext&, std::vector<SseEvent>& parts) { parts.front().data = "***"; });
    SECTION("where there is no room for another log") {
        route.upstream.otherwise(Reaction::stream().comment(" secret").event("secret", "1").stall());
        const auto other = route.follow();
        REQUIRE(route.until_has(other, "data: ***"));
        CHECK(count(other->body, "secret") == 0);
        const std::string post = "POST /s HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx";
        CHECK(count(fetched(route.io, route.proxy->url("/s"), post, "id: 1").body, "secret") == 0);
    }
    SECTION("nor where its bytes are coded, or its status is not 200") {
        const bool coded = GENERATE(true, false);
        Reaction strange = coded ? Reaction::stream() : Reaction::respond(201, "data: secret\nid: 1\n\n", "text/event-stream");
        if (coded) strange.field("Content-Encoding", "gzip").event("secret", "1");
        route.upstream.otherwise(strange);
        const Fetched got = whole(route.io, route.proxy->url("/s"), get("/s", "Accept: */*\r\nAccept-Encoding: gzip\r\n"));
        CHECK(got.head.status == 502);
        CHECK(count(got.body, "secret") == 0);
        CHECK(route.upstream.requests().front().head.fields.get("Accept-Encoding") == "identity");
    }
}

TEST_CASE("a target in absolute form names the host, whatever the field says") {
    Route route;
    route.upstream.then(events(1, 2).stall()).otherwise(Reaction::respond(404));
    route.start();
    const std::string absolute = "GET http://a.example/s HTTP/1.1\r\nHost: b.example\r\n";
    fetched(route.io, route.proxy->url("/s"), absolute + "\r\n", "event 2\n");
    CHECK(route.upstream.requests().front().head.fields.get("X-Forwarded-Host") == "a.example");
    const auto status = [&](const std::string& host) {
        const std::string request = "GET /s HTTP/1.1\r\nHost: " + host + "\r\nLast-Event-ID: 1\r\nConnection: close\r\n\r\n";
        return fetched(route.io, route.proxy->url("/s"), request, "event 2\n").head.status;
    };
    CHECK(status("b.example") == 404);
    CHECK(status("a.example") == 200);
}

TEST_CASE("a reader that keeps up stays in a log that is smaller than one read of the upstream's") {
    Route route;
    route.options.stream.log.bytes = 4096;
    route.options.stream.backpressure = false;
    std::string burst;
    for (int i = 1; i <= 200; ++i) burst += "data: event " + std::to_string(i) + "\ndata: " + std::string(80, 'x') + "\nid: " + std::to_string(i) + "\n\n";
    Gate reader;
    route.upstream.then(Reaction::stream().wait(reader).body(burst).stall());
    route.start();
    const auto client = route.follow();
    REQUIRE(route.until_has(client, ":\n"));
    reader.open();
    CHECK(run_until(route.io, [&] { return client->ended || client->body.find("data: event 200\n") != std::string::npos; }));
    CHECK(exactly(client->body, 1, 200));
}
