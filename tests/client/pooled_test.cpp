#include <memory>
#include <string>
#include <utility>

#include "client/support.hpp"

namespace rejoin::testing {
namespace {

using Pool = BasicSseConnectionManager<ManualTraits>;

struct PooledWorld : World {
    using Answer = Result<Client::Response>;

    PooledWorld() {
        pooled.connect = options.client.connect;
        pooled.idle_timeout = Duration::zero();
        pool = Pool::create(io.get_executor(), pooled);
    }
    ~PooledWorld() {
        pool->clear();
        run_until_idle(io);
    }

    // Status and body of a request's answer, or the error.
    std::string ask(std::string method = "GET") {
        Client client{options.client, pool};
        Task<Answer> task{io, client.send(request("/", std::move(method)))};
        REQUIRE(task.wait());
        Answer answer = std::move(task.value());
        if (!answer) return answer.error().message();
        Task<std::error_code> body{io, answer->read_body(1000, Duration::zero())};
        REQUIRE(body.wait());
        if (body.value()) return body.value().message();
        return std::to_string(answer->status()) + " " + answer->body_so_far();
    }

    SseConnectionManagerOptions pooled;
    std::shared_ptr<Pool> pool;
};

TEST_CASE("regular responses and streams share connections") {
    PooledWorld world;
    world.server.then(Reaction::respond(200, "one")).then(Reaction::stream().event("a", "1").clean())
        .then(Reaction::respond(200, "two")).otherwise(Reaction::stream().event("b", "2").stall());
    CHECK(world.ask() == "200 one");
    Stream stream{world.io.get_executor(), world.request(), world.options, world.pool};
    CHECK(world.next(stream) == "a");
    CHECK(world.story(stream, 2).at(0) == "dropped complete");
    CHECK(world.ask() == "200 two");
    CHECK(world.next(stream) == "b");
    CHECK(world.server.connections() == 1);
    CHECK(world.pool->idle() == 0);
}

TEST_CASE("a stream that has come to its last event gives its connection back when nothing else was to come") {
    PooledWorld world;
    world.options.terminal = [](const SseEventView& event) { return event.data == "[DONE]"; };
    bool clean = true;
    SECTION("whole") { world.server.then(Reaction::stream().event("[DONE]").clean()); }
    SECTION("open") {
        world.server.then(Reaction::stream().event("[DONE]").stall());
        clean = false;
    }
    Stream stream{world.io.get_executor(), world.request(), world.options, world.pool};
    CHECK(world.events(stream, 1) == Lines{"[DONE]"});
    run_until_idle(world.io);  // the last chunk has arrived by now
    CHECK(world.next(stream) == "(end)");
    CHECK(world.pool->idle() == (clean ? 1U : 0U));
}

TEST_CASE("a response that is left half read takes its connection with it") {
    PooledWorld world;
    world.server.then(Reaction::respond(200, std::string(5000, 'x'))).otherwise(Reaction::respond(200, "two"));
    CHECK(world.ask() == "body too large");
    CHECK(world.ask() == "200 two");
    CHECK(world.server.connections() == 2);
}

TEST_CASE("C56: a pooled connection that turns out to be dead is replaced once, unseen") {
    PooledWorld world;
    world.server.then(Reaction::respond(200, "one"));
    // Ends the connection upon the next request, before a byte of the answer.
    SECTION("closed") { world.server.then(Reaction{}.truncate()); }
    SECTION("reset") { world.server.then(Reaction{}.reset()); }
    world.server.then(Reaction::respond(200, "two"));
    CHECK(world.ask() == "200 one");
    CHECK(world.ask() == "200 two");
    CHECK(world.server.connections() == 2);
}

TEST_CASE("C56: for a stream it is no outage: no wait, no failure, no breaker") {
    PooledWorld world;
    CircuitBreakerOptions breaker;
    breaker.failures = 1;
    world.options.breakers = std::make_shared<CircuitBreakers>(breaker);
    world.server.then(Reaction::respond(200, "one")).then(Reaction{}.reset()).then(Reaction::stream().event("a").stall());
    CHECK(world.ask() == "200 one");
    Stream stream{world.io.get_executor(), world.request(), world.options, world.pool};
    CHECK(world.story(stream, 2) == Lines{"opened", "event a"});
}

TEST_CASE("C56: what was cut after it began, or on a fresh connection, is not sent again") {
    PooledWorld world;
    world.server.then(Reaction::respond(200, "one"));
    SECTION("within the head") { world.server.then(Reaction{}.send("HTTP/1.1 2").truncate()); }
    SECTION("twice dead") { world.server.then(Reaction{}.truncate()).then(Reaction{}.truncate()); }
    CHECK(world.ask() == "200 one");
    CHECK(world.ask() == "connection ended inside the message");
    CHECK(world.server.script_left() == 0);
}

TEST_CASE("C56: a request that is not idempotent never goes out on a used connection") {
    PooledWorld world;
    world.server.then(Reaction::respond(200, "one")).otherwise(Reaction::respond(200, "two"));
    CHECK(world.ask() == "200 one");
    CHECK(world.ask("POST") == "200 two");
    CHECK(world.server.connections() == 2);
    CHECK(world.ask() == "200 two");
    CHECK(world.server.connections() == 2);
}

TEST_CASE("a redirect's connection is used for where it leads") {
    PooledWorld world;
    world.server.then(Reaction::redirect(302, "/there")).then(Reaction::respond(200, "here"));
    CHECK(world.ask() == "200 here");
    CHECK(world.server.connections() == 1);
}

TEST_CASE("a content coding that was not asked for is an error for regular bodies, too") {
    PooledWorld world;
    world.server.otherwise(Reaction::respond(200, "zzz").field("Content-Encoding", "gzip"));
    CHECK(world.ask() == "content coding that was not asked for");
    HttpRequest asking = world.request();
    asking.headers.add("Accept-Encoding", "gzip");
    World::Client client{world.options.client};
    Task<PooledWorld::Answer> task{world.io, client.send(std::move(asking))};
    REQUIRE(task.wait());
    Task<std::error_code> body{world.io, task.value()->read_body(1000, Duration::zero())};
    REQUIRE(body.wait());
    CHECK_FALSE(body.value());
    CHECK(task.value()->body_so_far() == "zzz");
}

// Fails behind its first piece.
class Failing final : public BodySource {
public:
    std::optional<std::uint64_t> size() const override { return std::nullopt; }
    bool rewind() override { return true; }
    Awaitable<Result<std::string_view>> next() override {
        if (std::exchange(begun_, true)) co_return std::error_code{asio::error::eof};
        co_return std::string_view{"piece"};
    }

private:
    bool begun_ = false;
};

TEST_CASE("a connection with an unfinished request on it never goes back, used before or not") {
    PooledWorld world;
    world.server.otherwise(Reaction::respond(200, "x"));
    CHECK(world.ask() == "200 x");
    HttpRequest request = world.request("/", "PUT");
    request.source = std::make_shared<Failing>();
    World::Client client{world.options.client, world.pool};
    Task<PooledWorld::Answer> task{world.io, client.send(std::move(request))};
    REQUIRE(task.wait());
    CHECK(task.value().error() == asio::error::eof);
    CHECK(world.pool->idle() == 0);
    CHECK(world.ask() == "200 x");
    CHECK(world.server.connections() == 2);
}

}  // namespace
}  // namespace rejoin::testing
