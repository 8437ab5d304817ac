#include <algorithm>
#include <string>

#include <rejoin/client/stream_presets.hpp>

#include "client/support.hpp"

namespace rejoin::testing {
namespace {

TEST_CASE("C12: at its last event the stream is over, whatever the connection does") {
    World world;
    world.options.terminal = is_done_event;
    std::string what;
    SECTION("clean end") { world.server.then(Reaction::stream().event("a", "1").event("[DONE]").clean()); }
    SECTION("cut") { world.server.then(Reaction::stream().event("a", "1").event("[DONE]").truncate()); }
    SECTION("left open") { world.server.then(Reaction::stream().event("a", "1").event("[DONE]").stall()); }
    SECTION("more behind it") { world.server.then(Reaction::stream().event("a", "1").event("[DONE]").event("b").stall()); }
    const auto stream = world.open();
    CHECK(world.story(*stream) == Lines{"opened", "event a #1", "event [DONE]", "finished"});
    CHECK(stream->ended_complete());
    CHECK_FALSE(stream->error());
    CHECK(world.server.requests().size() == 1);
    run_until_idle(world.io);
    CHECK(world.server.open_connections() == 0);
}

TEST_CASE("C12: wait() after the last event does not wait for the connection") {
    World world;
    world.options.terminal = is_done_event;
    world.server.then(Reaction::stream().event("[DONE]").stall());
    const auto stream = world.open();
    CHECK(world.next(*stream) == "[DONE]");
    Task<bool> more{world.io, stream->wait()};
    REQUIRE(more.wait());
    CHECK(world.next(*stream) == "(end)");
}

TEST_CASE("C12: without its last event a stream is cut, however it ended") {
    World world;
    world.options.terminal = is_done_event;
    SECTION("GET: connected again") {
        world.server.then(Reaction::stream().event("a", "1").clean()).then(Reaction::stream().event("[DONE]", "2").clean());
        const auto stream = world.open();
        CHECK(world.events(*stream, 3) == Lines{"a", "[DONE]", "(end)"});
    }
    SECTION("POST: told as cut") {
        world.server.then(Reaction::stream().event("a").clean());
        const auto stream = world.open(world.request("/ask", "POST"));
        CHECK(world.story(*stream).back() == "finished: request was cut and must not be sent again");
        CHECK_FALSE(stream->ended_complete());
    }
}

TEST_CASE("C46: a POST's stream with ids goes on by GET behind its cursor, where that is asked for") {
    World world;
    world.options.resume_by_get = true;
    world.options.terminal = is_done_event;
    const bool clean = GENERATE(false, true);
    CAPTURE(clean);
    Reaction first = Reaction::stream().event("a", "1");
    world.server.then(clean ? first.clean() : first.truncate())
        .then(Reaction::respond(503))
        .then(Reaction::stream().event("b", "2").truncate())
        .then(Reaction::stream().event("[DONE]", "3").clean());
    HttpRequest request = world.request("/mcp", "POST");
    request.headers.add("Mcp-Session-Id", "s1");
    request.headers.add("Accept", "application/json, text/event-stream");
    request.headers.add("Content-Type", "application/json");
    request.body = "{}";
    const auto stream = world.open(std::move(request));
    CHECK(world.events(*stream, 4) == Lines{"a", "b", "[DONE]", "(end)"});
    REQUIRE(world.server.requests().size() == 4);
    CHECK(world.server.requests()[0].head.method == "POST");
    for (std::size_t i = 1; i < 4; ++i) {
        const RecordedRequest& resume = world.server.requests()[i];
        CHECK(resume.head.method == "GET");
        CHECK(resume.body.empty());
        CHECK_FALSE(resume.head.fields.contains("Content-Type"));
        CHECK_FALSE(resume.head.fields.contains("Content-Length"));
        CHECK(resume.head.fields.get("Mcp-Session-Id") == "s1");
        CHECK(resume.head.fields.get("Accept") == "text/event-stream");
    }
    CHECK(world.cursors() == Lines{"-", "1", "1", "2"});
}

TEST_CASE("an end by itself is the end once the answer has come, and a cut before") {
    World world;
    world.options.resume_by_get = true;
    world.options.answer = [](const SseEventView& event) { return event.data == "answer"; };
    SECTION("at once") { world.server.then(Reaction::stream().event("n", "1").event("answer", "2").event("n", "3").clean()); }
    SECTION("after an end that was none") {
        world.server.then(Reaction::stream().event("n", "1").clean()).then(Reaction::stream().event("answer", "2").event("n", "3").clean());
    }
    SECTION("cut behind the answer") {
        world.server.then(Reaction::stream().event("n", "1").event("answer", "2").truncate()).then(Reaction::stream().event("n", "3").clean());
    }
    const auto stream = world.open(world.request("/mcp", "POST"));
    CHECK(world.events(*stream, 4) == Lines{"n", "answer", "n", "(end)"});
    CHECK(stream->ended_complete());
    CHECK(world.server.script_left() == 0);
}

TEST_CASE("C46: resumed by GET, a POST's stream still ends where it ends by itself") {
    World world;
    world.options.resume_by_get = true;
    world.server.then(Reaction::stream().event("a", "1").truncate()).then(Reaction::respond(503).field("Retry-After", "7"))
        .then(Reaction::stream().event("b", "2").clean());
    const auto stream = world.open(world.request("/ask", "POST"));
    const Lines story = world.story(*stream);
    CHECK(std::count(story.begin(), story.end(), "waiting 7000ms: unexpected HTTP status") == 1);
    CHECK(story.back() == "finished");
    CHECK(stream->ended_complete());
    CHECK(world.server.requests().size() == 3);
}

TEST_CASE("C46: a POST's stream without ids can't go on by GET") {
    World world;
    world.options.resume_by_get = true;
    world.server.then(Reaction::stream().event("a").truncate());
    const auto stream = world.open(world.request("/mcp", "POST"));
    CHECK(world.story(*stream).back() == "finished: request was cut and must not be sent again");
    CHECK(world.server.requests().size() == 1);
}

TEST_CASE("as EventSource: a stream of any method is connected again, what is no stream ends it") {
    World world;
    world.options.reconnection.policy = event_source_policy();
    SECTION("POST") {
        world.server.then(Reaction::stream().event("a", "1").clean()).then(Reaction::stream().event("b", "2").truncate())
            .then(Reaction::respond(200, "{}", "application/json"));
        const auto stream = world.open(world.request("/subscribe", "POST"));
        CHECK(world.story(*stream).back() == "finished: response is not text/event-stream");
        CHECK(world.cursors() == Lines{"-", "1", "2"});
    }
    SECTION("statuses of the moment are retried") {
        world.server.then(Reaction::respond(503)).then(Reaction::respond(404));
        const auto stream = world.open();
        CHECK(world.story(*stream) == Lines{"waiting 100ms: unexpected HTTP status", "finished: unexpected HTTP status"});
    }
    SECTION("but not to the letter of the specification") {
        world.options.reconnection.policy = event_source_policy(true);
        world.server.then(Reaction::respond(503));
        const auto stream = world.open();
        CHECK(world.story(*stream) == Lines{"finished: unexpected HTTP status"});
    }
}

TEST_CASE("a completion: tried again while it surely was not begun, over at its last event, cut when cut") {
    World world;
    ReconnectingStreamOptions options = llm_completion_options();
    options.client = world.options.client;
    options.reconnection.backoff = world.options.reconnection.backoff;
    world.options = options;
    SECTION("busy, locked, then answered: OpenAI") {
        world.server.then(Reaction::respond(429)).then(Reaction::respond(409)).then(Reaction::stream().event("{}").event("[DONE]").clean());
        const auto stream = world.open(world.request("/v1/chat/completions", "POST"));
        CHECK(world.story(*stream).back() == "finished");
    }
    SECTION("answered: Anthropic") {
        world.server.then(Reaction::stream().event("{}", std::nullopt, "content_block_delta").event("{}", std::nullopt, "message_stop").stall());
        const auto stream = world.open(world.request("/v1/messages", "POST"));
        CHECK(world.story(*stream).back() == "finished");
    }
    SECTION("cut") {
        world.server.then(Reaction::stream().event("{}").truncate());
        const auto stream = world.open(world.request("/v1/chat/completions", "POST"));
        CHECK(world.story(*stream).back() == "finished: request was cut and must not be sent again");
    }
    SECTION("busy for too long") {
        world.server.otherwise(Reaction::respond(503));
        const auto stream = world.open(world.request("/v1/chat/completions", "POST"));
        CHECK(world.story(*stream).back() == "finished: gave up reconnecting");
        CHECK(world.server.requests().size() == 3);
    }
}

TEST_CASE("followed for ever: nothing a server says ends it") {
    World world;
    ReconnectingStreamOptions options = follow_forever_options();
    options.client = world.options.client;
    options.reconnection.backoff = world.options.reconnection.backoff;
    options.parser.limits.event = 1000;
    world.options = options;
    world.server.then(Reaction::respond(404)).then(Reaction::respond(204)).then(Reaction::respond(200, "soon", "text/html"))
        .then(Reaction::stream().event(std::string(2000, 'x'), "1").event("a", "2").clean())
        .then(Reaction::respond(410)).then(Reaction::stream().event("b", "3").stall());
    const auto stream = world.open();
    CHECK(world.events(*stream, 2) == Lines{"a", "b"});
}

TEST_CASE("C46: a POST that a redirect says was carried out is not sent again for what became of its result") {
    World world;
    world.server.then(Reaction::redirect(303, "/result")).then(Reaction::respond(503)).otherwise(Reaction::stream().event("again").stall());
    const auto stream = world.open(world.request("/pay", "POST"));
    CHECK(world.story(*stream).back() == "finished: request was cut and must not be sent again");
    CHECK(world.server.requests().size() == 2);
}

}  // namespace
}  // namespace rejoin::testing
