#include <chrono>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <rejoin/net/connector.hpp>
#include <rejoin/testing/flaky_upstream.hpp>

#include "support/catch.hpp"
#include "testing/client.hpp"

namespace rejoin::testing {
namespace {

using namespace std::chrono_literals;

std::vector<std::uint64_t> range(std::uint64_t first, std::uint64_t last) {
    std::vector<std::uint64_t> numbers(last - first + 1);
    std::iota(numbers.begin(), numbers.end(), first);
    return numbers;
}

std::string resume(std::string_view id, std::string_view target = "/") {
    return get(target, "Last-Event-ID: " + std::string{id} + "\r\n");
}

FlakyOptions cut_after(std::uint64_t events, FlakyEnd end = FlakyEnd::clean) {
    FlakyOptions options;
    options.cut_events = events;
    options.ends = {end};
    return options;
}

TEST_CASE("flaky upstream: each fresh request begins at 1, one with an id goes on behind it") {
    asio::io_context io;
    FlakyOptions options = cut_after(5);
    options.ids = GENERATE(FlakyIds::numeric, FlakyIds::text);
    FlakyUpstream upstream{io, options};
    const Reply first = fetch_now(io, upstream.port(), get());
    CHECK(first.head.fields.get("Content-Type") == "text/event-stream");
    CHECK(numbers_in(first.body) == range(1, 5));
    CHECK_FALSE(first.error);
    CHECK(numbers_in(fetch_now(io, upstream.port(), get("/other")).body) == range(1, 5));
    CHECK(numbers_in(fetch_now(io, upstream.port(), resume(upstream.history().id(5))).body) == range(6, 10));
    CHECK(numbers_in(fetch_now(io, upstream.port(), resume("garbage")).body) == range(1, 5));
    CHECK(numbers_in(fetch_now(io, upstream.port(), resume("")).body) == range(1, 5));
    CHECK(upstream.stats().streams == 5);
    CHECK(upstream.stats().resumed == 3);
    CHECK(upstream.stats().events_sent == 25);
    CHECK(upstream.stats().cuts == 5);
}

TEST_CASE("flaky upstream: ways of replay") {
    asio::io_context io;
    FlakyUpstream upstream{io, cut_after(3)};
    const auto answer = [&](FlakyReplay replay) {
        upstream.options().replay = replay;
        return numbers_in(fetch_now(io, upstream.port(), resume("7")).body);
    };
    CHECK(answer(FlakyReplay::exact) == range(8, 10));
    CHECK(answer(FlakyReplay::inclusive) == range(7, 10));  // what is replayed doesn't count towards the cut
    CHECK(answer(FlakyReplay::from_start) == range(1, 10));
    CHECK(answer(FlakyReplay::lost) == range(18, 20));
    CHECK(answer(FlakyReplay::none) == range(31, 33));  // behind the highest sent, ten lost
    CHECK(answer(FlakyReplay::none) == range(44, 46));
}

TEST_CASE("flaky upstream: no ids, so everyone begins at the start") {
    asio::io_context io;
    FlakyOptions options = cut_after(2);
    options.ids = FlakyIds::none;
    FlakyUpstream upstream{io, options};
    const Reply reply = fetch_now(io, upstream.port(), resume("1"));
    CHECK(numbers_in(reply.body) == range(1, 2));
    CHECK(reply.body.find("id:") == std::string::npos);
}

TEST_CASE("flaky upstream: ways of ending, as the client sees them") {
    asio::io_context io;
    const auto end = GENERATE(FlakyEnd::clean, FlakyEnd::truncated, FlakyEnd::mid_event, FlakyEnd::reset, FlakyEnd::close_delimited);
    FlakyUpstream upstream{io, cut_after(4, end)};
    const Reply reply = fetch_now(io, upstream.port(), get());
    CHECK(numbers_in(reply.body) == range(1, 4));
    const bool truncated = end == FlakyEnd::truncated || end == FlakyEnd::mid_event;
    if (truncated) CHECK(reply.error == Error::truncated);
    else if (end == FlakyEnd::reset) CHECK(reply.error == asio::error::connection_reset);
    else CHECK_FALSE(reply.error);
    CHECK(reply.keep_alive == (end != FlakyEnd::close_delimited));
    CHECK(reply.body.ends_with("\n\n") == (end != FlakyEnd::mid_event));
}

TEST_CASE("flaky upstream: a stalled stream is silent until the client leaves") {
    asio::io_context io;
    FlakyUpstream upstream{io, cut_after(2, FlakyEnd::stall)};
    {
        auto socket = run(io, dial(upstream.port()));
        Client client{std::move(socket)};
        const std::string request = get();
        const Reply reply = run(io, client.ask(request, 50));
        CHECK(numbers_in(reply.body) == range(1, 2));
        run_until_idle(io);
        CHECK(upstream.stats().cuts == 1);
        CHECK(upstream.open_connections() == 1);
    }
    CHECK(run_until(io, [&] { return upstream.open_connections() == 0; }));
    CHECK(upstream.stats().open_streams == 0);
}

TEST_CASE("flaky upstream: takes its ends in turn") {
    asio::io_context io;
    FlakyOptions options = cut_after(1);
    options.ends = {FlakyEnd::clean, FlakyEnd::truncated, FlakyEnd::reset};
    FlakyUpstream upstream{io, options};
    std::vector<std::error_code> errors;
    for (int i = 0; i < 6; ++i) errors.push_back(fetch_now(io, upstream.port(), get()).error);
    const std::vector<std::error_code> round{{}, Error::truncated, asio::error::connection_reset};
    CHECK(std::vector(errors.begin(), errors.begin() + 3) == round);
    CHECK(std::vector(errors.begin() + 3, errors.end()) == round);
}

TEST_CASE("flaky upstream: what follows the last event") {
    asio::io_context io;
    FlakyOptions options;
    options.events = 10;
    options.after_last = FlakyAfterLast::end;
    FlakyUpstream upstream{io, options};
    CHECK(numbers_in(fetch_now(io, upstream.port(), get()).body) == range(1, 10));
    const Reply empty = fetch_now(io, upstream.port(), resume("10"));
    CHECK(empty.head.status == 200);
    CHECK(empty.body.empty());
    CHECK_FALSE(empty.error);

    upstream.options().after_last = FlakyAfterLast::no_content;
    CHECK(numbers_in(fetch_now(io, upstream.port(), resume("4")).body) == range(5, 10));
    upstream.options().replay = GENERATE(FlakyReplay::exact, FlakyReplay::inclusive, FlakyReplay::from_start, FlakyReplay::lost);
    CHECK(fetch_now(io, upstream.port(), resume("10")).head.status == 204);
    CHECK(upstream.stats().no_content == 1);
}

TEST_CASE("flaky upstream: at a rate, and live, on the manual clock") {
    asio::io_context io;
    FlakyOptions options;
    options.rate = 10;
    options.cut_every = 1s + 50ms;
    options.ends = {FlakyEnd::truncated};
    options.replay = GENERATE(FlakyReplay::exact, FlakyReplay::none);
    BasicFlakyUpstream<ManualTraits> upstream{io, options};
    const auto story = [&](std::string request) {
        std::optional<Reply> reply;
        asio::co_spawn(io, fetch(upstream.port(), std::move(request)), [&](std::exception_ptr, Reply got) { reply = std::move(got); });
        REQUIRE(advance_clock_until(io, [&] { return reply.has_value(); }, 2s));
        return std::move(*reply);
    };
    const Reply first = story(get());
    CHECK(numbers_in(first.body) == range(1, 11));
    CHECK(first.error == Error::truncated);
    ManualClock::advance(3s);  // the client is away
    const Reply second = story(resume("11"));
    if (options.replay == FlakyReplay::exact) {
        CHECK(numbers_in(second.body) == range(12, 22));
    } else {
        CHECK(numbers_in(second.body) == range(42, 51));  // event 42 was due 4.1 s after the first
    }
}

TEST_CASE("flaky upstream: a cut in time reaches a client that doesn't read") {
    asio::io_context io;
    FlakyOptions options;
    options.cut_every = 1min;
    BasicFlakyUpstream<ManualTraits> upstream{io, options};
    auto socket = run(io, dial(upstream.port()));
    Client client{std::move(socket)};
    const auto ask = [&]() -> Awaitable<> {
        const std::string request = get();
        co_await client.http.write(request, Duration::zero());
    };
    run(io, ask());
    std::uint64_t sent = 1;
    const auto full = [&] { return sent != 0 && sent == std::exchange(sent, upstream.stats().events_sent); };
    for (int quiet = 0; quiet < 5; quiet = full() ? quiet + 1 : 0) io.run_one_for(5ms);
    CHECK(upstream.stats().open_streams == 1);
    advance_clock(io, 1min);
    CHECK(run_until(io, [&] { return upstream.open_connections() == 0; }));
    CHECK(upstream.stats().cuts == 1);
}

TEST_CASE("flaky upstream: heartbeats, retry and chunks across events arrive") {
    asio::io_context io;
    FlakyOptions options = cut_after(3);
    options.heartbeat = 1s;
    options.retry = 30ms;
    options.chunk_bytes = 7;
    options.data_size = 0;
    FlakyUpstream upstream{io, options};
    const Reply reply = fetch_now(io, upstream.port(), get());
    CHECK(reply.body == ":\nretry: 30\ndata: 1\nid: 1\n\ndata: 2\nid: 2\n\ndata: 3\nid: 3\n\n");
    CHECK(reply.pieces.front() == ":\n");
    CHECK(reply.pieces[1].size() == 7);
}

TEST_CASE("flaky upstream: cut by the test") {
    asio::io_context io;
    FlakyOptions options;
    options.events = 3;
    FlakyUpstream upstream{io, options};
    const auto end = GENERATE(FlakyEnd::clean, FlakyEnd::truncated, FlakyEnd::reset);
    std::optional<Reply> reply;
    asio::co_spawn(io, fetch(upstream.port(), get()), [&](std::exception_ptr, Reply got) { reply = std::move(got); });
    REQUIRE(run_until(io, [&] { return upstream.stats().events_sent == 3; }));
    run_until_idle(io);
    CHECK_FALSE(reply);
    upstream.cut_all(end);
    REQUIRE(run_until(io, [&] { return reply.has_value(); }));
    CHECK(numbers_in(reply->body) == range(1, 3));
    CHECK(static_cast<bool>(reply->error) == (end != FlakyEnd::clean));
    upstream.answer_with(429);
    CHECK(fetch_now(io, upstream.port(), get()).head.status == 429);
    upstream.answer_with(std::nullopt);
    CHECK(upstream.stats().refused == 1);
    CHECK(upstream.stats().most_streams == 1);
}

TEST_CASE("flaky upstream: outages") {
    asio::io_context io;
    FlakyOptions options;
    options.events = 1;
    options.outage_every = 10s;
    options.outage_for = 3s;
    options.outage = GENERATE(FlakyOutage::status, FlakyOutage::refuse);
    BasicFlakyUpstream<ManualTraits> upstream{io, options};
    const auto attempt = [&]() -> Awaitable<std::error_code> {
        const ConnectOptions options_of_connect;
        auto socket = co_await connect<DefaultTraits>("127.0.0.1", upstream.port(), options_of_connect);
        co_return socket.error();
    };
    for (int round = 0; round < 2; ++round) {
        std::optional<Reply> reply;
        asio::co_spawn(io, fetch(upstream.port(), get()), [&](std::exception_ptr, Reply got) { reply = std::move(got); });
        REQUIRE(run_until(io, [&] { return upstream.stats().open_streams == 1; }));
        advance_clock(io, 10s - 1ns - (round == 0 ? 0s : 3s));
        CHECK_FALSE(reply);
        advance_clock(io, 1ns);
        REQUIRE(run_until(io, [&] { return reply.has_value(); }));
        CHECK(reply->error == Error::truncated);
        if (options.outage == FlakyOutage::status) CHECK(fetch_now(io, upstream.port(), get()).head.status == 503);
        else CHECK(run(io, attempt()) == asio::error::connection_refused);
        advance_clock(io, 3s);
        CHECK_FALSE(run(io, attempt()));
    }
}

TEST_CASE("flaky upstream: POST is a stream too, its body recorded") {
    asio::io_context io;
    FlakyOptions options = cut_after(2);
    options.kept_body_bytes = 4;
    options.kept_bodies = 2;
    FlakyUpstream upstream{io, options};
    CHECK(numbers_in(fetch_now(io, upstream.port(), post("/v1", "first")).body) == range(1, 2));
    fetch_now(io, upstream.port(), post("/v1", "two"));
    fetch_now(io, upstream.port(), post("/v1", "third"));
    CHECK(upstream.stats().posts == 3);
    CHECK(upstream.stats().bodies == std::vector<std::string>{"firs", "two"});
}

TEST_CASE("flaky upstream: keeps the connection after a clean end, and for regular requests") {
    asio::io_context io;
    FlakyOptions options = cut_after(1);
    FlakyUpstream upstream{io, options};
    auto socket = run(io, dial(upstream.port()));
    Client client{std::move(socket)};
    const auto story = [&]() -> Awaitable<> {
        Reply reply = co_await client.ask(get());
        CHECK(numbers_in(reply.body) == range(1, 1));
        reply = co_await client.ask(get("/plain"));
        CHECK(reply.body == "a regular response\n");
        CHECK(reply.head.fields.get("Content-Type") == "text/plain");
        reply = co_await client.ask(get("/plain/100000?x=1"));
        CHECK(reply.body.size() == 100000);
        reply = co_await client.ask(get("/status/404"));
        CHECK(reply.head.status == 404);
        reply = co_await client.ask("DELETE / HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(reply.head.status == 405);
        client.http.parser().expect_no_body(true);
        reply = co_await client.ask("HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(reply.head.fields.get("Content-Type") == "text/event-stream");
        client.http.parser().expect_no_body(false);
        reply = co_await client.ask(post("/echo", "hello"));
        CHECK(reply.body == "hello");
        CHECK(reply.head.fields.get("Content-Length") == "5");
        reply = co_await client.ask("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
        CHECK(reply.body == "abcde");
        CHECK(reply.head.fields.get("Transfer-Encoding") == "chunked");
        reply = co_await client.ask("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
        CHECK(reply.head.status == 100);
        reply = co_await client.ask("ok");
        CHECK(reply.body == "ok");
    };
    run(io, story());
    CHECK(upstream.stats().connections == 1);
    CHECK(upstream.stats().streams == 1);
}

TEST_CASE("flaky upstream: echo streams, it doesn't wait for the body's end") {
    asio::io_context io;
    FlakyUpstream upstream{io, FlakyOptions{}};
    auto socket = run(io, dial(upstream.port()));
    Client client{std::move(socket)};
    const auto story = [&]() -> Awaitable<> {
        Reply reply = co_await client.ask("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 3);
        CHECK(reply.body == "abc");
        CHECK_FALSE(client.http.body_ended());
        co_await client.http.write("0\r\n\r\n", Duration::zero());
        co_await client.read_body(reply);
        CHECK(reply.body == "abc");
        CHECK_FALSE(reply.error);
    };
    run(io, story());
}

TEST_CASE("flaky upstream: HTTP/1.0 gets no chunks") {
    asio::io_context io;
    FlakyUpstream upstream{io, cut_after(2)};
    const Reply reply = fetch_now(io, upstream.port(), "GET / HTTP/1.0\r\n\r\n");
    CHECK(numbers_in(reply.body) == range(1, 2));
    CHECK_FALSE(reply.head.fields.contains("Transfer-Encoding"));
    CHECK_FALSE(reply.error);
}

Awaitable<> follow(std::uint16_t port, std::uint64_t last, std::vector<std::uint64_t>& seen) {
    std::string id;
    while (seen.size() < last) {
        std::string request = id.empty() ? get() : resume(id);
        const Reply reply = co_await fetch(port, std::move(request));
        for (const std::uint64_t n : numbers_in(reply.body)) seen.push_back(n);
        if (!seen.empty()) id = std::to_string(seen.back());
    }
}

TEST_CASE("flaky upstream: many clients, every end but stall, nothing lost on exact replay") {
    asio::io_context io;
    FlakyOptions options = cut_after(20);
    options.events = 200;
    options.ends = {FlakyEnd::clean, FlakyEnd::truncated, FlakyEnd::mid_event, FlakyEnd::reset, FlakyEnd::close_delimited};
    FlakyUpstream upstream{io, options};
    std::vector<std::vector<std::uint64_t>> seen(50);
    std::size_t done = 0;
    for (auto& one : seen) asio::co_spawn(io, follow(upstream.port(), 200, one), [&](std::exception_ptr) { ++done; });
    REQUIRE(run_until(io, [&] { return done == seen.size(); }));
    for (const auto& one : seen) CHECK(one == range(1, 200));
    CHECK(run_until(io, [&] { return upstream.open_connections() == 0; }));
}

TEST_CASE("flaky upstream: may end before its io_context, and with it, at any time") {
    asio::io_context io;
    std::optional<Reply> reply;
    FlakyOptions options;
    options.events = 1;
    options.outage_every = 10s;
    {
        FlakyUpstream upstream{io, options};
        asio::co_spawn(io, fetch(upstream.port(), get()), [&](std::exception_ptr, Reply got) { reply = std::move(got); });
        REQUIRE(run_until(io, [&] { return upstream.stats().events_sent == 1; }));
    }
    REQUIRE(run_until(io, [&] { return reply.has_value(); }));
    CHECK(reply->error == Error::truncated);
    CHECK(run_until(io, [&] { return io.stopped(); }));  // nothing keeps it running

    asio::io_context other;
    BasicFlakyUpstream<ManualTraits> upstream{other, options};
    asio::co_spawn(other, fetch(upstream.port(), get()), [](std::exception_ptr, const Reply&) {});
    REQUIRE(run_until(other, [&] { return upstream.stats().events_sent == 1; }));
}

TEST_CASE("flaky upstream: misuse throws") {
    asio::io_context io;
    FlakyOptions options;
    options.ends.clear();
    CHECK_THROWS_AS(FlakyUpstream(io, options), std::system_error);
    options = FlakyOptions{};
    options.address = "localhost.invalid";
    CHECK_THROWS_AS(FlakyUpstream(io, options), std::system_error);
}

}  // namespace
}  // namespace rejoin::testing
