#include <string>

#include "client/support.hpp"

namespace rejoin::testing {
namespace {

using Client = World::Client;
using Response = BasicMessageResponse<ManualTraits>;

struct Fetched {
    std::optional<Response> response;
    std::error_code error;  ///< of the head or of the body
    std::string body;
};

Awaitable<Fetched> fetch(Client client, HttpRequest request, std::size_t limit) {
    Fetched fetched;
    auto response = co_await client.send(std::move(request));
    if (!response) {
        fetched.error = response.error();
        co_return std::move(fetched);
    }
    fetched.error = co_await response->read_body(limit, 5s);
    fetched.body = response->body_so_far();
    fetched.response.emplace(std::move(*response));
    co_return std::move(fetched);
}

Fetched fetch_now(World& world, HttpRequest request, std::size_t limit = 1000) {
    Task<Fetched> task{world.io, fetch(Client{world.options.client}, std::move(request), limit)};
    REQUIRE(advance_clock_until(world.io, [&task] { return task.done(); }, 1h));
    REQUIRE_FALSE(task.failure());
    return std::move(task.value());
}

Reaction json(Framing framing, std::string_view content, int status = 200) {
    ResponseHead head;
    head.status = status;
    head.fields.add("Content-Type", "application/json");
    Reaction reaction;
    reaction.head(std::move(head), framing);
    for (const char c : content) reaction.body({&c, 1});
    return reaction;
}

TEST_CASE("C52: a regular response is given back as one") {
    World world;
    const Framing framing = GENERATE(Framing::chunked, Framing::content_length, Framing::close_delimited);
    const std::size_t pieces = GENERATE(as<std::size_t>{}, 0, 1);
    const int status = GENERATE(200, 201, 404, 500);
    Reaction reaction;
    reaction.pieces(pieces);
    ResponseHead head;
    head.status = status;
    head.fields.add("Content-Type", "application/json");
    reaction.head(std::move(head), framing).body("{\"a\"").body(":1}");
    world.server.then(reaction);
    Fetched fetched = fetch_now(world, world.request("/thing?x=1"), 7);
    CHECK_FALSE(fetched.error);
    REQUIRE(fetched.response);
    CHECK(fetched.response->status() == status);
    CHECK_FALSE(fetched.response->is_event_stream());
    CHECK(fetched.response->head().fields.get("Content-Type") == "application/json");
    CHECK(fetched.response->url().target == "/thing?x=1");
    CHECK(fetched.body == "{\"a\":1}");
}

TEST_CASE("C52: a body over the limit is an error, with what fits kept") {
    World world;
    const Framing framing = GENERATE(Framing::chunked, Framing::content_length);
    world.server.then(json(framing, "1234567"));
    const Fetched fetched = fetch_now(world, world.request(), 6);
    CHECK(fetched.error == Error::body_too_large);
    CHECK(fetched.body == "123456");
}

TEST_CASE("C52: responses without a body") {
    World world;
    SECTION("202, empty") {
        world.server.then(Reaction::respond(202));
        const Fetched fetched = fetch_now(world, world.request("/", "POST"));
        CHECK_FALSE(fetched.error);
        CHECK(fetched.response->status() == 202);
        CHECK(fetched.body.empty());
    }
    SECTION("HEAD, with the Content-Length of what is not there") {
        world.server.then(Reaction{}.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Type: text/event-stream\r\n\r\n"));
        const Fetched fetched = fetch_now(world, world.request("/", "HEAD"));
        CHECK_FALSE(fetched.error);
        CHECK(fetched.body.empty());
    }
    SECTION("204") {
        world.server.then(Reaction::respond(204));
        CHECK_FALSE(fetch_now(world, world.request()).error);
    }
}

TEST_CASE("C52: a body that is cut, or stands still, is told with what came of it") {
    World world;
    SECTION("cut") {
        world.server.then(json(GENERATE(Framing::chunked, Framing::content_length), "{\"a\"").truncate());
        const Fetched fetched = fetch_now(world, world.request());
        CHECK(fetched.error == Error::truncated);
        CHECK(fetched.body == "{\"a\"");
    }
    SECTION("stands still") {
        world.server.then(json(Framing::chunked, "{\"a\"").stall());
        const TimePoint before = ManualClock::now();
        const Fetched fetched = fetch_now(world, world.request());
        CHECK(fetched.error == Error::body_timeout);
        CHECK(fetched.body == "{\"a\"");
        CHECK(ManualClock::now() - before == 5s);
    }
    SECTION("slow, but going on") {
        world.server.then(json(Framing::chunked, "1").delay(4s).body("2").delay(4s).body("3"));
        const Fetched fetched = fetch_now(world, world.request());
        CHECK_FALSE(fetched.error);
        CHECK(fetched.body == "123");
    }
}

TEST_CASE("a response says whether it is an event stream, and may become one") {
    World world;
    world.server.then(Reaction::stream().event("a", "1").truncate()).then(Reaction::stream().event("b", "2").stall());
    Client client{world.options.client};
    auto response = run(world.io, client.send(world.request()));
    REQUIRE(response);
    CHECK(response->is_event_stream());
    const auto stream = world.open();
    stream->adopt(std::move(*response));
    CHECK(stream->connected());
    CHECK(stream->response()->status == 200);
    CHECK(world.events(*stream, 2) == Lines{"a", "b"});
    CHECK(world.cursors() == Lines{"-", "1"});
}

// --- redirects ---

TEST_CASE("C20: a GET follows every redirect there is") {
    World world;
    const int status = GENERATE(301, 302, 303, 307, 308);
    world.server.then(Reaction::redirect(status, "/elsewhere?x=1#part")).then(Reaction::stream().event("a").stall());
    const auto stream = world.open();
    CHECK(world.story(*stream, 2) == Lines{"opened", "event a"});
    CHECK(world.server.requests().at(1).head.method == "GET");
    CHECK(world.server.requests().at(1).head.target == "/elsewhere?x=1");
}

TEST_CASE("C20: places relative to the request") {
    World world;
    const auto [place, target] = GENERATE(table<std::string, std::string>({
        {"next", "/a/next"}, {"../up", "/up"}, {"?q=2", "/a/b?q=2"}, {"//HOST/c", "/c"}, {"http://HOST/c", "/c"},
    }));
    std::string location = place;
    if (const std::size_t at = location.find("HOST"); at != std::string::npos) location.replace(at, 4, world.server.authority());
    world.server.then(Reaction::redirect(302, location)).then(Reaction::stream().event("a").stall());
    const auto stream = world.open(world.request("/a/b?q=1"));
    CHECK(world.story(*stream, 2) == Lines{"opened", "event a"});
    CHECK(world.server.requests().at(1).head.target == target);
}

TEST_CASE("C20: POST stays POST at 307 and 308, and becomes GET without body at the others") {
    World world;
    const int status = GENERATE(301, 302, 303, 307, 308);
    world.server.then(Reaction::redirect(status, "/there")).then(Reaction::respond(200, "done"));
    HttpRequest request = world.request("/here", "POST");
    request.headers.add("Content-Type", "text/plain");
    request.headers.add("Authorization", "Bearer x");
    request.headers.add("Last-Event-ID", "5");
    request.body = "body";
    const Fetched fetched = fetch_now(world, std::move(request));
    CHECK(fetched.body == "done");
    CHECK(fetched.response->url().target == "/there");
    const RecordedRequest& second = world.server.requests().at(1);
    const bool kept = status >= 307;
    CHECK(second.head.method == (kept ? "POST" : "GET"));
    CHECK(second.body == (kept ? "body" : ""));
    CHECK(second.head.fields.contains("Content-Type") == kept);
    CHECK(second.head.fields.contains("Content-Length") == kept);
    CHECK(second.head.fields.get("Authorization") == "Bearer x");
    CHECK(second.last_event_id() == "5");
}

TEST_CASE("C20: credentials stay behind when the origin changes") {
    World world;
    BasicScriptedServer<ManualTraits> other{world.io};
    world.server.then(Reaction::redirect(307, other.url("/x"))).then(Reaction::respond(200));
    other.then(Reaction::redirect(307, world.server.url("/back")));
    HttpRequest request = world.request();
    request.headers.add("Authorization", "Bearer x");
    request.headers.add("cookie", "a=b");
    request.headers.add("Proxy-Authorization", "Basic x");
    request.headers.add("Host", "some.name");
    request.headers.add("X-Other", "kept");
    request.headers.add("Last-Event-ID", "5");
    CHECK_FALSE(fetch_now(world, std::move(request)).error);
    CHECK(world.server.requests().at(0).head.fields.get("Authorization") == "Bearer x");
    CHECK(world.server.requests().at(0).head.fields.get("Host") == "some.name");
    const HttpFields* const without[] = {&other.requests().at(0).head.fields, &world.server.requests().at(1).head.fields};
    for (const HttpFields* fields : without) {
        CHECK_FALSE(fields->contains("Authorization"));
        CHECK_FALSE(fields->contains("Cookie"));
        CHECK_FALSE(fields->contains("Proxy-Authorization"));
        CHECK(fields->get("X-Other") == "kept");
        CHECK(fields->get("Last-Event-ID") == "5");
    }
    CHECK(other.requests().at(0).head.fields.get("Host") == other.authority());
}

TEST_CASE("C20: a redirect that leads nowhere ends the stream") {
    World world;
    SECTION("no Location") { world.server.then(Reaction::respond(302)); }
    SECTION("empty") { world.server.then(Reaction::redirect(302, "")); }
    SECTION("not a URL") { world.server.then(Reaction::redirect(302, "http://")); }
    SECTION("another scheme") { world.server.then(Reaction::redirect(302, "ftp://127.0.0.1/")); }
    const auto stream = world.open();
    CHECK(world.story(*stream) == Lines{"finished: redirect cannot be followed"});
    CHECK(world.server.requests().size() == 1);
}

TEST_CASE("C20: redirects in a circle end") {
    World world;
    world.options.client.max_redirects = 3;
    world.server.otherwise(Reaction::redirect(302, "/again"));
    const auto stream = world.open();
    CHECK(world.story(*stream) == Lines{"finished: too many redirects"});
    CHECK(world.server.requests().size() == 4);
}

TEST_CASE("C20: the last redirect allowed is followed, and with none allowed it is the response") {
    World world;
    world.server.then(Reaction::redirect(302, "/b")).then(Reaction::respond(200, "here"));
    SECTION("one") {
        world.options.client.max_redirects = 1;
        CHECK(fetch_now(world, world.request()).body == "here");
    }
    SECTION("none") {
        world.options.client.max_redirects = 0;
        CHECK(fetch_now(world, world.request()).response->status() == 302);
    }
}

TEST_CASE("C21: after a drop, the way begins where it began at first") {
    World world;
    world.server.then(Reaction::redirect(307, "/there"))
        .then(Reaction::stream().event("a", "1").truncate())
        .then(Reaction::stream().event("b", "2").stall());
    const auto stream = world.open();
    CHECK(world.events(*stream, 2) == Lines{"a", "b"});
    CHECK(world.server.requests().at(2).head.target == "/events");
}

// --- HTTP's corners ---

TEST_CASE("C53: interim responses are passed over") {
    World world;
    const std::size_t pieces = GENERATE(as<std::size_t>{}, 0, 1, 7);
    Reaction reaction;
    reaction.pieces(pieces)
        .send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 199 Odd\r\n\r\n");
    ResponseHead head;
    head.fields.add("Content-Type", "text/event-stream");
    world.server.then(reaction.head(std::move(head), Framing::chunked).event("a", "1").stall());
    const auto stream = world.open();
    CHECK(world.story(*stream, 2) == Lines{"opened", "event a #1"});
    CHECK_FALSE(stream->response()->fields.contains("Link"));
}

TEST_CASE("C53: interim responses don't prolong the wait for the final one") {
    World world;
    world.options.client.response_timeout = 10s;
    Reaction reaction;
    for (int i = 0; i < 20; ++i) reaction.send("HTTP/1.1 102 Processing\r\n\r\n").delay(4s);
    world.server.then(reaction.stall());
    const TimePoint before = ManualClock::now();
    CHECK(fetch_now(world, world.request()).error == Error::response_timeout);
    CHECK(ManualClock::now() - before == 10s);
}

TEST_CASE("C54: chunk extensions, trailers and any cut make no difference") {
    World world;
    const std::size_t pieces = GENERATE(as<std::size_t>{}, 0, 1, 2, 3, 5);
    Reaction reaction;
    reaction.pieces(pieces)
        .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        .send("4;name=\"v;x\"\r\ndata\r\n0000000B;a\r\n: one\nid: 1\r\n2\r\n\n\n\r\na\r\ndata: two\n\r\n1\r\n\n\r\n")
        .send("0;last\r\nTrailer-Field: x\r\n\r\n");
    world.server.then(reaction).then(Reaction::respond(204));
    const auto stream = world.open();
    const Lines story = world.story(*stream);
    REQUIRE(story.size() == 6);
    CHECK(story.at(1) == "event one #1");
    CHECK(story.at(2) == "event two");
    CHECK(story.at(3) == "dropped complete");
}

TEST_CASE("C55: HTTP/1.0, ended by closing") {
    World world;
    const std::size_t pieces = GENERATE(as<std::size_t>{}, 0, 1);
    Reaction reaction;
    reaction.pieces(pieces)
        .send("HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\nid: 1\ndata: a\n\ndata: b\n\n")
        .truncate();
    world.server.then(reaction).then(Reaction::stream().event("c", "2").stall());
    const auto stream = world.open();
    const Lines story = world.story(*stream, 5);
    CHECK(story == Lines{"opened", "event a #1", "event b", "dropped close_delimited", "waiting 100ms"});
    CHECK(world.next(*stream) == "c");
    CHECK(world.cursors() == Lines{"-", "1"});
}

TEST_CASE("a response that is not HTTP, or cut in its head, is a failed attempt") {
    World world;
    std::string why;
    SECTION("not HTTP") {
        world.server.then(Reaction{}.send("220 smtp.example\r\n").stall());
        why = "malformed HTTP message";
    }
    SECTION("cut") {
        world.server.then(Reaction{}.send("HTTP/1.1 200 OK\r\nContent-").truncate());
        why = "connection ended inside the message";
    }
    SECTION("closed at once") {
        world.server.then(Reaction{}.truncate());
        why = "connection ended inside the message";
    }
    SECTION("cut behind an interim response") {
        world.server.then(Reaction{}.send("HTTP/1.1 100 Continue\r\n\r\n").truncate());
        why = "connection ended inside the message";
    }
    SECTION("too large a head") {
        world.server.then(Reaction{}.send("HTTP/1.1 200 OK\r\nX: " + std::string(40000, 'x')).stall());
        why = "HTTP header section too large";
    }
    world.server.then(Reaction::stream().event("a").stall());
    const auto stream = world.open();
    CHECK(world.story(*stream, 3) == Lines{"waiting 100ms: " + why, "opened", "event a"});
}

}  // namespace
}  // namespace rejoin::testing
