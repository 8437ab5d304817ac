#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <rejoin/net/connector.hpp>
#include <rejoin/testing/scripted_server.hpp>

#include "support/catch.hpp"
#include "testing/client.hpp"

namespace rejoin::testing {
namespace {

using namespace std::chrono_literals;

TEST_CASE("scripted server: reactions are taken in order, then the default") {
    asio::io_context io;
    ScriptedServer server{io};
    server.then(Reaction::respond(200, "one")).then(Reaction::respond(503).field("Retry-After", "2"));
    CHECK(server.script_left() == 2);
    CHECK(server.url("/x") == "http://127.0.0.1:" + std::to_string(server.port()) + "/x");

    const Reply first = fetch_now(io, server.port(), get("/a"));
    CHECK(first.head.status == 200);
    CHECK(first.body == "one");
    CHECK_FALSE(first.error);
    const Reply second = fetch_now(io, server.port(), get("/b"));
    CHECK(second.head.status == 503);
    CHECK(second.head.fields.get("Retry-After") == "2");
    CHECK(fetch_now(io, server.port(), get("/c")).head.status == 404);
    server.otherwise(Reaction::respond(204));
    CHECK(fetch_now(io, server.port(), get("/d")).head.status == 204);

    REQUIRE(server.requests().size() == 4);
    CHECK(server.requests()[1].head.target == "/b");
    CHECK(server.requests()[3].connection == 4);
    CHECK(server.connections() == 4);
}

TEST_CASE("scripted server: records requests with all their fields and bodies") {
    asio::io_context io;
    ScriptedServer server{io};
    fetch_now(io, server.port(), get("/", "Last-Event-ID: 7\r\nLast-Event-ID: 8\r\n"));
    fetch_now(io, server.port(), post("/p", "{\"a\":1}"));
    REQUIRE(server.requests().size() == 2);
    CHECK(server.requests()[0].head.fields.count("last-event-id") == 2);
    CHECK(server.requests()[0].last_event_id() == "7");
    CHECK(server.requests()[1].body == "{\"a\":1}");
    CHECK(server.requests()[1].complete);
    CHECK_FALSE(server.requests()[1].last_event_id());
}

TEST_CASE("scripted server: a decision made when the request is there") {
    asio::io_context io;
    ScriptedServer server{io};
    server.otherwise([](const RecordedRequest& request) { return Reaction::respond(200, request.head.target); });
    CHECK(fetch_now(io, server.port(), get("/now")).body == "/now");
}

TEST_CASE("scripted server: framings, each ended clean") {
    asio::io_context io;
    ScriptedServer server{io};
    const std::string expected = "event: tick\ndata: a\ndata: b\nid: 1\n\n:hi\nretry: 50\n\n";
    const auto framing = GENERATE(Framing::chunked, Framing::content_length, Framing::close_delimited);
    server.then(Reaction::stream(framing).event("a\nb", "1", "tick").comment("hi").retry(50ms));
    const Reply reply = fetch_now(io, server.port(), get());
    CHECK(reply.head.fields.get("Content-Type") == "text/event-stream");
    CHECK(reply.body == expected);
    CHECK_FALSE(reply.error);
    CHECK(reply.keep_alive == (framing != Framing::close_delimited));
}

TEST_CASE("scripted server: endings are told apart by the client") {
    asio::io_context io;
    ScriptedServer server{io};

    SECTION("no last chunk") {
        server.then(Reaction::stream().event("a").truncate());
        const Reply reply = fetch_now(io, server.port(), get());
        CHECK(reply.body == "data: a\n\n");
        CHECK(reply.error == Error::truncated);
    }
    SECTION("inside a chunk") {
        server.then(Reaction::stream().open_chunk("data: ha", 20).truncate());
        const Reply reply = fetch_now(io, server.port(), get());
        CHECK(reply.body == "data: ha");
        CHECK(reply.error == Error::truncated);
    }
    SECTION("short of the Content-Length") {
        server.then(Reaction::stream(Framing::content_length).event("a").truncate());
        const Reply reply = fetch_now(io, server.port(), get());
        CHECK(reply.body == "data: a\n\n");
        CHECK(reply.error == Error::truncated);
    }
    SECTION("reset, after what was sent") {
        server.then(Reaction::stream().event("a").reset());
        const Reply reply = fetch_now(io, server.port(), get());
        CHECK(reply.body == "data: a\n\n");
        CHECK(reply.error == asio::error::connection_reset);
    }
    SECTION("before the head") {
        server.then(Reaction{}.truncate());
        CHECK(fetch_now(io, server.port(), get()).error == Error::end_of_stream);
        server.then(Reaction{}.reset());
        CHECK(fetch_now(io, server.port(), get()).error == asio::error::connection_reset);
    }
    SECTION("inside the head") {
        server.then(Reaction{}.send("HTTP/1.1 200 OK\r\nContent-Ty").truncate());
        CHECK(fetch_now(io, server.port(), get()).error == Error::truncated);
    }
}

TEST_CASE("scripted server: raw bytes and interim responses") {
    asio::io_context io;
    ScriptedServer server{io};
    server.then(Reaction{}.send("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\ndata: x").truncate());
    const auto both = [&]() -> Awaitable<Reply> {
        auto socket = co_await dial(server.port());
        Client client{std::move(socket)};
        Reply reply = co_await client.ask(get());
        CHECK(reply.head.status == 103);
        co_await client.read(reply);
        co_return std::move(reply);
    };
    const Reply reply = run(io, both());
    CHECK(reply.head.status == 200);
    CHECK(reply.body == "data: x");
    CHECK_FALSE(reply.error);  // delimited by the close
}

TEST_CASE("scripted server: keeps the connection for the next request, or as the script says") {
    asio::io_context io;
    ScriptedServer server{io};
    server.then(Reaction::respond(200, "1")).then(Reaction::stream().event("2")).then(Reaction::respond(200, "3").truncate());
    const auto three = [&]() -> Awaitable<> {
        auto socket = co_await dial(server.port());
        Client client{std::move(socket)};
        const std::string pipelined = get("/1") + get("/2");
        Reply reply = co_await client.ask(pipelined);
        CHECK(reply.body == "1");
        reply = {};
        co_await client.read(reply);
        CHECK(reply.body == "data: 2\n\n");
        reply = co_await client.ask(get("/3"));
        CHECK(reply.error == Error::truncated);
    };
    run(io, three());
    CHECK(server.connections() == 1);
    REQUIRE(server.requests().size() == 3);
    CHECK(server.requests()[2].connection == 1);
}

TEST_CASE("scripted server: pieces are seen one by one") {
    asio::io_context io;
    ScriptedServer server{io};
    server.then(Reaction::stream(Framing::close_delimited).pieces(1).event("a", "1"));
    const Reply reply = fetch_now(io, server.port(), get());
    CHECK(reply.body == "data: a\nid: 1\n\n");
    CHECK(reply.pieces.size() == reply.body.size());
}

TEST_CASE("scripted server: a gate holds the script until the test opens it") {
    asio::io_context io;
    ScriptedServer server{io};
    Gate gate;
    server.otherwise(Reaction::stream().event("a").wait(gate).event("b"));
    std::optional<Reply> one;
    std::optional<Reply> two;
    asio::co_spawn(io, fetch(server.port(), get()), [&](std::exception_ptr, Reply reply) { one = std::move(reply); });
    asio::co_spawn(io, fetch(server.port(), get()), [&](std::exception_ptr, Reply reply) { two = std::move(reply); });
    REQUIRE(run_until(io, [&] { return gate.waiting() == 2; }));
    run_until_idle(io);
    CHECK_FALSE(one);
    gate.open();
    CHECK(gate.waiting() == 0);
    REQUIRE(run_until(io, [&] { return one && two; }));
    CHECK(one->body == "data: a\n\ndata: b\n\n");
    CHECK(fetch_now(io, server.port(), get()).body == one->body);  // still open
    gate.close();
    CHECK_FALSE(gate.is_open());
}

TEST_CASE("scripted server: delays are on the clock of the traits") {
    asio::io_context io;
    BasicScriptedServer<ManualTraits> server{io};
    server.then(Reaction::stream().delay(1h).event("late"));
    std::optional<Reply> reply;
    asio::co_spawn(io, fetch(server.port(), get()), [&](std::exception_ptr, Reply got) { reply = std::move(got); });
    REQUIRE(run_until(io, [&] { return ManualClock::next().has_value(); }));
    advance_clock(io, 1h - 1ms);
    CHECK_FALSE(reply);
    ManualClock::advance(1ms);
    REQUIRE(run_until(io, [&] { return reply.has_value(); }));
    CHECK(reply->body == "data: late\n\n");
}

TEST_CASE("scripted server: stalls until the client leaves, and sees it leave") {
    asio::io_context io;
    ScriptedServer server{io};
    Gate never;
    const std::vector<Reaction> ways{Reaction::silence(), Reaction::stream().wait(never), Reaction::stream().stall(),
                                     Reaction::stream().delay(1h), Reaction::on_connect().stall()};
    const auto way = static_cast<std::size_t>(GENERATE(0, 1, 2, 3, 4));
    const Reaction& reaction = ways[way];
    server.then(reaction);
    {
        std::optional<Client> client;
        const auto begin = [&]() -> Awaitable<> {
            auto socket = co_await dial(server.port());
            client.emplace(std::move(socket));
            const std::string request = get();
            co_await client->http.write(request, Duration::zero());
        };
        run(io, begin());
        REQUIRE(run_until(io, [&] { return server.connections() == 1; }));
        run_until_idle(io);
        CHECK(server.open_connections() == 1);
        CHECK_FALSE(server.closed_by_client(1));
        CHECK(server.requests().size() == (reaction.is_on_connect() ? 0 : 1));
        CHECK(never.waiting() == (way == 1 ? 1 : 0));
    }
    REQUIRE(run_until(io, [&] { return server.open_connections() == 0; }));
    run_until_idle(io);
    CHECK(server.closed_by_client(1));
    CHECK_FALSE(server.closed_by_client(2));
    CHECK(never.waiting() == 0);
}

TEST_CASE("scripted server: ends of its own are not the client's") {
    asio::io_context io;
    ScriptedServer server{io};
    server.then(Reaction::stream().truncate());
    fetch_now(io, server.port(), get());
    run_until_idle(io);
    CHECK(server.open_connections() == 0);
    CHECK_FALSE(server.closed_by_client(1));
}

TEST_CASE("scripted server: closes or resets as soon as it has accepted") {
    asio::io_context io;
    ScriptedServer server{io};
    const auto listen_only = [&]() -> Awaitable<Reply> {
        auto socket = co_await dial(server.port());
        Client client{std::move(socket)};
        Reply reply;
        co_await client.read(reply);
        co_return std::move(reply);
    };
    server.then(Reaction::on_connect().truncate());
    CHECK(run(io, listen_only()).error == Error::end_of_stream);
    server.then(Reaction::on_connect().reset());
    CHECK(run(io, listen_only()).error == asio::error::connection_reset);
    server.then(Reaction::on_connect().send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"));
    CHECK(run(io, listen_only()).head.status == 408);
}

TEST_CASE("scripted server: refuses connections, and listens again on the same port") {
    asio::io_context io;
    ScriptedServer server{io};
    const auto port = server.port();
    server.otherwise(Reaction::respond(204));
    server.refuse();
    const auto attempt = [&]() -> Awaitable<std::error_code> {
        const ConnectOptions options_of_connect;
        auto socket = co_await connect<DefaultTraits>("127.0.0.1", port, options_of_connect);
        co_return socket.error();
    };
    CHECK(run(io, attempt()) == asio::error::connection_refused);
    server.listen();
    CHECK(server.port() == port);
    CHECK(fetch_now(io, port, get()).head.status == 204);
    server.refuse();
    server.listen();  // before the first accept has ended
    CHECK(fetch_now(io, port, get()).head.status == 204);
    CHECK(server.connections() == 2);
}

TEST_CASE("scripted server: connections closed from outside the script") {
    asio::io_context io;
    ScriptedServer server{io};
    server.otherwise(Reaction::stream().event("a").stall());
    const bool by_reset = GENERATE(false, true);
    std::optional<Reply> reply;
    asio::co_spawn(io, fetch(server.port(), get()), [&](std::exception_ptr, Reply got) { reply = std::move(got); });
    REQUIRE(run_until(io, [&] { return server.requests().size() == 1; }));
    run_until_idle(io);
    server.close_connections(by_reset);
    REQUIRE(run_until(io, [&] { return reply.has_value(); }));
    CHECK(reply->body == "data: a\n\n");
    CHECK(reply->error == (by_reset ? std::error_code{asio::error::connection_reset} : std::error_code{Error::truncated}));
}

TEST_CASE("scripted server: a test in a coroutine waits for requests") {
    asio::io_context io;
    ScriptedServer server{io};
    server.otherwise(Reaction::silence());
    const auto test = [&]() -> Awaitable<> {
        const auto executor = co_await asio::this_coro::executor;
        asio::co_spawn(executor, fetch(server.port(), get()), [](std::exception_ptr, const Reply&) {});
        asio::co_spawn(executor, fetch(server.port(), get()), [](std::exception_ptr, const Reply&) {});
        co_await server.wait_for_requests(2);
        CHECK(server.requests().size() == 2);
    };
    run(io, test());
}

TEST_CASE("scripted server: may end before its io_context, and with it, at any time") {
    asio::io_context io;
    std::optional<Reply> reply;
    {
        ScriptedServer server{io};
        server.otherwise(Reaction::stream().event("a").stall());
        asio::co_spawn(io, fetch(server.port(), get()), [&](std::exception_ptr, Reply got) { reply = std::move(got); });
        REQUIRE(run_until(io, [&] { return server.requests().size() == 1; }));
        run_until_idle(io);
    }
    REQUIRE(run_until(io, [&] { return reply.has_value(); }));
    CHECK(reply->error == Error::truncated);

    asio::io_context other;
    ScriptedServer server{other};
    server.otherwise(Reaction::stream().delay(1h));
    asio::co_spawn(other, fetch(server.port(), get()), [](std::exception_ptr, const Reply&) {});
    REQUIRE(run_until(other, [&] { return server.requests().size() == 1; }));
}

}  // namespace
}  // namespace rejoin::testing
