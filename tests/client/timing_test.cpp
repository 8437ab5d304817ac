#include <string>

#include "client/support.hpp"

namespace rejoin::testing {
namespace {

const std::string cut = ": connection ended inside the message";

Lines waits_of(const Lines& story) {
    Lines waits;
    for (const std::string& line : story) {
        if (line.starts_with("waiting ")) waits.push_back(line.substr(8, line.find(':') - 8));
    }
    return waits;
}

TEST_CASE("C22: refused at first, it goes on trying") {
    World world;
    world.server.then(Reaction::stream().event("a").stall());
    world.server.refuse();
    const auto stream = world.open();
    const std::string refused = ": " + make_error_code(asio::error::connection_refused).message();
    CHECK(world.story(*stream, 3) == Lines{"waiting 100ms" + refused, "waiting 200ms" + refused, "waiting 400ms" + refused});
    world.server.listen();
    CHECK(world.story(*stream, 2) == Lines{"opened", "event a"});
}

TEST_CASE("C22: without retry_initial it fails fast, but not once a stream was open") {
    World world;
    world.options.reconnection.policy = default_retry_policy({.retry_initial = false});
    const std::string refused = make_error_code(asio::error::connection_refused).message();
    SECTION("never open") {
        world.server.refuse();
        const auto stream = world.open();
        CHECK(world.story(*stream) == Lines{"finished: " + refused});
        CHECK(stream->error() == asio::error::connection_refused);
    }
    SECTION("once open") {
        world.server.then(Reaction::stream().event("a").truncate());
        const auto stream = world.open();
        CHECK(world.next(*stream) == "a");
        world.server.refuse();
        CHECK(world.story(*stream, 3) == Lines{"dropped truncated" + cut, "waiting 100ms" + cut, "waiting 200ms: " + refused});
    }
}

TEST_CASE("C23: a name that is not resolved") {
    BasicWorld<SilentTraits> world;
    world.options.client.connect.resolve_timeout = 5s;
    HttpRequest request = world.request();
    request.url.host = "some.name";
    const auto stream = world.open(std::move(request));
    const TimePoint before = ManualClock::now();
    const std::string why = ": timed out resolving the host name";
    CHECK(world.story(*stream, 2) == Lines{"waiting 100ms" + why, "waiting 200ms" + why});
    CHECK(ManualClock::now() - before == 10s + 100ms);
}

TEST_CASE("C23: a host that does not answer") {
    World world;
    UnansweredPort silent{world.io};
    if (!silent.works()) return;
    world.options.client.connect.connect_timeout = 5s;
    HttpRequest request = world.request();
    request.url.port = silent.port();
    // Surely not sent, so the method makes no difference.
    request.method = GENERATE(as<std::string>{}, "GET", "POST");
    const auto stream = world.open(std::move(request));
    const TimePoint before = ManualClock::now();
    const std::string why = ": timed out connecting";
    CHECK(world.story(*stream, 2) == Lines{"waiting 100ms" + why, "waiting 200ms" + why});
    CHECK(ManualClock::now() - before == 10s + 100ms);
}

TEST_CASE("C23: a server that does not read the request") {
    World world;
    world.options.client.write_timeout = 5s;
    world.server.then(Reaction::on_connect().stall());
    HttpRequest request = world.request("/", "PUT");
    request.body.assign(32 * 1024 * 1024, 'x');
    const auto stream = world.open(std::move(request));
    const TimePoint before = ManualClock::now();
    CHECK(world.story(*stream, 1) == Lines{"waiting 100ms: timed out writing"});
    CHECK(ManualClock::now() - before == 5s);
}

TEST_CASE("C23: a server that does not answer") {
    World world;
    world.options.client.response_timeout = 30s;
    world.server.otherwise(Reaction::silence());
    const auto stream = world.open();
    const TimePoint before = ManualClock::now();
    const std::string why = ": timed out waiting for the response head";
    CHECK(world.story(*stream, 2) == Lines{"waiting 100ms" + why, "waiting 200ms" + why});
    CHECK(ManualClock::now() - before == 60s + 100ms);
    advance_clock(world.io, 0s);
    CHECK(world.server.open_connections() == 0);
}

TEST_CASE("C23: a stream that falls silent") {
    World world;
    world.options.health.idle = 60s;
    world.server.then(Reaction::stream().event("a", "1").stall()).then(Reaction::stream().event("b", "2").stall());
    const auto stream = world.open();
    CHECK(world.next(*stream) == "a");
    const TimePoint before = ManualClock::now();
    const std::string why = ": event stream silent for too long";
    const Lines expected{"dropped timed_out" + why, "waiting 100ms" + why, "opened", "resumed resumed", "event b #2"};
    CHECK(world.story(*stream, expected.size()) == expected);
    CHECK(ManualClock::now() - before == 60s + 100ms);
    CHECK(world.server.closed_by_client(1));
}

TEST_CASE("C23: silent from its head on") {
    World world;
    world.options.health.idle = 60s;
    world.server.then(Reaction::stream().stall());
    const auto stream = world.open();
    const Lines story = world.story(*stream, 2);
    CHECK(story.at(1) == "dropped timed_out: event stream silent for too long");
}

TEST_CASE("C24: a head that comes byte by byte is bounded as a whole") {
    World world;
    world.options.client.response_timeout = 30s;
    Reaction reaction;
    for (const char c : std::string{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"}) reaction.send({&c, 1}).delay(1s);
    world.server.then(reaction.stall());
    const auto stream = world.open();
    const TimePoint before = ManualClock::now();
    CHECK(world.story(*stream, 1) == Lines{"waiting 100ms: timed out waiting for the response head"});
    CHECK(ManualClock::now() - before == 30s);
}

TEST_CASE("C25: comments keep a stream from being taken for dead") {
    World world;
    world.options.health.idle = 10s;
    Reaction reaction = Reaction::stream().event("a");
    for (int i = 0; i < 100; ++i) reaction.delay(5s).comment("");
    world.server.then(reaction.event("b").stall());
    const auto stream = world.open();
    CHECK(world.story(*stream, 3) == Lines{"opened", "event a", "event b"});
}

TEST_CASE("C25: comments without events are a stall, where that is asked for") {
    World world;
    world.options.health.idle = 10s;
    world.options.health.stalled = 60s;
    Reaction reaction = Reaction::stream().event("a", "1");
    for (int i = 0; i < 100; ++i) reaction.delay(5s).comment("");
    world.server.then(reaction.event("b").stall());
    const auto stream = world.open();
    CHECK(world.next(*stream) == "a");
    const TimePoint before = ManualClock::now();
    CHECK(world.story(*stream, 1) == Lines{"dropped timed_out: event stream without events for too long"});
    CHECK(ManualClock::now() - before == 60s);
}

TEST_CASE("C25: a stall is found in its own time, however long silence is borne") {
    World world;
    world.options.health.idle = 10min;
    world.options.health.stalled = 60s;
    Reaction reaction = Reaction::stream().delay(1s).event("a", "1");
    for (int i = 0; i < 100; ++i) reaction.delay(25s).comment("");
    world.server.then(reaction.stall());
    const auto stream = world.open();
    CHECK(world.next(*stream) == "a");
    const TimePoint before = ManualClock::now();
    CHECK(world.story(*stream, 1) == Lines{"dropped timed_out: event stream without events for too long"});
    CHECK(ManualClock::now() - before == 60s);
}

TEST_CASE("C26: the wait for a first event is no stall") {
    World world;
    world.options.health.idle = 10s;
    world.options.health.stalled = 60s;
    Reaction reaction = Reaction::stream();
    for (int i = 0; i < 100; ++i) reaction.delay(5s).comment("");
    world.server.then(reaction.event("b").stall());
    const auto stream = world.open();
    CHECK(world.story(*stream, 2) == Lines{"opened", "event b"});
}

TEST_CASE("C27: while its reader holds something, or does not wait, no clock of the stream runs") {
    World world;
    world.options.health.idle = 10s;
    world.options.health.stalled = 20s;
    Gate gate;
    Gate end;
    world.server.then(Reaction::stream().event("a").wait(gate).event("b").wait(end).truncate()).otherwise(Reaction::respond(204));
    const auto stream = world.open();
    std::string rest = "b";
    SECTION("an event") { CHECK(world.next(*stream) == "a"); }
    SECTION("the news that it is open") {
        CHECK(world.story(*stream, 1) == Lines{"opened"});
        rest = "a";
    }
    SECTION("after it gave up waiting") {
        CHECK(world.next(*stream) == "a");
        Task<std::optional<SseEvent>> task{world.io, stream->next()};
        advance_clock(world.io, 5s);
        REQUIRE(task.cancel_ends_it());
        CHECK(task.failure() == asio::error::operation_aborted);
    }
    advance_clock(world.io, 100s);
    Lines lines;
    Task<void> task{world.io, record(*stream, lines, 1)};
    advance_clock(world.io, 4s);  // together with what had passed before, still less than allowed
    gate.open();
    REQUIRE(task.wait());
    CHECK(lines == Lines{"event " + rest});
    // Nor has anything been noted that would be told as the reason of a later end.
    if (rest == "a") CHECK(world.next(*stream) == "b");
    end.open();
    CHECK(world.story(*stream, 1) == Lines{"dropped truncated" + cut});
}

TEST_CASE("C27: the clocks go on where they stood") {
    World world;
    world.options.health.idle = 10s;
    world.server.then(Reaction::stream().event("a").stall());
    const auto stream = world.open();
    CHECK(world.next(*stream) == "a");
    Task<std::optional<SseEvent>> task{world.io, stream->next()};
    advance_clock(world.io, 7s);
    REQUIRE(task.cancel_ends_it());
    advance_clock(world.io, 100s);
    const TimePoint before = ManualClock::now();
    CHECK(world.story(*stream, 1) == Lines{"dropped timed_out: event stream silent for too long"});
    CHECK(ManualClock::now() - before == 3s);
}

TEST_CASE("C27: what its reader has not asked for stays at the server") {
    World world;
    Gate gate;
    constexpr std::size_t count = 64;
    Reaction reaction = Reaction::stream().event("first");
    for (std::size_t i = 0; i < count; ++i) reaction.body("data: " + std::string(512 * 1024, 'x') + "\n\n");
    world.server.then(reaction.wait(gate).stall());
    const auto stream = world.open();
    CHECK(world.next(*stream) == "first");
    run_until_idle(world.io);
    CHECK(gate.waiting() == 0);
    for (std::size_t i = 0; i < count; ++i) CHECK(world.next(*stream).size() == 512 * 1024);
    run_until_idle(world.io);
    CHECK(gate.waiting() == 1);
}

TEST_CASE("C28: retry: sets the base for good") {
    World world;
    SECTION("after progress each wait begins with it") {
        world.server.then(Reaction::stream().retry(300ms).event("a").truncate())
            .then(Reaction::stream().event("b").truncate())
            .then(Reaction::stream().event("c").truncate())
            .then(Reaction::respond(204));
        const auto stream = world.open();
        CHECK(waits_of(world.story(*stream)) == Lines{"300ms", "300ms", "300ms"});
    }
    SECTION("without progress it grows from there") {
        world.server.then(Reaction::stream().retry(300ms).truncate())
            .then(Reaction::stream().truncate())
            .then(Reaction::stream().truncate())
            .then(Reaction::respond(204));
        const auto stream = world.open();
        CHECK(waits_of(world.story(*stream)) == Lines{"300ms", "600ms", "1200ms"});
    }
    SECTION("also from a block that is cut, once its line has ended") {
        world.server.then(Reaction::stream().body("data: x\nretry: 300\ndata: y").truncate())
            .then(Reaction::stream().body("retry: 700").truncate())
            .then(Reaction::respond(204));
        const auto stream = world.open();
        CHECK(waits_of(world.story(*stream)) == Lines{"300ms", "600ms"});
    }
}

TEST_CASE("C29, C34: a server that accepts and closes is not asked ever more") {
    World world;
    world.options.reconnection.backoff.cap = 1s;
    Reaction reaction = Reaction::stream();
    SECTION("at once") {}
    SECTION("with a retry: each time") { reaction.retry(100ms); }
    SECTION("with a comment") { reaction.comment("hello"); }
    SECTION("with the same id each time") { reaction.body("id: p\n\n"); }
    SECTION("with the same event each time") { reaction.event("hello", "p"); }
    for (int i = 0; i < 6; ++i) world.server.then(reaction);
    world.server.then(Reaction::respond(204));
    HttpRequest request = world.request();
    request.headers.add("Last-Event-ID", "p");
    const auto stream = world.open(std::move(request));
    CHECK(waits_of(world.story(*stream)) == Lines{"100ms", "200ms", "400ms", "800ms", "1000ms", "1000ms"});
}

TEST_CASE("C30: retry: is bounded") {
    World world;
    world.options.reconnection.backoff.retry_ceiling = 60s;
    world.options.reconnection.backoff.cap = 0ms;
    world.server.then(Reaction::stream().body("retry: 0\n").event("a").truncate())
        .then(Reaction::stream().body("retry: 1000000000000\n").event("b").truncate())
        .then(Reaction::stream().body("retry: 99999999999999999999999\n").event("c").truncate())
        .then(Reaction::stream().body("retry: -5\nretry: 1e3\n").event("d").truncate())
        .then(Reaction::respond(204));
    const auto stream = world.open();
    CHECK(waits_of(world.story(*stream)) == Lines{"50ms", "60000ms", "60000ms", "60000ms"});
}

TEST_CASE("C35: a stream that stood for long enough starts the waits over") {
    World world;
    world.options.reconnection.healthy_after = 60s;
    const Duration age = GENERATE(as<Duration>{}, 59s, 61s);
    world.server.then(Reaction::stream().truncate())
        .then(Reaction::stream().truncate())
        .then(Reaction::stream().delay(age).truncate())
        .then(Reaction::respond(204));
    const auto stream = world.open();
    CHECK(waits_of(world.story(*stream)) == Lines{"100ms", "200ms", age > 60s ? "100ms" : "400ms"});
}

TEST_CASE("C36: healthy time is no outage") {
    World world;
    world.options.reconnection.max_outage = 15min;
    world.options.reconnection.backoff.cap = 30s;
    world.server.then(Reaction::stream().event("a").delay(20min).truncate());
    const auto stream = world.open();
    Lines lines;
    Task<void> task{world.io, record(*stream, lines, 1000)};
    REQUIRE(advance_clock_until(world.io, [&lines] { return lines.size() == 4; }, 1h));
    CHECK(lines.back() == "waiting 100ms" + cut);
    const TimePoint dropped = ManualClock::now();
    world.server.refuse();
    advance_clock(world.io, 14min);
    CHECK_FALSE(task.done());
    REQUIRE(advance_clock_until(world.io, [&task] { return task.done(); }, 1h));
    CHECK(lines.back() == "finished: gave up reconnecting");
    CHECK(stream->error() == Error::retries_exhausted);
    CHECK(stream->cause() == asio::error::connection_refused);
    CHECK(ManualClock::now() - dropped == 15min);
}

TEST_CASE("C38: so many retries as allowed, then the end with its cause") {
    World world;
    world.options.reconnection.max_attempts = 3;
    world.server.otherwise(Reaction::respond(503));
    const auto stream = world.open();
    const Lines story = world.story(*stream);
    CHECK(story.size() == 4);
    CHECK(story.back() == "finished: gave up reconnecting");
    CHECK(world.server.requests().size() == 4);
    CHECK(stream->cause() == Error::bad_status);
    CHECK(stream->response()->status == 503);
}

TEST_CASE("C39: at once after a stream that had progress, then by the steps") {
    World world;
    world.options.reconnection.immediate_first_retry = true;
    world.server.then(Reaction::stream().event("a").truncate())
        .then(Reaction::stream().truncate())
        .then(Reaction::stream().truncate())
        .then(Reaction::respond(204));
    const auto stream = world.open();
    CHECK(waits_of(world.story(*stream)) == Lines{"0ms", "100ms", "200ms"});
}

TEST_CASE("C42: reconnect_now is one attempt, no failure, and leaves the backoff alone") {
    World world;
    const std::string refused = ": " + make_error_code(asio::error::connection_refused).message();
    SECTION("while waiting") {
        world.server.refuse();
        const auto stream = world.open();
        CHECK(world.story(*stream, 2) == Lines{"waiting 100ms" + refused, "waiting 200ms" + refused});
        Lines lines;
        Task<void> task{world.io, record(*stream, lines, 1)};
        run_until_idle(world.io);
        const TimePoint before = ManualClock::now();
        stream->reconnect_now();
        REQUIRE(run_until(world.io, [&task] { return task.done(); }));
        CHECK(ManualClock::now() == before);
        CHECK(lines == Lines{"waiting 400ms" + refused});
    }
    SECTION("while waiting, with nobody reading") {
        world.server.then(Reaction::respond(503)).then(Reaction::stream().event("a").stall());
        const auto stream = world.open();
        CHECK(world.story(*stream, 1) == Lines{"waiting 100ms: unexpected HTTP status"});
        stream->reconnect_now();
        stream->reconnect_now();
        const TimePoint before = ManualClock::now();
        CHECK(world.next(*stream) == "a");
        CHECK(ManualClock::now() == before);
        CHECK(world.server.requests().size() == 2);
    }
    SECTION("while a reader waits for the stream") {
        world.server.then(Reaction::stream().event("a", "1").stall()).then(Reaction::stream().event("b", "2").stall());
        const auto stream = world.open();
        CHECK(world.next(*stream) == "a");
        Lines lines;
        Task<void> task{world.io, record(*stream, lines, 4)};
        run_until_idle(world.io);
        stream->reconnect_now();
        REQUIRE(run_until(world.io, [&task] { return task.done(); }));
        CHECK(lines == Lines{"dropped closed", "opened", "resumed resumed", "event b #2"});
        CHECK(world.server.closed_by_client(1));
    }
    SECTION("while nobody reads") {
        world.server.then(Reaction::stream().event("a", "1").stall()).then(Reaction::stream().event("b", "2").stall());
        const auto stream = world.open();
        CHECK(world.next(*stream) == "a");
        stream->reconnect_now();
        run_until_idle(world.io);
        CHECK(world.server.closed_by_client(1));
        CHECK(world.story(*stream, 4) == Lines{"dropped closed", "opened", "resumed resumed", "event b #2"});
    }
    SECTION("while an attempt is under way, or before or after everything: nothing") {
        world.server.then(Reaction::silence());
        const auto stream = world.open();
        stream->reconnect_now();
        Task<std::optional<SseEvent>> task{world.io, stream->next()};
        REQUIRE(run_until(world.io, [&world] { return world.server.requests().size() == 1; }));
        stream->reconnect_now();
        run_until_idle(world.io);
        stream->close();
        stream->reconnect_now();
        REQUIRE(task.wait());
        run_until_idle(world.io);
        CHECK(world.server.requests().size() == 1);
        CHECK(stream->finished());
    }
}

TEST_CASE("C43: two ends of one connection make one new connection") {
    World world;
    world.server.then(Reaction::stream().event("a", "1").stall()).otherwise(Reaction::stream().event("b", "2").stall());
    const auto stream = world.open();
    CHECK(world.next(*stream) == "a");
    Task<std::optional<SseEvent>> task{world.io, stream->next()};
    run_until_idle(world.io);
    world.server.close_connections(true);
    stream->reconnect_now();
    stream->reconnect_now();
    REQUIRE(advance_clock_until(world.io, [&task] { return task.done(); }, 1min));
    CHECK(task.value()->data == "b");
    advance_clock(world.io, 1min);
    CHECK(world.server.requests().size() == 2);
    CHECK(world.server.open_connections() == 1);
}

TEST_CASE("C50: the bounds on connecting, writing and the head end with their phase") {
    World world;
    world.options.client = SseHttpClientOptions{};
    world.options.health = HealthMonitorOptions{};
    Reaction reaction = Reaction::stream().event("a");
    for (int i = 0; i < 20; ++i) reaction.delay(30s).comment("");
    world.server.then(reaction.event("b").stall());
    const auto stream = world.open();
    CHECK(world.next(*stream) == "a");
    const TimePoint before = ManualClock::now();
    CHECK(world.next(*stream) == "b");
    CHECK(ManualClock::now() - before == 10min);
    CHECK(world.server.requests().size() == 1);
}

TEST_CASE("a learned heartbeat interval finds a dead stream sooner") {
    World world;
    world.options.health.idle = 10min;
    world.options.health.learned_factor = 2.5;
    Reaction reaction = Reaction::stream().event("a", "1");
    for (int i = 0; i < 6; ++i) reaction.delay(10s).comment("");
    world.server.then(reaction.stall()).then(Reaction::stream().event("b", "2").stall());
    const bool handed_out = GENERATE(false, true);
    world.options.parser.comments = handed_out;
    const auto stream = world.open();
    CHECK(world.next(*stream) == "a");
    const TimePoint before = ManualClock::now();
    for (int i = 0; i < 6 && handed_out; ++i) {
        CHECK(world.story(*stream, 1) == Lines{"comment"});
        ManualClock::advance(1ms);  // a reader looks at it for a moment
    }
    CHECK(world.story(*stream, 1) == Lines{"dropped timed_out: event stream silent for too long"});
    CHECK(ManualClock::now() - before == 60s + 25s);
}

}  // namespace
}  // namespace rejoin::testing
