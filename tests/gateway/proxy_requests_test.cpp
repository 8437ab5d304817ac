#include <string>

#include "gateway/proxy_fixture.hpp"

using namespace proxy_tests;
using testing::Framing;
using testing::Reaction;
using testing::run;
using testing::run_until;

namespace {

std::string field(const ResponseHead& head, std::string_view name) { return std::string{head.fields.get(name).value_or("(none)")}; }
std::string field(const RequestHead& head, std::string_view name) { return std::string{head.fields.get(name).value_or("(none)")}; }

// Sends bytes and gives back all that comes until the server closes.
std::string exchange(asio::io_context& io, const Proxy& proxy, std::string bytes) {
    asio::ip::tcp::socket socket{io};
    socket.connect(proxy.server.local_endpoint());
    socket.non_blocking(true);
    std::string answer;
    bool closed = false;
    std::size_t sent = 0;
    asio::steady_timer wake{io};
    const bool ended = run_until(io, [&] {
        std::error_code error;
        if (sent < bytes.size()) sent += socket.write_some(asio::buffer(bytes.data() + sent, bytes.size() - sent), error);
        error = {};
        std::array<char, 65536> buffer;
        while (!error) answer.append(buffer.data(), socket.read_some(asio::buffer(buffer), error));
        closed = error != asio::error::would_block;
        // Nothing of this socket wakes the io_context: it is looked at again soon.
        wake.expires_after(1ms);
        wake.async_wait([](std::error_code) {});
        return closed;
    });
    CHECK(ended);
    return answer;
}

}  // namespace

TEST_CASE("a regular request passes through, with what a proxy must change and nothing else") {
    asio::io_context io{1};
    testing::ScriptedServer upstream{io};
    upstream.then(Reaction::respond(201, "made", "text/x").field("X-Up", "1").field("Connection", "X-Hop").field("X-Hop", "gone"));
    ReverseProxyOptions options = quick(upstream.url("/base"));
    Proxy proxy{io, options};
    const Fetched got = whole(io, proxy.url("/"),
                              "PUT /a/b?c=%20d HTTP/1.1\r\nHost: public.example\r\nContent-Length: 3\r\nX-Own: v\r\n"
                              "Connection: close, X-Drop\r\nX-Drop: 1\r\nTE: trailers\r\nX-Forwarded-For: 9.9.9.9\r\n\r\nabc");
    CHECK(got.head.status == 201);
    CHECK(got.body == "made");
    CHECK(field(got.head, "X-Up") == "1");
    CHECK(field(got.head, "X-Hop") == "(none)");
    CHECK(field(got.head, "Content-Length") == "4");
    const auto& seen = upstream.requests().front();
    CHECK(seen.head.method == "PUT");
    CHECK(seen.head.target == "/base/a/b?c=%20d");
    CHECK(seen.body == "abc");
    CHECK(field(seen.head, "Host") == upstream.authority());
    CHECK(field(seen.head, "X-Own") == "v");
    CHECK(field(seen.head, "X-Drop") == "(none)");
    CHECK(field(seen.head, "TE") == "(none)");
    CHECK(field(seen.head, "X-Forwarded-For") == "9.9.9.9, 127.0.0.1");
    CHECK(field(seen.head, "X-Forwarded-Host") == "public.example");
    CHECK(field(seen.head, "Via") == "1.1 rejoin");
}

TEST_CASE("bodies of any size go both ways, in either framing, on one kept connection") {
    asio::io_context io{1};
    testing::FlakyUpstream upstream{io, testing::FlakyOptions{}};
    Proxy proxy{io, quick(upstream.url())};
    const std::string body(3'000'000, 'x');
    std::string chunks;
    for (std::size_t at = 0; at < body.size(); at += 100'000) append_chunk(chunks, std::string_view{body}.substr(at, 100'000));
    const std::string requests = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n" + body +
                                 "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + std::string{last_chunk} +
                                 "HEAD /plain HTTP/1.1\r\nHost: x\r\n\r\n"
                                 "GET /plain/100000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    const std::string answers = exchange(io, proxy, requests);
    CHECK(count(answers, "HTTP/1.1 200 OK\r\n") == 4);
    CHECK(std::count(answers.begin(), answers.end(), 'x') >= 6'000'000);
    CHECK(proxy.manager.metrics().requests.value() == 4);
}

TEST_CASE("what comes cut from the upstream arrives cut") {
    asio::io_context io{1};
    testing::ScriptedServer upstream{io};
    const Framing framing = GENERATE(Framing::chunked, Framing::content_length);
    ResponseHead head;
    upstream.then(Reaction{}.head(head, framing).body("half").truncate());
    Proxy proxy{io, quick(upstream.url())};
    const Fetched got = whole(io, proxy.url("/"), get("/"));
    CHECK(got.body == "half");
    CHECK(got.end == Error::truncated);
}

TEST_CASE("interim responses are handed on") {
    asio::io_context io{1};
    testing::ScriptedServer upstream{io};
    upstream.then(Reaction{}.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    Proxy proxy{io, quick(upstream.url())};
    const std::string answer = exchange(io, proxy, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    CHECK(answer.starts_with("HTTP/1.1 103 Early Hints\r\n"));
    CHECK(count(answer, "HTTP/1.1 200 OK\r\n") == 1);
    CHECK(answer.ends_with("\r\n\r\nok"));
}

TEST_CASE("an upstream that can't be had is 502, a silent one 504") {
    asio::io_context io{1};
    testing::ScriptedServer upstream{io};
    ReverseProxyOptions options = quick(upstream.url());
    options.client.response_timeout = 50ms;
    SECTION("refused") {
        upstream.refuse();
        Proxy proxy{io, options};
        CHECK(whole(io, proxy.url("/"), get("/")).head.status == 502);
    }
    SECTION("silent") {
        upstream.then(Reaction::silence());
        Proxy proxy{io, options};
        const Fetched got = whole(io, proxy.url("/"), get("/"));
        CHECK(got.head.status == 504);
        CHECK(got.body.find("timed out waiting for the response head") != std::string::npos);
    }
    SECTION("nonsense") {
        upstream.then(Reaction{}.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"));
        Proxy proxy{io, options};
        CHECK(whole(io, proxy.url("/"), get("/")).head.status == 502);
    }
}

TEST_CASE("requests past a limit or beside the standard are refused, and the refusal is read") {
    asio::io_context io{1};
    testing::FlakyUpstream upstream{io, testing::FlakyOptions{}};
    HttpServerOptions limits;
    limits.header_timeout = 100ms;
    Proxy proxy{io, quick(upstream.url()), limits};
    const auto status = [&](const std::string& bytes) {
        const std::string answer = exchange(io, proxy, bytes);
        CAPTURE(bytes.substr(0, 80));
        CHECK(answer.find("Connection: close") != std::string::npos);
        return answer.substr(9, 3);
    };
    CHECK(status(get("/" + std::string(8 * 1024, 'a'))) == "414");
    CHECK(status(get("/plain", "X: " + std::string(33 * 1024, 'a') + "\r\n")) == "431");
    std::string many;
    for (int i = 0; i < 101; ++i) many += "X: y\r\n";
    CHECK(status(get("/plain", many)) == "431");
    CHECK(status("GET /plain HTTP/1.1\r\nHost: x\r\n") == "408");
    CHECK(status("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") == "400");
    CHECK(status("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na") == "400");
    CHECK(status("NONSENSE\r\n\r\n") == "400");
    CHECK(upstream.stats().requests == 0);
}

TEST_CASE("one connection too many is told to come back later") {
    asio::io_context io{1};
    testing::FlakyUpstream upstream{io, testing::FlakyOptions{}};
    HttpServerOptions limits;
    limits.max_connections = 1;
    Proxy proxy{io, quick(upstream.url()), limits};
    asio::ip::tcp::socket first{io};
    first.connect(proxy.server.local_endpoint());
    CHECK(run_until(io, [&] { return proxy.server.connections() == 1; }));
    const std::string answer = exchange(io, proxy, get("/plain"));
    CHECK(answer.substr(9, 3) == "503");
    CHECK(answer.find("Retry-After: 5\r\n") != std::string::npos);
    first.close();
    CHECK(run_until(io, [&] { return proxy.server.connections() == 0; }));
    CHECK(whole(io, proxy.url("/plain"), get("/plain")).head.status == 200);
}

TEST_CASE("an idle connection is closed after the keep-alive time, by the server") {
    asio::io_context io{1};
    testing::FlakyUpstream upstream{io, testing::FlakyOptions{}};
    HttpServerOptions limits;
    limits.keep_alive = 50ms;
    Proxy proxy{io, quick(upstream.url()), limits};
    CHECK(exchange(io, proxy, "").empty());
    const std::string answer = exchange(io, proxy, get("/plain"));
    CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(answer.find("Connection: close") == std::string::npos);
}

TEST_CASE("one stream too many is told to come back later; regular requests still pass") {
    asio::io_context io{1};
    testing::FlakyOptions script;
    script.events = 1;
    testing::FlakyUpstream upstream{io, script};
    ReverseProxyOptions options = quick(upstream.url());
    options.directory.streams = 1;
    Proxy proxy{io, options};
    const auto first = run(io, fetch(proxy.url("/s"), get("/s"), [](const std::string& body) { return body.ends_with("\n\n"); }));
    CHECK(first->head.status == 200);
    const Fetched second = whole(io, proxy.url("/s"), get("/s"));
    CHECK(second.head.status == 503);
    CHECK(field(second.head, "Retry-After") == "5");
    CHECK(whole(io, proxy.url("/plain"), get("/plain")).head.status == 200);
    // Nor does the refused one stay connected upstream.
    CHECK(run_until(io, [&] { return upstream.stats().open_streams == 1; }));
}

TEST_CASE("all logs together keep to their budget") {
    asio::io_context io{1};
    testing::FlakyOptions script;
    script.events = 100;
    script.data_size = 1000;
    testing::FlakyUpstream upstream{io, script};
    ReverseProxyOptions options = quick(upstream.url());
    options.directory.bytes = 50'000;
    Proxy proxy{io, options};
    const auto done = [](const std::string& body) { return body.ends_with("id: 100\n\n"); };
    CHECK(run(io, fetch(proxy.url("/s"), get("/s"), done))->head.status == 200);
    // What was dropped for the budget is got from the upstream again.
    CHECK(run_until(io, [&] { return proxy.manager.gauges().log_bytes <= 50'000; }));
    const auto rest = run(io, fetch(proxy.url("/s"), get("/s", "Last-Event-ID: 10\r\n"), done));
    CHECK(count(rest->body, "data:") == 90);
    CHECK(upstream.stats().resumed == 1);
}

TEST_CASE("draining: streams end in the orderly way with a time to come back, then nothing is left") {
    asio::io_context io{1};
    testing::FlakyUpstream upstream{io, testing::FlakyOptions{}};
    upstream.options().rate = 200;
    Proxy proxy{io, quick(upstream.url())};
    bool ended = false;
    Fetched got;
    asio::co_spawn(io, fetch_all(proxy.url("/s"), get("/s")), [&](std::exception_ptr, Result<Fetched> result) {
        ended = true;
        if (result) got = std::move(*result);
    });
    CHECK(run_until(io, [&] { return proxy.manager.metrics().events.value() > 3; }));
    proxy.server.stop();
    run(io, proxy.manager.drain(50ms));
    CHECK(run_until(io, [&] { return ended; }));
    CHECK(got.end == std::error_code{});
    const std::size_t last_event = got.body.rfind("\n\n");
    CHECK(got.body.substr(last_event + 2).starts_with("retry: "));
    CHECK(run_until(io, [&] { return proxy.server.connections() == 0 && upstream.stats().open_streams == 0; }));
}

namespace {

// Sends a request whose body comes a byte at a time, and goes away at once or reads the answer.
Awaitable<std::string> upload_slowly(std::string url, std::size_t size, Duration between, bool stay) {
    const Url target = Url::parse(url).value();
    SseHttpClient client;
    auto connection = co_await client.open(target);
    std::string bytes = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n";
    asio::steady_timer pause{(*connection)->executor()};
    for (std::size_t i = 0; i <= size; ++i) {
        const std::error_code error = co_await (*connection)->write(bytes, 5s);
        if (error) co_return "write: " + error.message();
        bytes = "x";
        pause.expires_after(between);
        co_await pause.async_wait(asio::use_awaitable);
    }
    if (!stay) co_return std::string{};
    auto head = co_await (*connection)->read_head(10s, Error::response_timeout);
    co_return head ? std::to_string(head->status) : head.error().message();
}

}  // namespace

TEST_CASE("an upload may last longer than the answer to it may take") {
    asio::io_context io{1};
    testing::ScriptedServer upstream{io};
    ReverseProxyOptions options = quick(upstream.url());
    options.client.response_timeout = 100ms;
    Proxy proxy{io, options};
    SECTION("an answer behind it is in time") {
        upstream.then(Reaction::respond(200, "thanks"));
        CHECK(run(io, upload_slowly(proxy.url("/"), 8, 25ms, true)) == "200");
    }
    SECTION("none behind it is not") {
        upstream.then(Reaction::silence());
        CHECK(run(io, upload_slowly(proxy.url("/"), 2, 1ms, true)) == "504");
    }
    SECTION("who leaves behind it takes the request along") {
        options.client.response_timeout = 20s;
        Proxy patient{io, options};
        upstream.then(Reaction::silence());
        run(io, upload_slowly(patient.url("/"), 2, 5ms, false));
        CHECK(run_until(io, [&] { return upstream.connections() == 1 && upstream.closed_by_client(1); }, 5s));
    }
}
