#include <string>

#include "client/support.hpp"
#include "support/fake_tls.hpp"

namespace rejoin::testing {
namespace {

using World = BasicWorld<SilentTraits>;
using Stream = World::Stream;
using Next = Task<std::optional<SseEvent>>;

enum class Phase { not_begun, hook, resolve, connect, proxy, tls, write, head, refusal, body, backoff };
const std::vector<Phase> phases{Phase::not_begun, Phase::hook, Phase::resolve, Phase::connect, Phase::proxy, Phase::tls,
                                Phase::write,     Phase::head, Phase::refusal, Phase::body,    Phase::backoff};

const char* name_of(Phase phase) {
    switch (phase) {
    case Phase::not_begun: return "not begun";
    case Phase::hook: return "hook";
    case Phase::proxy: return "proxy";
    case Phase::tls: return "TLS handshake";
    case Phase::resolve: return "resolve";
    case Phase::connect: return "connect";
    case Phase::write: return "write";
    case Phase::head: return "head";
    case Phase::refusal: return "refusal's body";
    case Phase::body: return "silent body";
    case Phase::backoff: return "backoff";
    }
    return "?";
}

// A stream on which a reader waits in a phase that does not end.
struct Stuck {
    explicit Stuck(Phase phase) : silent{world.io}, descriptors{open_descriptors()}, phase_{phase} {
        HttpRequest request = world.request();
        switch (phase) {
        case Phase::hook: world.options.before_attempt = never; break;
        case Phase::resolve: request.url.host = "some.name"; break;
        case Phase::proxy:
            world.server.then(Reaction::silence());
            world.options.client.connect.proxy_timeout = Duration::zero();
            world.options.client.connect.proxy = HttpProxy{request.url, {}};
            break;
        case Phase::tls: {
            const auto tls = std::make_shared<FakeTls>();
            tls->handshake_error = asio::error::would_block;
            world.options.client.connect.tls_timeout = Duration::zero();
            world.options.client.connect.tls = tls;
            request.url.scheme = "https";
            break;
        }
        case Phase::connect: request.url.port = silent.port(); break;
        case Phase::write:
            world.server.then(Reaction::on_connect().stall());
            request.method = "PUT";
            request.body.assign(32 * 1024 * 1024, 'x');
            break;
        case Phase::head: world.server.then(Reaction{}.wait(gate).send("HTTP/1.1 200 OK\r\n").send(rest)); break;
        case Phase::refusal: world.server.then(Reaction{}.send("HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nbusy").stall()); break;
        case Phase::body: world.server.then(Reaction::stream().event("a", "1").wait(gate).event("b", "2").stall()); break;
        case Phase::backoff: world.server.then(Reaction::respond(503)); break;
        case Phase::not_begun: break;
        }
        world.server.otherwise(Reaction::stream().event("again", "9").stall());
        stream = world.open(std::move(request));
        if (phase == Phase::body) REQUIRE(world.next(*stream) == "a");
        if (phase == Phase::backoff) REQUIRE(world.story(*stream, 1).size() == 1);
        if (phase == Phase::not_begun) return;
        read();
        run_until_idle(world.io);
        if (phase == Phase::head || phase == Phase::refusal) REQUIRE(world.server.requests().size() == 1);
        if (phase == Phase::write) REQUIRE(world.server.connections() == 1);
        REQUIRE_FALSE(reader->done());
    }

    static Awaitable<std::error_code> never(UpcomingAttempt&) {
        const auto executor = co_await asio::this_coro::executor;
        AsyncEvent silence{executor};
        co_await silence.wait();
        co_return std::error_code{};
    }

    void read() { reader.emplace(world.io, stream->next()); }

    // Runs what is ready. The client's end of a connection takes the server's along, but where it stands behind bytes that
    // nobody reads.
    void settle() {
        run_until_idle(world.io);
        if (phase_ == Phase::write) world.server.close_connections();
        run_until_idle(world.io);
    }

    static constexpr const char* rest = "Content-Type: text/event-stream\r\n\r\nid: 5\ndata: answer\n\n";

    World world;
    UnansweredPort silent;
    std::size_t descriptors;  // before the client did anything
    Gate gate;
    std::unique_ptr<Stream> stream;
    std::optional<Next> reader;

private:
    Phase phase_;
};

TEST_CASE("C40: cancelled in any phase, a reader returns at once, and what it leaves goes with the stream") {
    const Phase phase = GENERATE(from_range(phases));
    CAPTURE(name_of(phase));
    Stuck stuck{phase};
    if (!stuck.reader) stuck.read();
    REQUIRE(stuck.reader->cancel_ends_it());
    CHECK(stuck.reader->failure() == asio::error::operation_aborted);
    stuck.stream.reset();
    stuck.settle();
    CHECK(stuck.world.server.open_connections() == 0);
    CHECK(ManualClock::pending() == 0);
}

TEST_CASE("C40: closed in any phase, a pending reader comes to the end at once") {
    const Phase phase = GENERATE(from_range(phases));
    CAPTURE(name_of(phase));
    Stuck stuck{phase};
    stuck.stream->close();
    CHECK(stuck.stream->finished());
    if (!stuck.reader) stuck.read();
    stuck.settle();
    REQUIRE(stuck.reader->done());
    CHECK_FALSE(stuck.reader->failure());
    CHECK_FALSE(stuck.reader->value());
    CHECK(stuck.stream->error() == Error::closed);
    // Nothing waits for the destructor.
    CHECK(stuck.world.server.open_connections() == 0);
    CHECK(ManualClock::pending() == 0);
    stuck.stream->close();
    CHECK(stuck.world.story(*stuck.stream) == Lines{"finished: closed"});
    CHECK(stuck.world.story(*stuck.stream) == Lines{"finished: closed"});
}

TEST_CASE("C41: destroyed in any phase, a pending reader comes to the end at once, and nothing stays") {
    const Phase phase = GENERATE(from_range(phases));
    CAPTURE(name_of(phase));
    Stuck stuck{phase};
    stuck.stream.reset();
    stuck.settle();
    if (stuck.reader) {
        REQUIRE(stuck.reader->done());
        CHECK_FALSE(stuck.reader->failure());
        CHECK_FALSE(stuck.reader->value());
    }
    CHECK(stuck.world.server.open_connections() == 0);
    CHECK(ManualClock::pending() == 0);
}

TEST_CASE("C40, C41: no descriptor of the client stays, whichever way a phase ends") {
    const Phase phase = GENERATE(from_range(phases));
    const std::string way = GENERATE(as<std::string>{}, "closed", "destroyed", "cancelled and destroyed");
    CAPTURE(name_of(phase), way);
    Stuck stuck{phase};
    if (way == "cancelled and destroyed" && stuck.reader) stuck.reader->cancel_ends_it();
    if (way == "closed") stuck.stream->close();
    else stuck.stream.reset();
    stuck.settle();
    CHECK(open_descriptors() == stuck.descriptors);
}

TEST_CASE("C41: everything destroyed at once in any phase, the io_context last") {
    const Phase phase = GENERATE(from_range(phases));
    CAPTURE(name_of(phase));
    const std::size_t before = open_descriptors();
    { Stuck stuck{phase}; }
    CHECK(open_descriptors() == before);
    CHECK(ManualClock::pending() == 0);
}

Awaitable<> own_and_read(HttpRequest request, ReconnectingStreamOptions options) {
    const auto executor = co_await asio::this_coro::executor;
    Stream stream{executor, std::move(request), options};
    for (bool more = true; more;) {
        const auto event = co_await stream.next();
        more = event.has_value();
    }
}

TEST_CASE("C41: a stream owned by a coroutine goes with its io_context in any phase") {
    const std::size_t before = open_descriptors();
    const int phase = GENERATE(0, 1, 2, 3, 4);
    CAPTURE(phase);
    {
        World world;
        UnansweredPort silent{world.io};
        HttpRequest request = world.request();
        if (phase == 0) request.url.host = "some.name";
        if (phase == 1) request.url.port = silent.port();
        if (phase == 2) world.server.then(Reaction::silence());
        if (phase == 3) world.server.then(Reaction::stream().event("a").stall());
        if (phase == 4) world.server.then(Reaction::respond(503));
        spawn(world.io.get_executor(), own_and_read(std::move(request), world.options));
        run_until_idle(world.io);
    }
    CHECK(open_descriptors() == before);
    CHECK(ManualClock::pending() == 0);
}

TEST_CASE("after a cancelled await the stream goes on where it was, and nothing is lost or asked for twice") {
    SECTION("in the wait for the head") {
        Stuck stuck{Phase::head};
        CHECK(stuck.reader->cancel_ends_it());
        stuck.gate.open();
        CHECK(stuck.world.next(*stuck.stream) == "answer");
        CHECK(stuck.world.server.requests().size() == 1);
    }
    SECTION("in a silent body") {
        Stuck stuck{Phase::body};
        CHECK(stuck.reader->cancel_ends_it());
        stuck.gate.open();
        CHECK(stuck.world.next(*stuck.stream) == "b");
        CHECK(stuck.world.server.requests().size() == 1);
    }
    SECTION("with bytes already there") {
        Stuck stuck{Phase::body};
        stuck.gate.open();
        while (stuck.gate.waiting() != 0) stuck.world.io.poll_one();
        stuck.reader->cancel_ends_it();
        if (!stuck.reader->done() || stuck.reader->failure()) CHECK(stuck.world.next(*stuck.stream) == "b");
        else CHECK(stuck.reader->value()->data == "b");
        CHECK(stuck.world.server.requests().size() == 1);
    }
    SECTION("in the backoff, which is not begun anew") {
        Stuck stuck{Phase::backoff};
        const TimePoint before = ManualClock::now();
        advance_clock(stuck.world.io, 60ms);
        CHECK(stuck.reader->cancel_ends_it());
        CHECK(stuck.world.next(*stuck.stream) == "again");
        CHECK(ManualClock::now() - before == 100ms);
        CHECK(stuck.world.server.requests().size() == 2);
    }
    SECTION("in the backoff, past its end") {
        Stuck stuck{Phase::backoff};
        CHECK(stuck.reader->cancel_ends_it());
        advance_clock(stuck.world.io, 1min);
        const TimePoint before = ManualClock::now();
        CHECK(stuck.world.next(*stuck.stream) == "again");
        CHECK(ManualClock::now() == before);
    }
    SECTION("in a refusal's body") {
        Stuck stuck{Phase::refusal};
        CHECK(stuck.reader->cancel_ends_it());
        CHECK(stuck.world.story(*stuck.stream, 1) == Lines{"waiting 100ms: unexpected HTTP status"});
        CHECK(stuck.stream->error_body() == "busy");
        CHECK(stuck.world.server.requests().size() == 1);
        CHECK(stuck.world.next(*stuck.stream) == "again");
    }
}

Awaitable<int> wait_times(Stream& stream, int times) {
    int waits = 0;
    for (bool more = true; more && waits < times; ++waits) more = co_await stream.wait();
    co_return waits;
}

TEST_CASE("wait() comes back as long as something is there to be taken, and goes on with nothing over it") {
    World world;
    Lines expected;
    std::unique_ptr<Stream> stream;
    SECTION("events of one read") {
        world.server.then(Reaction::stream(Framing::close_delimited).body("data: a\n\ndata: b\n\n").stall());
        stream = world.open();
        CHECK(world.next(*stream) == "a");
        expected = {"event b"};
    }
    SECTION("news") {
        world.server.otherwise(Reaction::respond(503));
        stream = world.open();
        expected = {"waiting 100ms: unexpected HTTP status", "waiting 200ms: unexpected HTTP status"};
    }
    // Nobody takes anything meanwhile.
    Task<int> waits{world.io, wait_times(*stream, 50)};
    REQUIRE(advance_clock_until(world.io, [&waits] { return waits.done(); }, 1h));
    CHECK(waits.value() == 50);
    CHECK(world.server.requests().size() == 1);
    CHECK(world.story(*stream, expected.size()) == expected);
}

TEST_CASE("a stream closed while items stand in line hands those out, then the end") {
    World world;
    world.server.then(Reaction::stream().event("a", "1").event("b", "2").truncate());
    const auto stream = world.open();
    const Lines story = world.story(*stream, 4);
    CHECK(story.back().starts_with("dropped truncated"));
    stream->close();
    const Lines rest = world.story(*stream);
    REQUIRE(rest.size() == 2);
    CHECK(rest.at(0).starts_with("waiting"));
    CHECK(rest.at(1) == "finished: closed");
    StreamItem item;
    CHECK_FALSE(stream->try_next(item));
}

TEST_CASE("closed between two events of one read, the second is not handed out") {
    World world;
    world.server.then(Reaction::stream().body("data: a\n\ndata: b\n\n").stall());
    const auto stream = world.open();
    CHECK(world.next(*stream) == "a");
    stream->close();
    run_until_idle(world.io);
    CHECK(world.server.closed_by_client(1));
    CHECK(world.next(*stream) == "(end)");
}

TEST_CASE("the client alone: cancelled in any phase, send() returns at once and leaves nothing") {
    World world;
    UnansweredPort silent{world.io};
    const std::size_t before = open_descriptors();
    HttpRequest request = world.request();
    SECTION("resolve") { request.url.host = "some.name"; }
    SECTION("connect") { request.url.port = silent.port(); }
    SECTION("write") {
        world.server.then(Reaction::on_connect().stall());
        request.method = "PUT";
        request.body.assign(32 * 1024 * 1024, 'x');
    }
    SECTION("head") { world.server.then(Reaction::silence()); }
    SECTION("head, behind a redirect") { world.server.then(Reaction::redirect(302, "/b")).then(Reaction::silence()); }
    {
        World::Client client{world.options.client};
        Task<Result<BasicMessageResponse<SilentTraits>>> task{world.io, client.send(std::move(request))};
        run_until_idle(world.io);
        REQUIRE_FALSE(task.done());
        CHECK(task.cancel_ends_it());
    }
    world.server.close_connections();
    run_until_idle(world.io);
    CHECK(open_descriptors() == before);
    CHECK(ManualClock::pending() == 0);
}

}  // namespace
}  // namespace rejoin::testing
