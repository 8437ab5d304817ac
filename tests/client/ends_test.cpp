#include <string>

#include "client/support.hpp"

namespace rejoin::testing {
namespace {

ResponseHead head_of(int status, std::string_view type) {
    ResponseHead head;
    head.status = status;
    if (!type.empty()) head.fields.add("Content-Type", type);
    return head;
}

TEST_CASE("C11: the ways a stream may end are told apart, and each is connected again") {
    World world;
    Gate taken;
    std::string end;
    SECTION("last chunk") {
        world.server.then(Reaction::stream().event("a", "1").wait(taken).clean());
        end = "complete";
    }
    SECTION("Content-Length reached") {
        world.server.then(Reaction::stream(Framing::content_length).event("a", "1").wait(taken).clean());
        end = "complete";
    }
    SECTION("closed, where nothing else could end it") {
        world.server.then(Reaction::stream(Framing::close_delimited).event("a", "1").wait(taken).clean());
        end = "close_delimited";
    }
    SECTION("closed, but within an event") {
        world.server.then(Reaction::stream(Framing::close_delimited).event("a", "1").wait(taken).body("data: b\n").clean());
        end = "truncated: connection ended inside the message, incomplete";
    }
    SECTION("closed before the last chunk") {
        world.server.then(Reaction::stream().event("a", "1").wait(taken).truncate());
        end = "truncated: connection ended inside the message";
    }
    SECTION("closed inside a chunk") {
        world.server.then(Reaction::stream().event("a", "1").wait(taken).open_chunk(":\n", 3).truncate());
        end = "truncated: connection ended inside the message";
    }
    SECTION("closed before Content-Length") {
        world.server.then(Reaction::stream(Framing::content_length).event("a", "1").wait(taken).truncate());
        end = "truncated: connection ended inside the message";
    }
    SECTION("reset") {
        world.server.then(Reaction::stream().event("a", "1").wait(taken).reset());
        end = "reset: " + make_error_code(asio::error::connection_reset).message();
    }
    SECTION("broken chunk") {
        world.server.then(Reaction::stream().event("a", "1").wait(taken).send("zz\r\n").stall());
        end = "protocol_error: malformed HTTP message";
    }
    world.server.then(Reaction::stream().event("b", "2").stall());
    const auto stream = world.open();
    CHECK(world.next(*stream) == "a");
    taken.open();
    const Lines story = world.story(*stream, 5);
    CHECK(story.at(0) == "dropped " + end);
    CHECK(story.at(1).starts_with("waiting 100ms"));
    CHECK(story.at(4) == "event b #2");
    CHECK(world.cursors() == Lines{"-", "1"});
}

TEST_CASE("C12: closed by its reader at the event that ends it, the stream is not connected again") {
    World world;
    world.server.then(Reaction::stream().event("a").event("[DONE]").clean());
    const auto stream = world.open();
    CHECK(world.events(*stream, 2) == Lines{"a", "[DONE]"});
    stream->close();
    CHECK(world.story(*stream) == Lines{"finished: closed"});
    advance_clock(world.io, 1h);
    CHECK(world.server.requests().size() == 1);
    CHECK(world.server.open_connections() == 0);
    CHECK(stream->error() == Error::closed);
    CHECK_FALSE(stream->ended_complete());
}

TEST_CASE("C13: 204 ends the stream for good") {
    World world;
    SECTION("at first") {
        world.server.then(Reaction::respond(204));
        const auto stream = world.open();
        CHECK(world.story(*stream) == Lines{"finished: server ended the stream (204)"});
        CHECK(stream->ended_complete());
        CHECK(world.server.requests().size() == 1);
        CHECK(world.next(*stream) == "(end)");
    }
    SECTION("on reconnect") {
        world.server.then(Reaction::stream().event("a", "1").clean()).then(Reaction::respond(204));
        const auto stream = world.open();
        CHECK(world.story(*stream).back() == "finished: server ended the stream (204)");
        CHECK(stream->ended_complete());
        CHECK(world.server.requests().size() == 2);
    }
    advance_clock(world.io, 1h);
    CHECK(world.server.script_left() == 0);
    CHECK(world.server.requests().size() <= 2);
}

TEST_CASE("C14: other statuses of success are no stream") {
    World world;
    const int status = GENERATE(205, 206, 299);
    world.server.then(Reaction{}.head(head_of(status, "text/event-stream"), Framing::chunked).event("a").stall());
    const auto stream = world.open();
    CHECK(world.story(*stream) == Lines{"finished: unexpected HTTP status"});
    CHECK(stream->error() == Error::bad_status);
    CHECK_FALSE(stream->ended_complete());
    REQUIRE(stream->response() != nullptr);
    CHECK(stream->response()->status == status);
    CHECK(world.server.requests().size() == 1);
}

TEST_CASE("C15: 200 with another type is no stream, and its body is there to be looked at") {
    World world;
    const std::string type = GENERATE(as<std::string>{}, "text/html", "", "text/event-streamx", "text/plain; x=text/event-stream");
    world.server.then(Reaction{}.head(head_of(200, type), Framing::chunked).body("<html>").body("data: a\n\n"));
    const auto stream = world.open();
    CHECK(world.story(*stream) == Lines{"finished: response is not text/event-stream"});
    CHECK(stream->error_body() == "<html>data: a\n\n");
    CHECK(world.server.requests().size() == 1);
}

TEST_CASE("C15, C16: the type is compared as a media type, and whatever charset it names, the stream is UTF-8") {
    World world;
    const std::string type = GENERATE(as<std::string>{}, "TEXT/Event-Stream; charset=x", "text/event-stream;charset=windows-1252",
                                      "text/event-stream ; a=\"b;c\"");
    world.server.then(Reaction{}.head(head_of(200, type), Framing::chunked).event("\xE2\x82\xAC \xFF").stall());
    const auto stream = world.open();
    CHECK(world.next(*stream) == "\xE2\x82\xAC \xEF\xBF\xBD");
}

TEST_CASE("C17: a refusal ends the stream with its status and the beginning of its body") {
    World world;
    world.options.error_body = 8;
    const int status = GENERATE(400, 401, 403, 404, 410);
    world.server.then(Reaction::respond(status, "no such stream"));
    const auto stream = world.open();
    CHECK(world.story(*stream) == Lines{"finished: unexpected HTTP status"});
    CHECK(stream->response()->status == status);
    CHECK(stream->error_body() == "no such ");
    CHECK(world.server.requests().size() == 1);
}

TEST_CASE("a refusal whose body does not come, or comes for ever, holds nothing up for long") {
    World world;
    Reaction drip = Reaction{}.head(head_of(404, "text/plain"), Framing::chunked);
    SECTION("silent") { drip.body("abc").stall(); }
    SECTION("in drops") {
        for (int i = 0; i < 100; ++i) drip.body("x").delay(500ms);
        drip.stall();
    }
    world.server.then(drip);
    const auto stream = world.open();
    const TimePoint before = ManualClock::now();
    CHECK(world.story(*stream) == Lines{"finished: unexpected HTTP status"});
    CHECK(ManualClock::now() - before <= 1s);
    CHECK_FALSE(stream->error_body().empty());
}

TEST_CASE("C18, C19: what is wrong for the moment is asked again, not before Retry-After") {
    World world;
    world.server.then(Reaction::respond(503))
        .then(Reaction::respond(429).field("Retry-After", "7"))
        .then(Reaction::respond(500).field("Retry-After", "soon"))
        .then(Reaction::respond(408).field("Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT"))
        .then(Reaction::respond(502).field("Retry-After", "1000000000"))
        .then(Reaction::stream().event("a").stall());
    world.options.reconnection.backoff.cap = 0ms;
    const auto stream = world.open();
    const std::string why = ": unexpected HTTP status";
    const Lines expected{"waiting 100ms" + why, "waiting 7000ms" + why, "waiting 400ms" + why, "waiting 800ms" + why,
                         "waiting 300000ms" + why, "opened", "event a"};
    CHECK(world.story(*stream, 7) == expected);
}

TEST_CASE("C46: a POST is sent with its body, and its stream's own end is the end") {
    World world;
    const Framing framing = GENERATE(Framing::chunked, Framing::content_length, Framing::close_delimited);
    world.server.then(Reaction::stream(framing).event("a").clean());
    HttpRequest request = world.request("/ask", "POST");
    request.headers.add("Content-Type", "application/json");
    request.body = "{\"n\":1}";
    const auto stream = world.open(std::move(request));
    CHECK(world.story(*stream).back() == "finished");
    CHECK(stream->ended_complete());
    CHECK(world.server.requests().size() == 1);
    const RecordedRequest& recorded = world.server.requests().front();
    CHECK(recorded.head.method == "POST");
    CHECK(recorded.head.fields.get("Content-Type") == "application/json");
    CHECK(recorded.head.fields.get("Content-Length") == "7");
    CHECK(recorded.body == "{\"n\":1}");
}

TEST_CASE("C46: a POST is never sent twice once the server may have it") {
    World world;
    bool answered = true;
    SECTION("cut after an event with id") { world.server.then(Reaction::stream().event("a", "1").truncate()); }
    SECTION("cut after an event without id") { world.server.then(Reaction::stream().event("a").truncate()); }
    SECTION("cut before its first event") { world.server.then(Reaction::stream().truncate()); }
    SECTION("cut before the answer") {
        world.server.then(Reaction{}.truncate());
        answered = false;
    }
    SECTION("reset before the answer") {
        world.server.then(Reaction{}.reset());
        answered = false;
    }
    SECTION("silent") {
        world.options.client.response_timeout = 5s;
        world.server.then(Reaction::silence());
        answered = false;
    }
    world.server.otherwise(Reaction::stream().event("again").stall());
    const auto stream = world.open(world.request("/ask", "POST"));
    CHECK(world.story(*stream).back() == "finished: request was cut and must not be sent again");
    CHECK(stream->cause());
    CHECK((stream->response() != nullptr) == answered);
    CHECK(world.server.requests().size() == 1);
}

TEST_CASE("C46: a POST that surely was not sent is tried again") {
    World world;
    world.server.then(Reaction::stream().event("a").stall());
    HttpRequest request = world.request("/ask", "POST");
    const auto stream = world.open(std::move(request));
    world.server.refuse();
    Lines lines;
    Task<void> task{world.io, record(*stream, lines, 4)};
    REQUIRE(run_until(world.io, [&lines] { return lines.size() == 1; }));
    CHECK(lines.at(0) == "waiting 100ms: " + make_error_code(asio::error::connection_refused).message());
    world.server.listen();
    REQUIRE(advance_clock_until(world.io, [&task, &lines] { return task.done() || lines.size() >= 3; }, 1min));
    CHECK(lines.back() == "event a");
    CHECK(world.server.requests().size() == 1);
}

TEST_CASE("C46: where the policy says so, a POST cut before its first event is sent again") {
    World world;
    world.options.reconnection.policy = default_retry_policy({.resend = Resend::unanswered});
    world.server.then(Reaction{}.truncate()).then(Reaction::stream().truncate()).then(Reaction::stream().event("a", "1").truncate());
    const auto stream = world.open(world.request("/ask", "POST"));
    CHECK(world.story(*stream).back() == "finished: request was cut and must not be sent again");
    CHECK(world.server.requests().size() == 3);
}

TEST_CASE("C46: a POST that its reader gave up while it was refused is not sent again for that") {
    World world;
    world.server.then(Reaction{}.head(head_of(503, "text/plain"), Framing::chunked).body("busy").stall())
        .otherwise(Reaction::stream().event("a").stall());
    const auto stream = world.open(world.request("/ask", "POST"));
    {
        Task<std::optional<SseEvent>> task{world.io, stream->next()};
        REQUIRE(run_until(world.io, [&world] { return world.server.requests().size() == 1; }));
        run_until_idle(world.io);
        CHECK(task.cancel_ends_it());
    }
    const Lines story = world.story(*stream, 3);
    CHECK(story.at(0) == "waiting 100ms: unexpected HTTP status");
    CHECK(stream->response()->status == 200);
    CHECK(world.server.requests().size() == 2);
}

TEST_CASE("C48: a content coding that was not asked for is an error, never garbage events") {
    World world;
    const std::string coding = GENERATE(as<std::string>{}, "gzip", "br", "identity, gzip");
    world.server.then(Reaction::stream().field("Content-Encoding", coding).event("\x1f\x8b").stall());
    const auto stream = world.open();
    CHECK(world.story(*stream) == Lines{"finished: content coding that was not asked for"});
    CHECK(world.server.requests().size() == 1);
}

TEST_CASE("C48: identity is no coding") {
    World world;
    world.server.then(Reaction::stream().field("Content-Encoding", "Identity").event("a").stall());
    const auto stream = world.open();
    CHECK(world.next(*stream) == "a");
}

TEST_CASE("C49: a stream has no limit on its whole length") {
    World world;
    world.options.parser.limits.line = 1024 * 1024;
    world.options.parser.limits.event = 1024 * 1024;
    constexpr std::size_t count = 40;
    constexpr std::size_t size = 512 * 1024;
    Reaction reaction = Reaction::stream();
    for (std::size_t i = 0; i < count; ++i) reaction.body("data: " + std::string(size, static_cast<char>('a' + i % 26)) + "\n\n");
    world.server.then(reaction.stall());
    const auto stream = world.open();
    for (std::size_t i = 0; i < count; ++i) {
        const auto event = run(world.io, stream->next());
        REQUIRE(event);
        REQUIRE(event->data == std::string(size, static_cast<char>('a' + i % 26)));
    }
    CHECK(world.server.requests().size() == 1);
}

TEST_CASE("C51: the same failure at the same event again and again is told, not repeated for ever") {
    World world;
    std::string cause;
    std::string poison;
    SECTION("an event over the limit") {
        world.options.parser.limits.event = 100;
        poison = "data: " + std::string(200, 'x') + "\n\n";
        cause = "event too large";
    }
    SECTION("a line over the limit") {
        world.options.parser.limits.line = 100;
        poison = "event: " + std::string(200, 'x');
        cause = "event stream line too long";
    }
    SECTION("not UTF-8") {
        world.options.parser.utf8 = Utf8Mode::reject;
        poison = "data: \xFF\n\n";
        cause = "event stream is not UTF-8";
    }
    world.server.then(Reaction::stream().event("a", "1").body(poison).stall()).otherwise(Reaction::stream().body(poison).stall());
    const auto stream = world.open();
    const std::string why = ": " + cause;
    const Lines expected{"opened", "event a #1", "dropped protocol_error" + why, "waiting 100ms" + why,
                         "opened", "dropped protocol_error" + why, "waiting 200ms" + why,
                         "opened", "dropped protocol_error" + why, "finished: same failure at the same event again"};
    CHECK(world.story(*stream) == expected);
    CHECK(stream->cause().message() == cause);
    CHECK(world.cursors() == Lines{"-", "1", "1"});
}

TEST_CASE("C51: an event over the limit may be skipped instead") {
    World world;
    world.options.parser.limits = {.line = 0, .event = 100, .mode = OversizeMode::skip};
    world.server.then(Reaction::stream().event("a", "1").event(std::string(200, 'x'), "2").event("c", "3").truncate())
        .then(Reaction::stream().event("d", "4").stall());
    const auto stream = world.open();
    CHECK(world.events(*stream, 3) == Lines{"a", "c", "d"});
    CHECK(world.cursors() == Lines{"-", "3"});
}

TEST_CASE("what can't be sent at all is an error at once") {
    World world;
    HttpRequest request = world.request();
    request.url = Url::parse("https://127.0.0.1/").value();
    const auto stream = world.open(std::move(request));
    CHECK(world.story(*stream) == Lines{"finished: URL scheme not supported"});
    CHECK(world.server.requests().empty());
}

}  // namespace
}  // namespace rejoin::testing
