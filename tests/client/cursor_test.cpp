#include <string>

#include "client/support.hpp"

namespace rejoin::testing {
namespace {

TEST_CASE("C1: the first request asks for an event stream, and for nothing behind a cursor") {
    World world;
    world.server.then(Reaction::stream().event("a").stall());
    const auto stream = world.open();
    CHECK(world.next(*stream) == "a");
    const RequestHead& head = world.server.requests().at(0).head;
    CHECK(head.method == "GET");
    CHECK(head.target == "/events");
    CHECK(head.fields.get("Host") == world.server.authority());
    CHECK(head.fields.get("Accept") == "text/event-stream");
    CHECK(head.fields.get("Accept-Encoding") == "identity");
    CHECK(head.fields.get("Cache-Control") == "no-cache");
    CHECK_FALSE(head.fields.contains("Last-Event-ID"));
    CHECK_FALSE(head.fields.contains("Content-Length"));
}

TEST_CASE("the request's own fields are kept, and stand in place of those added") {
    World world;
    world.server.then(Reaction::stream().event("a").stall());
    HttpRequest request = world.request();
    request.headers.add("accept", "text/event-stream, application/json");
    request.headers.add("Authorization", "Bearer x");
    const auto stream = world.open(std::move(request));
    CHECK(world.next(*stream) == "a");
    const HttpFields& fields = world.server.requests().at(0).head.fields;
    CHECK(fields.count("Accept") == 1);
    CHECK(fields.get("Accept") == "text/event-stream, application/json");
    CHECK(fields.get("Authorization") == "Bearer x");
}

TEST_CASE("C2: the caller's id goes out until an event replaces it") {
    World world;
    world.server.then(Reaction::stream().truncate())
        .then(Reaction::stream().comment("nothing yet").clean())
        .then(Reaction::stream().event("a").truncate())
        .then(Reaction::stream().event("b", "1").truncate())
        .then(Reaction::stream().event("c", "2").stall());
    HttpRequest request = world.request();
    request.headers.add("Last-Event-ID", "abc");
    const auto stream = world.open(std::move(request));
    CHECK(world.events(*stream, 3) == Lines{"a", "b", "c"});
    CHECK(world.cursors() == Lines{"abc", "abc", "abc", "abc", "1"});
}

TEST_CASE("C3: the last event's id goes out after a drop") {
    World world;
    world.server.then(Reaction::stream().event("a", "1").truncate()).then(Reaction::stream().event("b", "2").stall());
    const auto stream = world.open();
    CHECK(world.events(*stream, 2) == Lines{"a", "b"});
    CHECK(world.cursors() == Lines{"-", "1"});
}

TEST_CASE("C4: events without id never take the cursor away, on this connection or a later one") {
    World world;
    world.server.then(Reaction::stream().event("a", "1").event("b").truncate())
        .then(Reaction::stream().event("c").truncate())
        .then(Reaction::stream().event("d").stall());
    const auto stream = world.open();
    CHECK(world.events(*stream, 3) == Lines{"a", "b", "c"});
    Task<std::optional<SseEvent>> last{world.io, stream->next()};
    REQUIRE(advance_clock_until(world.io, [&last] { return last.done(); }, 1min));
    CHECK(last.value()->data == "d");
    CHECK_FALSE(last.value()->id);
    CHECK(last.value()->last_event_id == "1");
    CHECK(world.cursors() == Lines{"-", "1", "1"});
}

TEST_CASE("C5: an empty id clears the cursor: no header goes out") {
    World world;
    const std::string line = GENERATE(as<std::string>{}, "id:\n", "id\n", "id: \n");
    world.server.then(Reaction::stream().event("a", "1").body(line + "data: b\n\n").truncate())
        .then(Reaction::stream().event("c", "1").stall());
    const auto stream = world.open();
    CHECK(world.events(*stream, 3) == Lines{"a", "b", "c"});
    CHECK(world.cursors() == Lines{"-", "-"});
}

TEST_CASE("C6: an event cut in half does not move the cursor") {
    World world;
    const std::string half = GENERATE(as<std::string>{}, "id: 2\ndata: half", "id: 2\ndata: half\n", "data: half\nid: 2", "id: 2");
    world.server.then(Reaction::stream().event("a", "1").body(half).truncate())
        .then(Reaction::stream().event("whole", "2").stall());
    const auto stream = world.open();
    const Lines expected{"opened", "event a #1", "dropped truncated: connection ended inside the message, incomplete",
                         "waiting 100ms: connection ended inside the message", "opened", "resumed resumed", "event whole #2"};
    CHECK(world.story(*stream, 7) == expected);
    CHECK(world.cursors() == Lines{"-", "1"});
}

TEST_CASE("C6: what the cut left over is not seen by the next connection") {
    World world;
    // Half a character, and a CR whose LF would otherwise be awaited.
    const std::string half = GENERATE(as<std::string>{}, "data: \xE2\x82", "data: x\r", "\xEF\xBB");
    world.server.then(Reaction::stream().event("a", "1").body(half).truncate())
        .then(Reaction::stream().body("\xEF\xBB\xBF").body("\ndata: b\n\n").stall());
    const auto stream = world.open();
    CHECK(world.events(*stream, 2) == Lines{"a", "b"});
}

TEST_CASE("C7: an id without data moves the cursor and is no event") {
    World world;
    world.server.then(Reaction::stream().body("id: 9\n\n").truncate()).then(Reaction::stream().event("a", "10").stall());
    const auto stream = world.open();
    const Lines story = world.story(*stream, 6);
    CHECK(story.front() == "opened");
    CHECK(story.back() == "event a #10");
    CHECK(world.cursors() == Lines{"-", "9"});
}

TEST_CASE("C8: a priming event with empty data is an event and moves the cursor") {
    World world;
    world.server.then(Reaction::stream().body("id: p\ndata:\n\n").truncate()).then(Reaction::stream().event("a").stall());
    const auto stream = world.open();
    CHECK(world.events(*stream, 2) == Lines{"", "a"});
    CHECK(world.cursors() == Lines{"-", "p"});
}

TEST_CASE("C9: ids that are sent as they are") {
    World world;
    const auto [id, header] = GENERATE(table<std::string, std::string>({
        {"caf\xC3\xA9", "caf\xC3\xA9"},
        {"two  words", "two  words"},
        {"a  ", "a"},  // sent whole; a field's value ends before white space
        {std::string(4096, 'x'), std::string(4096, 'x')},
    }));
    world.server.then(Reaction::stream().event("a", id).truncate()).then(Reaction::stream().event("b").stall());
    const auto stream = world.open();
    CHECK(world.events(*stream, 2) == Lines{"a", "b"});
    CHECK(world.cursors() == Lines{"-", header});
    CHECK(stream->tracker().cursor() == id);
}

TEST_CASE("C9: an id unfit for a header stays the cursor, is not sent, and that is told once") {
    World world;
    const std::string id = GENERATE(as<std::string>{}, "a\x01z", "a\x7F", std::string(16384, 'x'));
    world.server.then(Reaction::stream().event("a", id).truncate())
        .then(Reaction::stream().truncate())
        .then(Reaction::stream().event("b").stall());
    const auto stream = world.open();
    const std::string cut = ": connection ended inside the message";
    const Lines expected{"opened", "event a #" + id, "dropped truncated" + cut, "waiting 100ms" + cut, "unsendable",
                         "opened", "dropped truncated" + cut, "waiting 200ms" + cut,
                         "opened", "resumed unverified, gap of 0", "event b"};
    CHECK(world.story(*stream, expected.size()) == expected);
    CHECK(world.cursors() == Lines{"-", "-", "-"});
    CHECK(stream->tracker().cursor() == id);
}

TEST_CASE("C9: where the cursor could not be sent, ids that go on or come again still prove that nothing is lost") {
    World world;
    const std::string id = "a\x01z";
    world.server.then(Reaction::stream().event("a", id).truncate())
        .then(Reaction::stream().event("a", id).event("b").stall());
    const auto stream = world.open();
    const Lines story = world.story(*stream, 7);
    CHECK(story.at(5) == "opened");
    CHECK(story.at(6) == "resumed overlapped");
    CHECK(world.next(*stream) == "b");
}

TEST_CASE("C10: the caller's header and the cursor never go out together") {
    World world;
    world.server.then(Reaction::stream().event("a", "1").truncate()).then(Reaction::stream().event("b", "2").stall());
    HttpRequest request = world.request();
    request.headers.add("last-event-id", "old");
    const auto stream = world.open(std::move(request));
    CHECK(world.events(*stream, 2) == Lines{"a", "b"});
    CHECK(world.cursors() == Lines{"old", "1"});
}

TEST_CASE("C5, C10: the caller's header does not come back when the cursor is cleared") {
    World world;
    world.server.then(Reaction::stream().body("id\ndata: a\n\n").truncate()).then(Reaction::stream().event("b").stall());
    HttpRequest request = world.request();
    request.headers.add("Last-Event-ID", "old");
    const auto stream = world.open(std::move(request));
    CHECK(world.events(*stream, 2) == Lines{"a", "b"});
    CHECK(world.cursors() == Lines{"old", "-"});
}

TEST_CASE("events received but not taken before a drop come again, each once") {
    World world;
    world.server.then(Reaction::stream().body("data: a\nid: 1\n\ndata: b\nid: 2\n\ndata: c\nid: 3\n\n").stall())
        .then(Reaction::stream().event("b", "2").event("c", "3").event("d", "4").stall());
    const auto stream = world.open();
    CHECK(world.next(*stream) == "a");
    stream->reconnect_now();
    CHECK(world.events(*stream, 3) == Lines{"b", "c", "d"});
    CHECK(world.cursors() == Lines{"-", "1"});
}

TEST_CASE("commit_on parsed: the cursor is ahead of what was handed out by no more than the event being handed out") {
    World world;
    world.options.tracker.commit_on = CommitOn::parsed;
    world.server.then(Reaction::stream().event("a", "1").truncate()).then(Reaction::stream().event("b", "2").stall());
    const auto stream = world.open();
    CHECK(world.events(*stream, 2) == Lines{"a", "b"});
    CHECK(world.cursors() == Lines{"-", "1"});
}

TEST_CASE("commit_on acknowledged: what was handed out and not acknowledged comes again") {
    World world;
    world.options.tracker.commit_on = CommitOn::acknowledged;
    world.server.then(Reaction::stream().event("a", "1").event("b", "2").truncate())
        .then(Reaction::stream().event("b", "2").event("c", "3").stall());
    const auto stream = world.open();
    const auto first = run(world.io, stream->next());
    REQUIRE(first);
    stream->acknowledge(first->view());
    CHECK(world.events(*stream, 3) == Lines{"b", "b", "c"});
    CHECK(world.cursors() == Lines{"-", "1"});
    CHECK(stream->tracker().cursor() == "1");
}

TEST_CASE("a replay is verified: repeats are dropped, a jump is a gap") {
    World world;
    world.server.then(Reaction::stream().event("a", "1").event("b", "2").truncate())
        .then(Reaction::stream().event("b", "2").event("c", "3").truncate())
        .then(Reaction::stream().event("g", "7").stall());
    const auto stream = world.open();
    const std::string cut = ": connection ended inside the message";
    const Lines expected{"opened", "event a #1", "event b #2", "dropped truncated" + cut, "waiting 100ms" + cut,
                         "opened", "resumed overlapped", "event c #3", "dropped truncated" + cut, "waiting 100ms" + cut,
                         "opened", "resumed gap_possible, gap of 3", "event g #7"};
    CHECK(world.story(*stream, expected.size()) == expected);
}

TEST_CASE("a held event is not handed out after the connection it came on was given up") {
    World world;
    world.server.then(Reaction::stream().event("a", "1").truncate())
        .then(Reaction::stream().event("b", "2").stall())
        .then(Reaction::stream().event("b2", "2").stall());
    const auto stream = world.open();
    CHECK(world.story(*stream, 6).back() == "resumed resumed");  // "b" waits behind it
    stream->reconnect_now();
    CHECK(world.next(*stream) == "b2");
    CHECK(world.cursors() == Lines{"-", "1", "1"});
}

}  // namespace
}  // namespace rejoin::testing
