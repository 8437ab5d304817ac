#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gateway/route.hpp"

using namespace proxy_tests;
using testing::Gate;
using testing::Reaction;
using testing::run_until;

TEST_CASE("sealed ids: a restarted proxy goes on behind them, for whom they were made") {
    Route route;
    route.options.stream.ids = IdMode::sealed;
    route.options.keys = keys('a');
    route.upstream.then(events(1, 2).stall());
    route.start();
    const Fetched first = route.ask("Authorization: me\r\n", "data: event 2");
    const std::string id = id_of(first.body, 1);
    REQUIRE(id.starts_with("rjs-k1-"));
    CHECK(field(route.ask("Authorization: me\r\nLast-Event-ID: " + id + "\r\n", "data: event 2"), "SSE-Resume") == "exact");
    CHECK(route.asked() == std::vector<std::string>{""});

    SECTION("by header and by query, which is not the upstream's to see") {
        route.start();
        route.upstream.otherwise(events(2, 3).stall());
        const Fetched rest = route.ask("Authorization: me\r\nLast-Event-ID: " + id + "\r\n", "data: event 3");
        CHECK(exactly(rest.body, 2, 3));
        route.start();
        const std::string target = "/s?x=1&lastEventId=" + id;
        const Fetched again = route.ask("Authorization: me\r\n", "\n", target);  // another target: made for nobody
        CHECK(field(again, "SSE-Resume").starts_with("gap; from="));
        CHECK(route.asked() == std::vector<std::string>{"", "1", ""});
        CHECK(route.upstream.requests().back().head.target == "/s?x=1");
    }
    SECTION("not for anybody else, nor with another key") {
        const std::string who = GENERATE("", "Authorization: you\r\n", "Authorization: me\r\nMcp-Session-Id: 1\r\n", "key");
        CAPTURE(who);
        if (who == "key") route.options.keys = keys('b');
        route.start();
        route.upstream.otherwise(events(7, 7).stall());
        const std::string fields = who == "key" ? "Authorization: me\r\n" : who;
        const Fetched other = route.ask(fields + "Last-Event-ID: " + id + "\r\n", "data: event 7");
        CHECK(field(other, "SSE-Resume") == "gap; from=" + id + "; lost=unknown");
        CHECK(count(other.body, "event: sse-gap\ndata: {\"reason\":\"unknown_id\",\"from\":\"" + id + "\",\"lost\":null}\n\n") == 1);
        CHECK(route.asked().back().empty());
    }
    SECTION("a key that was replaced is still understood, and logs know the id under the new one") {
        route.options.keys = std::make_shared<const IdKeys>(std::vector<IdKey>{{"k2", std::string(32, 'b')}, {"k1", std::string(32, 'a')}});
        route.start();
        route.upstream.otherwise(events(2, 3).stall());
        const std::string back = "Authorization: me\r\nLast-Event-ID: " + id + "\r\n";
        const Fetched rest = route.ask(back, "data: event 3");
        CHECK(id_of(rest.body, 1).starts_with("rjs-k2-"));
        const std::string old = "rjs-k1-" + id.substr(7);
        CHECK(exactly(route.ask("Authorization: me\r\nLast-Event-ID: " + id_of(rest.body, 1) + "\r\n", "data: event 3").body, 3, 3));
        CHECK(route.asked() == std::vector<std::string>{"", "1"});
    }
    SECTION("an id that was not sealed is nobody's") {
        route.upstream.otherwise(events(7, 7).stall());
        CHECK(field(route.ask("Authorization: me\r\nLast-Event-ID: 1\r\n", "\n"), "SSE-Resume") == "gap; from=1; lost=unknown");
        CHECK(route.asked().back().empty());
    }
}

TEST_CASE("a shared stream: who comes back too late for the log catches up from the upstream and joins") {
    Route route;
    route.options.sharing = Sharing::shared;
    route.options.stream.log.events = 4;
    Gate more;
    route.upstream.then(events(11, 12, events(1, 10).wait(more)).stall());
    route.start();
    const auto present = route.follow();
    REQUIRE(route.until_has(present, "event 10\n"));
    route.upstream.then(events(3, 10).stall());
    const auto late = route.follow("Last-Event-ID: 2\r\n");
    REQUIRE(route.until_has(late, "event 10\n"));
    CHECK(route.asked() == std::vector<std::string>{"", "2"});
    CHECK(route.metrics().clients_joined.value() == 1);
    CHECK(route.metrics().streams_joined.value() == 1);
    CHECK(run_until(route.io, [&] { return route.upstream.closed_by_client(2); }));
    more.open();
    REQUIRE(route.until_has(late, "event 12\n"));
    REQUIRE(route.until_has(present, "event 12\n"));
    CHECK(exactly(late->body, 3, 12));
    CHECK(exactly(present->body, 1, 12));
    CHECK(count(late->body, "sse-gap") == 0);

    SECTION("an id of the way there is good for coming back") {
        const Fetched again = route.ask("Last-Event-ID: 9\r\n", "event 12\n");
        CHECK(field(again, "SSE-Resume") == "exact");
        CHECK(exactly(again.body, 10, 12));
        CHECK(route.upstream.requests().size() == 2);
    }
}

TEST_CASE("a shared stream: one that catches up is ahead of it for a while") {
    Route route;
    route.options.sharing = Sharing::shared;
    route.options.stream.log.events = 1;
    Gate main;
    Gate other;
    route.upstream.then(events(5, 8, events(1, 4).wait(main)).stall());
    route.start();
    const auto present = route.follow();
    REQUIRE(route.until_has(present, "event 4\n"));
    // It passes by the only event in the log before that is there.
    route.upstream.then(events(7, 8, events(5, 6).wait(other)).stall());
    const auto late = route.follow("Last-Event-ID: 3\r\n");
    REQUIRE(route.until_has(late, "event 6\n"));
    main.open();
    REQUIRE(route.until_has(present, "event 8\n"));
    other.open();
    REQUIRE(route.until_has(late, "event 8\n"));
    CHECK(exactly(late->body, 5, 8));
    CHECK(route.metrics().streams_joined.value() == 1);
}

TEST_CASE("a shared stream: who has seen the newest event misses nothing, though the log is empty") {
    Route route;
    route.options.sharing = Sharing::shared;
    route.options.stream.log.age = 1ms;
    route.options.writer.heartbeat = 40ms;  // often looked after
    Gate more;
    route.upstream.then(events(3, 3, events(1, 2).wait(more)).stall());
    route.start();
    const auto present = route.follow();
    REQUIRE(run_until(route.io, [&] { return route.proxy->manager.gauges().log_events == 0 && present->body.find("event 2\n") != std::string::npos; }));
    const auto back = route.follow("Last-Event-ID: 2\r\n");
    REQUIRE(run_until(route.io, [&] { return route.metrics().clients_resumed.value() == 1; }));
    more.open();
    REQUIRE(route.until_has(back, "event 3\n"));
    CHECK(exactly(back->body, 3, 3));
    CHECK(route.upstream.requests().size() == 1);
}

TEST_CASE("a shared stream: clients that come at once ask the upstream once") {
    Route route;
    route.options.sharing = Sharing::shared;
    Gate head;
    Reaction slow;
    slow.wait(head);
    ResponseHead ok;
    ok.fields.add("Content-Type", "text/event-stream");
    slow.head(ok, testing::Framing::chunked);
    route.upstream.then(events(1, 2, std::move(slow)).stall());
    route.start();
    SECTION("those that say what they want wait for the first") {
        std::vector<std::shared_ptr<Route::Client>> clients;
        for (int i = 0; i < 5; ++i) clients.push_back(route.follow("Accept: text/event-stream\r\n"));
        REQUIRE(run_until(route.io, [&] { return route.metrics().requests.value() == 5 && route.upstream.requests().size() == 1; }));
        head.open();
        for (const auto& client : clients) REQUIRE(route.until_has(client, ":\n"));
        CHECK(route.upstream.requests().size() == 1);
        CHECK(route.proxy->manager.streams() == 1);
    }
    SECTION("others are joined when it shows what they get") {
        route.upstream.then(events(1, 2).stall());
        const auto one = route.follow();
        const auto two = route.follow();
        REQUIRE(run_until(route.io, [&] { return route.upstream.requests().size() == 2; }));
        head.open();
        REQUIRE(route.until_has(one, ":\n"));
        REQUIRE(route.until_has(two, ":\n"));
        CHECK(route.proxy->manager.streams() == 1);
        CHECK(run_until(route.io, [&] { return route.upstream.open_connections() == 1; }));
    }
}

TEST_CASE("a client that does not keep up goes on behind a gap where that is wanted") {
    Route route;
    route.options.stream.backpressure = false;
    route.options.stream.log.events = 4;
    route.options.writer.slow = SlowClients::skip;
    const std::string large(60'000, 'x');
    Reaction flood = Reaction::stream();
    for (int i = 1; i <= 400; ++i) flood.event(large, std::to_string(i));
    route.upstream.then(flood.event("last", "last").stall());
    route.start();
    bool read = false;
    std::string body;
    const auto slow = [&]() -> Awaitable<> {
        const Url url = Url::parse(route.proxy->url("/s")).value();
        SseHttpClient client;
        auto connection = co_await client.open(url);
        const std::string request = get("/s");
        const std::error_code written = co_await (*connection)->write(request, 5s);
        asio::steady_timer pause{route.io};
        while (!read && !written) {
            pause.expires_after(5ms);
            co_await pause.async_wait(asio::use_awaitable);
        }
        const auto head = co_await (*connection)->read_head(10s, Error::response_timeout);
        while (head && body.find("data: last") == std::string::npos && !(*connection)->body_ended()) {
            std::string_view piece;
            while ((*connection)->next_body(piece)) body += piece;
            co_await (*connection)->fill();
        }
    };
    spawn(route.io.get_executor(), slow());
    REQUIRE(run_until(route.io, [&] { return route.metrics().events.value() == 401; }));
    read = true;
    REQUIRE(run_until(route.io, [&] { return body.find("data: last") != std::string::npos; }));
    CHECK(count(body, "event: sse-gap\ndata: {\"reason\":\"slow_client\",\"from\":\"\",\"lost\":") == 1);
    const std::size_t at = body.find("\"lost\":") + 7;
    const int lost = std::stoi(body.substr(at));
    CHECK(count(body, "\nid: ") + static_cast<std::size_t>(lost) == 401);
    CHECK(body.substr(body.size() - 40).find("id: last\n\n") != std::string::npos);
    route.proxy->manager.stop();
    CHECK(run_until(route.io, [&] { return route.metrics().clients_skipped.value() == 1; }));
    CHECK(route.metrics().events_skipped.value() == static_cast<std::uint64_t>(lost));
}

TEST_CASE("an upstream's comments reach the clients, unless that is not wanted") {
    Route route;
    route.options.stream.forward_comments = GENERATE(true, false);
    Gate gate;
    route.upstream.then(Reaction::stream().event("a", "1").wait(gate).comment(" still here").event("b", "2").stall());
    route.start();
    const auto client = route.follow();
    REQUIRE(route.until_has(client, "data: a"));
    gate.open();
    REQUIRE(route.until_has(client, "data: b"));
    testing::run_until_idle(route.io);
    CHECK(count(client->body, ": still here\n") == (route.options.stream.forward_comments ? 1 : 0));
    CHECK(count(client->body, ": still here\n\n") == 0);  // a blank line is an event to some clients
}

TEST_CASE("what an upstream makes of Last-Event-ID is learned") {
    Route route;
    SECTION("that it goes on") {
        route.upstream.then(events(1, 2).truncate()).then(events(3, 3).stall());
        route.start();
        route.ask("", "event 3\n");
        CHECK(route.proxy->manager.gauges().resume_support == ResumeSupport::yes);
    }
    SECTION("that it begins anew") {
        route.upstream.then(events(1, 2).truncate()).then(events(1, 3).stall());
        route.start();
        CHECK(exactly(route.ask("", "event 3\n").body, 1, 3));
        CHECK(route.proxy->manager.gauges().resume_support == ResumeSupport::replays);
    }
    SECTION("that it does not care: it is no more asked in vain") {
        route.upstream.then(events(1, 2).truncate()).then(events(9, 10).truncate()).then(events(19, 20).truncate()).then(events(29, 30).stall());
        route.start();
        route.ask("", "event 30\n");
        CHECK(route.proxy->manager.gauges().resume_support == ResumeSupport::no);
        route.upstream.then(events(40, 40).stall());
        const Fetched back = route.ask("Last-Event-ID: 35\r\n", "event 40\n");
        CHECK(field(back, "SSE-Resume") == "gap; from=35; lost=unknown");
        CHECK(route.asked().back().empty());
    }
}

TEST_CASE("proxy before proxy: the other one's ids go upstream, and what it says of them goes to the client") {
    Route route;
    const std::string id = "rj-0123456789abcdef-5-AAAAAAAAAAA";
    const bool chained = GENERATE(true, false);
    Reaction answer = Reaction::stream();
    if (chained) answer.field("Via", "1.1 a, 1.1 rejoin").field("SSE-Resume", "exact");
    route.upstream.then(answer.event("six", "rj-0123456789abcdef-6-AAAAAAAAAAA").stall()).otherwise(answer.stall());
    route.start();
    const Fetched got = route.ask("Last-Event-ID: " + id + "\r\n", "data: six");
    CHECK(route.asked() == std::vector<std::string>{id});
    CHECK(field(got, "SSE-Resume") == (chained ? "exact" : "gap; from=" + id + "; lost=unknown"));
    // What was learned holds for the next one.
    const Fetched next = route.ask("Last-Event-ID: rj-0123456789abcdef-9-AAAAAAAAAAA\r\n", ":\n");
    CHECK(route.asked().back() == (chained ? "rj-0123456789abcdef-9-AAAAAAAAAAA" : ""));
    CHECK(field(next, "SSE-Resume") == (chained ? "exact" : "gap; from=rj-0123456789abcdef-9-AAAAAAAAAAA; lost=unknown"));
}

TEST_CASE("who was nobody in particular and is given a name: no other nobody comes back in its stead") {
    Route route;
    const std::string who = GENERATE("", "Cookie: sid=1\r\n");
    CAPTURE(who);
    Reaction named = Reaction::stream();
    named.field("Set-Cookie", "sid=2");
    route.upstream.then(events(1, 2, named).stall()).otherwise(Reaction::respond(404));
    route.start();
    const auto client = route.follow(who);
    REQUIRE(route.until_has(client, "event 2\n"));
    const Fetched back = fetched(route.io, route.proxy->url("/s"), get("/s", who + "Last-Event-ID: 1\r\nConnection: close\r\n"), "event 2");
    CHECK(back.head.status == (who.empty() ? 404 : 200));
}

TEST_CASE("cookies that count are told apart, others are not looked at") {
    Route route;
    route.options.principal = {"Authorization"};
    route.options.principal_cookies = {"sid"};
    route.upstream.then(events(1, 2).stall()).otherwise(Reaction::respond(404));
    route.start();
    route.ask("Cookie: theme=dark; sid=me\r\n", "event 2\n");
    const auto status = [&](const std::string& cookies) {
        const std::string fields = "Last-Event-ID: 1\r\nConnection: close\r\n" + cookies;
        return fetched(route.io, route.proxy->url("/s"), get("/s", fields), "event 2\n").head.status;
    };
    CHECK(status("Cookie: sid=me\r\n") == 200);
    CHECK(status("Cookie: sid=me; theme=light; other=1\r\n") == 200);
    CHECK(status("Cookie: a=b\r\nCookie: sid=me\r\n") == 200);
    CHECK(status("Cookie: sid=you\r\n") == 404);
    CHECK(status("Cookie: sid=\r\n") == 404);
    CHECK(status("Cookie: sid=me; sid=you\r\n") == 404);
    CHECK(status("Cookie: SID=me\r\n") == 404);
    CHECK(status("Cookie: xsid=me\r\n") == 404);
    CHECK(status("") == 404);
}

TEST_CASE("a stream that was given up: its last id is asked for upstream, not answered with a cut again and again") {
    Route route;
    route.options.stream.ids = GENERATE(IdMode::passthrough, IdMode::minted, IdMode::sealed);
    route.upstream.then(events(1, 2).truncate()).then(Reaction::respond(404));
    route.start();
    const Fetched first = whole(route.io, route.proxy->url("/s"), get("/s"));
    CHECK(first.end);
    const std::string last = "Connection: close\r\nLast-Event-ID: " + id_of(first.body, 2) + "\r\n";
    SECTION("the refusal reaches the client") {
        CHECK(whole(route.io, route.proxy->url("/s"), get("/s", last)).head.status == 404);
        CHECK(route.asked().back() == "2");
    }
    SECTION("it goes on when the upstream does") {
        route.upstream.then(events(3, 3).stall());
        CHECK(exactly(route.ask(last, "event 3\n").body, 3, 3));
        CHECK(route.asked().back() == "2");
    }
    SECTION("an earlier id gets the rest first") {
        const Fetched rest = whole(route.io, route.proxy->url("/s"), get("/s", "Last-Event-ID: " + id_of(first.body, 1) + "\r\n"));
        CHECK(exactly(rest.body, 2, 2));
        CHECK(rest.end);
    }
}

TEST_CASE("an id that stands for two events means the one that was written to a client") {
    Route route;
    Gate restart;
    Reaction anew = Reaction::stream();
    for (int i = 1; i <= 3; ++i) anew.event("new " + std::to_string(i), std::to_string(i));
    route.upstream.then(events(3, 4, events(1, 2).wait(restart)).truncate()).otherwise(anew.stall());
    route.start();
    route.ask("", "event 2\n");  // and leaves
    REQUIRE(run_until(route.io, [&] { return route.metrics().client_ends[static_cast<std::size_t>(ClientEnd::client_left)].value() == 1; }));
    restart.open();
    REQUIRE(run_until(route.io, [&] { return route.metrics().events.value() >= 7; }));
    const Fetched back = route.ask("Last-Event-ID: 2\r\n", "new 3\n");
    CHECK(exactly(back.body, 3, 4));
    CHECK(count(back.body, "data: new ") == 3);
    CHECK(count(back.body, "epoch_changed") == 1);
}

TEST_CASE("exclusive: a client without an id begins anew, and its predecessor ends") {
    Route route;
    route.options.sharing = Sharing::exclusive;
    route.upstream.then(events(1, 2).stall()).then(events(1, 3).stall());
    route.start();
    const auto first = route.follow();
    REQUIRE(route.until_has(first, "event 2\n"));
    CHECK(exactly(route.ask("", "event 3\n").body, 1, 3));
    CHECK(run_until(route.io, [&] { return first->ended; }));
    CHECK(run_until(route.io, [&] { return route.upstream.closed_by_client(1); }));
}

TEST_CASE("an upstream that is mute after a resume is asked again") {
    Route route;
    route.options.health.resumed = 30ms;
    route.upstream.then(events(1, 1).truncate()).then(Reaction::stream().stall()).then(Reaction::stream().stall()).then(events(2, 2).stall());
    route.start();
    CHECK(exactly(route.ask("", "event 2\n").body, 1, 2));
    CHECK(route.asked() == std::vector<std::string>{"", "1", "1", "1"});
    CHECK(route.metrics().heartbeats_missed.value() == 2);
}
