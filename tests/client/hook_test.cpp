#include <stdexcept>
#include <string>

#include "client/support.hpp"

namespace rejoin::testing {
namespace {

// What the hook saw, attempt by attempt.
struct Seen {
    std::vector<std::uint64_t> attempts;
    std::vector<int> statuses;  // of the response before; 0 for none
    Lines errors;
    Gate gate;
};

AttemptHook bearer(std::shared_ptr<Seen> seen) {
    return [seen](UpcomingAttempt& upcoming) -> Awaitable<std::error_code> {
        seen->attempts.push_back(upcoming.attempts);
        seen->statuses.push_back(upcoming.last_response ? upcoming.last_response->status : 0);
        seen->errors.push_back(upcoming.last_error ? upcoming.last_error.message() : "");
        upcoming.request.headers.set("Authorization", "Bearer " + std::to_string(seen->attempts.size()));
        co_return std::error_code{};
    };
}

Lines tokens(World& world) {
    Lines all;
    for (const RecordedRequest& one : world.server.requests()) all.emplace_back(one.head.fields.get("Authorization").value_or("-"));
    return all;
}

TEST_CASE("C44: the hook makes each attempt's request, and sees what became of the one before") {
    World world;
    const auto seen = std::make_shared<Seen>();
    world.options.before_attempt = bearer(seen);
    world.server.then(Reaction::stream().event("a", "1").truncate())
        .then(Reaction::respond(503))
        .then(Reaction::stream().event("b", "2").stall());
    const auto stream = world.open();
    CHECK(world.events(*stream, 2) == Lines{"a", "b"});
    CHECK(seen->attempts == std::vector<std::uint64_t>{0, 1, 2});
    CHECK(seen->statuses == std::vector<int>{0, 200, 503});
    CHECK(seen->errors == Lines{"", "connection ended inside the message", "unexpected HTTP status"});
    CHECK(tokens(world) == Lines{"Bearer 1", "Bearer 2", "Bearer 3"});
    CHECK(world.cursors() == Lines{"-", "1", "1"});
}

TEST_CASE("C44: target, host, method and body of one attempt are the hook's to change, the cursor is not") {
    World world;
    BasicScriptedServer<ManualTraits> other{world.io};
    other.then(Reaction::stream().event("b", "2").stall());
    world.server.then(Reaction::stream().event("a", "1").truncate());
    const std::string elsewhere = other.url("/there");
    world.options.before_attempt = [elsewhere](UpcomingAttempt& upcoming) -> Awaitable<std::error_code> {
        if (upcoming.attempts == 0) co_return std::error_code{};
        upcoming.request.url = Url::parse(elsewhere).value();
        upcoming.request.method = "REPORT";
        upcoming.request.body = "query";
        upcoming.request.headers.set("Last-Event-ID", "forged");
        co_return std::error_code{};
    };
    const auto stream = world.open();
    CHECK(world.events(*stream, 2) == Lines{"a", "b"});
    REQUIRE(other.requests().size() == 1);
    const RecordedRequest& request = other.requests().front();
    CHECK(request.head.method == "REPORT");
    CHECK(request.head.target == "/there");
    CHECK(request.body == "query");
    CHECK(request.last_event_id() == "1");
    CHECK(request.head.fields.count("Last-Event-ID") == 1);
}

TEST_CASE("C44: a hook takes the time it needs, and closing the stream ends it") {
    World world;
    const auto seen = std::make_shared<Seen>();
    bool left = false;
    world.options.before_attempt = [seen, &left](UpcomingAttempt&) -> Awaitable<std::error_code> {
        struct Leaving {
            bool& left;
            ~Leaving() { left = true; }
        };
        const Leaving leaving{left};
        const auto executor = co_await asio::this_coro::executor;
        AsyncEvent never{executor};
        seen->attempts.push_back(0);
        co_await never.wait();
        co_return std::error_code{};
    };
    world.server.otherwise(Reaction::stream().event("a").stall());
    auto stream = world.open();
    Task<std::optional<SseEvent>> task{world.io, stream->next()};
    advance_clock(world.io, 1h);
    CHECK(seen->attempts.size() == 1);
    CHECK_FALSE(task.done());
    CHECK(world.server.connections() == 0);
    SECTION("close") { stream->close(); }
    SECTION("destruction") { stream.reset(); }
    run_until_idle(world.io);
    CHECK(task.done());
    CHECK(left);
}

TEST_CASE("C44: a hook's error or exception is the attempt's failure, told with its phase and retried") {
    World world;
    std::string told;
    SECTION("an error") {
        world.options.before_attempt = [](UpcomingAttempt& upcoming) -> Awaitable<std::error_code> {
            if (upcoming.attempts == 0) co_return std::make_error_code(std::errc::permission_denied);
            co_return std::error_code{};
        };
        told = std::make_error_code(std::errc::permission_denied).message();
    }
    SECTION("an exception of the standard's") {
        world.options.before_attempt = [](UpcomingAttempt& upcoming) -> Awaitable<std::error_code> {
            if (upcoming.attempts == 0) throw std::runtime_error{"no token"};
            co_return std::error_code{};
        };
        told = "the hook before the attempt failed";
    }
    SECTION("one with a code") {
        world.options.before_attempt = [](UpcomingAttempt& upcoming) -> Awaitable<std::error_code> {
            if (upcoming.attempts == 0) throw std::system_error{make_error_code(Error::response_timeout)};
            co_return std::error_code{};
        };
        told = "timed out waiting for the response head";
    }
    world.server.otherwise(Reaction::stream().event("a").stall());
    const auto stream = world.open();
    Task<StreamItem> first{world.io, stream->next_item()};
    REQUIRE(first.wait());
    CHECK(describe(first.value()) == "waiting 100ms: " + told);
    CHECK(first.value().phase == Phase::prepare);
    CHECK(world.server.connections() == 0);
    CHECK(world.next(*stream) == "a");
}

TEST_CASE("C17, C45: 401 asks the hook once, at once, with the same cursor; twice in a row ends the stream") {
    World world;
    const auto seen = std::make_shared<Seen>();
    world.options.before_attempt = bearer(seen);
    world.server.then(Reaction::stream().event("a", "1").truncate()).then(Reaction::respond(401, "expired"));
    SECTION("renewed") {
        world.server.then(Reaction::stream().event("b", "2").stall());
        const auto stream = world.open();
        const Lines story = world.story(*stream, 7);
        CHECK(story == Lines{"opened", "event a #1", "dropped truncated: connection ended inside the message",
                             "waiting 100ms: connection ended inside the message", "waiting 0ms: unexpected HTTP status", "opened",
                             "resumed resumed"});
        CHECK(world.cursors() == Lines{"-", "1", "1"});
        CHECK(tokens(world) == Lines{"Bearer 1", "Bearer 2", "Bearer 3"});
    }
    SECTION("refused again") {
        world.server.otherwise(Reaction::respond(401, "no"));
        const auto stream = world.open();
        CHECK(world.story(*stream).back() == "finished: unexpected HTTP status");
        CHECK(world.server.requests().size() == 3);
        CHECK(stream->error_body() == "no");
    }
    SECTION("without a hook it ends at once") {
        world.options.before_attempt = nullptr;
        const auto stream = world.open();
        CHECK(world.story(*stream).back() == "finished: unexpected HTTP status");
        CHECK(world.server.requests().size() == 2);
    }
}

TEST_CASE("C45: a POST refused with 401 was not carried out, and goes out again with a new token") {
    World world;
    const auto seen = std::make_shared<Seen>();
    world.options.before_attempt = bearer(seen);
    world.server.then(Reaction::respond(401)).then(Reaction::stream().event("a").clean());
    HttpRequest request = world.request("/ask", "POST");
    request.body = "question";
    const auto stream = world.open(std::move(request));
    CHECK(world.story(*stream).back() == "finished");
    REQUIRE(world.server.requests().size() == 2);
    CHECK(world.server.requests().back().body == "question");
}

TEST_CASE("C46: a request that the hook made a POST is treated as one") {
    World world;
    world.options.before_attempt = [](UpcomingAttempt& upcoming) -> Awaitable<std::error_code> {
        upcoming.request.method = "POST";
        co_return std::error_code{};
    };
    world.server.then(Reaction::stream().event("a", "1").truncate()).otherwise(Reaction::stream().event("again").stall());
    const auto stream = world.open();
    CHECK(world.story(*stream).back() == "finished: request was cut and must not be sent again");
    CHECK(world.server.requests().size() == 1);
}

TEST_CASE("a hook's failure is its own, also when it speaks of a circuit breaker, and says nothing about the server") {
    World world;
    CircuitBreakerOptions breaker;
    breaker.failures = 1;
    const bool with_breakers = GENERATE(false, true);
    if (with_breakers) world.options.breakers = std::make_shared<CircuitBreakers>(breaker);
    world.options.before_attempt = [](UpcomingAttempt& upcoming) -> Awaitable<std::error_code> {
        if (upcoming.attempts < 3) co_return Error::circuit_open;
        co_return std::error_code{};
    };
    world.server.otherwise(Reaction::stream().event("a").stall());
    const auto stream = world.open();
    CHECK(world.story(*stream, 5) == Lines{"waiting 100ms: circuit breaker is open", "waiting 200ms: circuit breaker is open",
                                           "waiting 400ms: circuit breaker is open", "opened", "event a"});
}

}  // namespace
}  // namespace rejoin::testing
