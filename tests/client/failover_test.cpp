#include <string>

#include "client/support.hpp"

namespace rejoin::testing {
namespace {

struct TwoServers : World {
    TwoServers() {
        options.alternatives.push_back(Url::parse(second.url("/events")).value());
        options.cool_down = 60s;
    }
    BasicScriptedServer<ManualTraits> second{io};
};

TEST_CASE("C47: the second URL is asked at once when the first is dead, and the cursor goes with it") {
    TwoServers world;
    world.server.then(Reaction::stream().event("a", "1").truncate());
    world.second.then(Reaction::stream().event("b", "2").stall());
    const auto stream = world.open();
    CHECK(world.next(*stream) == "a");
    std::string how;
    SECTION("refused") {
        world.server.refuse();
        how = make_error_code(asio::error::connection_refused).message();
    }
    SECTION("unavailable, and asking for patience") {
        world.server.otherwise(Reaction::respond(503).field("Retry-After", "100"));
        how = "unexpected HTTP status";
    }
    const Lines story = world.story(*stream, 5);
    CHECK(story == Lines{"dropped truncated: connection ended inside the message", "waiting 100ms: connection ended inside the message",
                         "waiting 0ms: " + how, "opened", "resumed resumed"});
    CHECK(world.next(*stream) == "b");
    REQUIRE(world.second.requests().size() == 1);
    CHECK(world.second.requests().front().last_event_id() == "1");
}

TEST_CASE("C47: the first is asked again after its cool-down, not before") {
    TwoServers world;
    world.server.then(Reaction::respond(503)).then(Reaction::stream().event("c", "3").stall());
    Gate drop;
    Gate drop_again;
    world.second.then(Reaction::stream().event("a", "1").wait(drop).truncate())
        .then(Reaction::stream().event("b", "2").wait(drop_again).truncate());
    const auto stream = world.open();
    CHECK(world.next(*stream) == "a");
    advance_clock(world.io, 30s);
    drop.open();
    CHECK(world.next(*stream) == "b");
    CHECK(world.server.requests().size() == 1);
    CHECK(world.second.requests().size() == 2);
    advance_clock(world.io, 30s);
    drop_again.open();
    CHECK(world.next(*stream) == "c");
    CHECK(world.server.requests().back().last_event_id() == "2");
}

TEST_CASE("with all URLs dead the backoff holds, and each is asked in its turn") {
    TwoServers world;
    world.server.otherwise(Reaction::respond(503));
    world.second.otherwise(Reaction::respond(503));
    world.options.reconnection.max_attempts = 5;
    const auto stream = world.open();
    CHECK(world.story(*stream) == Lines{"waiting 0ms: unexpected HTTP status", "waiting 100ms: unexpected HTTP status",
                                        "waiting 200ms: unexpected HTTP status", "waiting 400ms: unexpected HTTP status",
                                        "waiting 800ms: unexpected HTTP status", "finished: gave up reconnecting"});
    CHECK(world.server.requests().size() == 3);
    CHECK(world.second.requests().size() == 3);
}

TEST_CASE("a server that accepts and closes is passed over like one that does not answer") {
    TwoServers world;
    world.server.otherwise(Reaction::stream().clean());
    world.second.otherwise(Reaction::stream().event("a", "1").stall());
    const auto stream = world.open();
    CHECK(world.next(*stream) == "a");
    CHECK(world.server.requests().size() == 1);
}

TEST_CASE("a refusal that speaks of the request is not taken elsewhere") {
    TwoServers world;
    world.server.otherwise(Reaction::respond(403));
    const auto stream = world.open();
    CHECK(world.story(*stream).back() == "finished: unexpected HTTP status");
    CHECK(world.second.requests().empty());
}

TEST_CASE("an open circuit breaker sends the stream to the other URL") {
    TwoServers world;
    CircuitBreakerOptions breaker;
    breaker.failures = 1;
    world.options.breakers = std::make_shared<CircuitBreakers>(breaker);
    const auto held = world.options.breakers->of(Url::parse(world.server.url()).value().origin());
    held->failure(ManualClock::now());
    world.second.then(Reaction::stream().event("a", "1").stall());
    const auto stream = world.open();
    CHECK(world.next(*stream) == "a");
    CHECK(world.server.connections() == 0);
}

TEST_CASE("C21: a permanent redirect is remembered where that is asked for, within its origin") {
    World world;
    world.options.remember_redirects = true;
    world.server.otherwise([](const RecordedRequest& request) {
        if (request.head.target == "/new") return Reaction::stream().event("a").truncate();
        if (request.head.target == "/moving") return Reaction::redirect(302, "/new");
        return Reaction::redirect(request.head.target == "/events" ? 301 : 308, "/new");
    });
    Lines targets;
    SECTION("moved for good") {
        const auto stream = world.open();
        static_cast<void>(world.events(*stream, 2));
        for (const auto& one : world.server.requests()) targets.push_back(one.head.target);
        CHECK(targets == Lines{"/events", "/new", "/new"});
    }
    SECTION("moved for now") {
        const auto stream = world.open(world.request("/moving"));
        static_cast<void>(world.events(*stream, 2));
        for (const auto& one : world.server.requests()) targets.push_back(one.head.target);
        CHECK(targets == Lines{"/moving", "/new", "/moving", "/new"});
    }
}

TEST_CASE("C21: another origin is never remembered, since credentials would follow") {
    TwoServers world;
    world.options.alternatives.clear();
    world.options.remember_redirects = true;
    world.server.otherwise(Reaction::redirect(301, world.second.url("/there")));
    world.second.otherwise(Reaction::stream().event("a").truncate());
    const auto stream = world.open();
    static_cast<void>(world.events(*stream, 2));
    CHECK(world.server.requests().size() == 2);
}

}  // namespace
}  // namespace rejoin::testing
