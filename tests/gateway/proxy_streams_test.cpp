#include <array>
#include <string>
#include <vector>

#include "gateway/proxy_fixture.hpp"

using namespace proxy_tests;
using testing::FlakyEnd;
using testing::FlakyReplay;
using testing::Reaction;
using testing::run;
using testing::run_until;

TEST_CASE("a stream's head and frames are what every client can live with") {
    asio::io_context io{1};
    testing::ScriptedServer upstream{io};
    upstream.then(Reaction::stream().field("X-Own", "kept").field("Set-Cookie", "s=1").body("\xEF\xBB\xBFid: 7\revent: tick\rdata: a\rdata: b\r\r").stall());
    ReverseProxyOptions options = quick(upstream.url());
    options.retry = 300ms;
    Proxy proxy{io, options};
    const Fetched got = fetched(io, proxy.url("/s"), get("/s"), "id: 7\n\n");
    CHECK(got.head.status == 200);
    CHECK(field(got, "Content-Type") == "text/event-stream");
    CHECK(field(got, "Cache-Control") == "no-cache, no-transform");
    CHECK(field(got, "X-Accel-Buffering") == "no");
    CHECK(field(got, "Transfer-Encoding") == "chunked");
    CHECK(field(got, "X-Own") == "kept");
    CHECK(field(got, "Set-Cookie") == "s=1");
    CHECK(got.body == "retry: 300\n:\nevent: tick\ndata: a\ndata: b\nid: 7\n\n");
}

TEST_CASE("a client that comes back gets exactly the rest, marked as exact") {
    asio::io_context io{1};
    testing::FlakyOptions script;
    script.events = 10;
    testing::FlakyUpstream upstream{io, script};
    Proxy proxy{io, quick(upstream.url())};
    CHECK(count(fetched(io, proxy.url("/s"), get("/s"), "id: 10\n\n").body, "data:") == 10);
    SECTION("by header") {
        const Fetched rest = fetched(io, proxy.url("/s"), get("/s", "Last-Event-ID: 7\r\n"), "id: 10\n\n");
        CHECK(field(rest, "SSE-Resume") == "exact");
        CHECK(count(rest.body, "data:") == 3);
    }
    SECTION("by query, which is not part of the stream's name") {
        const Fetched rest = fetched(io, proxy.url("/s"), get("/s?lastEventId=7"), "id: 10\n\n");
        CHECK(field(rest, "SSE-Resume") == "exact");
        CHECK(count(rest.body, "data:") == 3);
    }
    SECTION("the header beats the query") {
        CHECK(count(fetched(io, proxy.url("/s"), get("/s?last_event_id=2", "Last-Event-ID: 9\r\n"), "id: 10\n\n").body, "data:") == 1);
    }
    CHECK(upstream.stats().requests == 1);
}

TEST_CASE("nobody is served from another's log") {
    asio::io_context io{1};
    testing::FlakyOptions script;
    script.events = 5;
    testing::FlakyUpstream upstream{io, script};
    ReverseProxyOptions options = quick(upstream.url());
    options.stream.ids = IdMode::minted;
    Proxy proxy{io, options};
    const Fetched mine = fetched(io, proxy.url("/s"), get("/s", "Authorization: Bearer me\r\n"), "-5-");
    const std::string id = id_of(mine.body, 1);
    const std::string back = "Last-Event-ID: " + id + "\r\n";
    const auto resumed = [&](const std::string& fields, const std::string& target = "/s") {
        return field(fetched(io, proxy.url(target), get(target, fields), "\n\n"), "SSE-Resume");
    };
    CHECK(resumed(back + "Authorization: Bearer me\r\n") == "exact");
    const std::string unknown = "gap; from=" + id + "; lost=unknown";
    CHECK(resumed(back + "Authorization: Bearer you\r\n") == unknown);
    CHECK(resumed(back) == unknown);
    CHECK(resumed(back + "Authorization: Bearer me\r\nCookie: a=b\r\n") == unknown);
    CHECK(resumed(back + "Authorization: Bearer me\r\nMcp-Session-Id: 1\r\n") == unknown);
    CHECK(resumed(back + "Authorization: Bearer me\r\n", "/other") == unknown);
    // A foreign id and one that never was get the same answer.
    CHECK(resumed("Last-Event-ID: rj-0000000000000001-1\r\n") == "gap; from=rj-0000000000000001-1; lost=unknown");
}

TEST_CASE("an upstream without ids: the proxy's own, good for coming back") {
    asio::io_context io{1};
    testing::FlakyOptions script;
    script.events = 6;
    script.ids = testing::FlakyIds::none;
    testing::FlakyUpstream upstream{io, script};
    Proxy proxy{io, quick(upstream.url())};
    const Fetched first = fetched(io, proxy.url("/s"), get("/s"), "-3-");
    const std::string id = id_of(first.body, 2);
    const Fetched rest = fetched(io, proxy.url("/s"), get("/s", "Last-Event-ID: " + id + "\r\n"), "-6-");
    CHECK(field(rest, "SSE-Resume") == "exact");
    CHECK(count(rest.body, "data:") == 4);

    SECTION("when it drops, nobody can say what was missed: that is said") {
        upstream.cut_all(FlakyEnd::reset);
        CHECK(run_until(io, [&] { return proxy.manager.metrics().gaps.value() == 1; }));
        const Fetched later = fetched(io, proxy.url("/s"), get("/s", "Last-Event-ID: " + id + "\r\n"), "sse-gap");
        CHECK(count(later.body, "event: sse-gap\ndata: {\"reason\":\"unverified\",\"from\":\"\",\"lost\":null}\n\n") == 1);
    }
}

TEST_CASE("a range that the upstream has lost is a gap signal in every open stream, not silence") {
    asio::io_context io{1};
    testing::FlakyOptions script;
    script.events = 60;
    script.cut_events = 20;
    script.ends = {FlakyEnd::reset};
    script.replay = FlakyReplay::lost;
    script.lost = 5;
    testing::FlakyUpstream upstream{io, script};
    ReverseProxyOptions options = quick(upstream.url());
    SECTION("by default") {
        Proxy proxy{io, options};
        const Fetched got = fetched(io, proxy.url("/s"), get("/s"), "id: 60\n\n");
        CHECK(count(got.body, "event: sse-gap\ndata: {\"reason\":\"gap_possible\",\"from\":\"20\",\"lost\":5}\n\n") == 1);
        CHECK(count(got.body, "event: sse-gap\n") == 2);
        CHECK(count(got.body, "id: 21\n") == 0);
        CHECK(count(got.body, "id: 26\n") == 1);
        CHECK(proxy.manager.metrics().gaps.value() == 2);
    }
    SECTION("an empty name turns the in-band signal off") {
        options.stream.gap_event = "";
        Proxy proxy{io, options};
        CHECK(count(fetched(io, proxy.url("/s"), get("/s"), "id: 60\n\n").body, "sse-gap") == 0);
        CHECK(proxy.manager.metrics().gaps.value() == 2);
    }
}

TEST_CASE("an upstream that starts over gives no duplicate and is counted as such") {
    asio::io_context io{1};
    testing::FlakyOptions script;
    script.events = 100;
    script.cut_events = 30;
    script.replay = FlakyReplay::from_start;
    testing::FlakyUpstream upstream{io, script};
    Proxy proxy{io, quick(upstream.url())};
    const Fetched got = fetched(io, proxy.url("/s"), get("/s"), "id: 100\n\n");
    for (int i = 1; i <= 100; ++i) CHECK(count(got.body, "id: " + std::to_string(i) + "\n\n") == 1);
    CHECK(proxy.manager.metrics().resumes[static_cast<std::size_t>(ResumeOutcome::restarted)].value() == 3);
    CHECK(proxy.manager.metrics().gaps.value() == 0);
}

TEST_CASE("an id that the log has lost") {
    asio::io_context io{1};
    testing::FlakyOptions script;
    script.events = 50;
    testing::FlakyUpstream upstream{io, script};
    ReverseProxyOptions options = quick(upstream.url());
    options.stream.log.events = 10;
    SECTION("the upstream's own is asked for there") {
        Proxy proxy{io, options};
        fetched(io, proxy.url("/s"), get("/s"), "id: 50\n\n");
        const Fetched rest = fetched(io, proxy.url("/s"), get("/s", "Last-Event-ID: 20\r\n"), "id: 50\n\n");
        CHECK(count(rest.body, "data:") == 30);
        CHECK(upstream.stats().resumed == 1);
    }
    SECTION("one of ours is a gap, named with its size") {
        options.stream.ids = IdMode::minted;
        const GapPolicy policy = GENERATE(GapPolicy::continue_live, GapPolicy::oldest, GapPolicy::gone);
        options.gap = policy;
        Proxy proxy{io, options};
        const Fetched all = fetched(io, proxy.url("/s"), get("/s"), "-50-");
        const std::string id = id_of(all.body, 1);
        const std::string request = get("/s", "Last-Event-ID: " + id + "\r\n");
        if (policy == GapPolicy::gone) {
            const Fetched answer = whole(io, proxy.url("/s"), request);
            CHECK(answer.head.status == 410);
            CHECK(field(answer, "SSE-Resume") == "reset");
        } else if (policy == GapPolicy::oldest) {
            const Fetched answer = fetched(io, proxy.url("/s"), request, "-50-");
            CHECK(field(answer, "SSE-Resume") == "gap; from=" + id + "; lost=39");
            CHECK(count(answer.body, "data:") == 11);
            CHECK(count(answer.body, "event: sse-gap\ndata: {\"reason\":\"not_kept\",\"from\":\"" + id + "\",\"lost\":39}\n\n") == 1);
        } else {
            CHECK(field(fetched(io, proxy.url("/s"), request, ":\n"), "SSE-Resume") == "gap; from=" + id + "; lost=49");
        }
    }
}

TEST_CASE("while the upstream is away a client that comes back gets 200 and waits, a new one gets 502") {
    asio::io_context io{1};
    testing::FlakyOptions script;
    script.events = 30;
    testing::FlakyUpstream upstream{io, script};
    ReverseProxyOptions options = quick(upstream.url());
    options.writer.heartbeat = 40ms;
    Proxy proxy{io, options};
    SECTION("refused") { upstream.refuse(); }
    SECTION("503") { upstream.answer_with(503); }
    const bool refused = proxy.manager.metrics().requests.value() == 0;
    CHECK(refused);
    const int fresh = whole(io, proxy.url("/s"), get("/s", "Accept: text/event-stream\r\n")).head.status;
    CHECK((fresh == 502 || fresh == 503));

    bool answered = false;
    std::string body;
    asio::co_spawn(io, fetch(proxy.url("/s"), get("/s", "Last-Event-ID: 12\r\n"), until("id: 30\n\n")),
                   [&](std::exception_ptr, Result<Fetched> result) {
                       answered = true;
                       if (result) body = result->body;
                   });
    // Held open, alive by heartbeats, while attempts go on.
    CHECK(run_until(io, [&] { return proxy.manager.metrics().clients_opened.value() == 1; }));
    CHECK(run_until(io, [&] { return proxy.manager.metrics().upstream_requests.value() >= 4; }));
    CHECK_FALSE(answered);
    upstream.listen();
    upstream.answer_with(std::nullopt);
    CHECK(run_until(io, [&] { return answered; }));
    CHECK(count(body, "data:") == 18);
    CHECK(count(body, "id: 13\n") == 1);
}

TEST_CASE("an upstream away for too long: clients are cut, not ended") {
    asio::io_context io{1};
    testing::FlakyOptions script;
    script.events = 3;
    testing::FlakyUpstream upstream{io, script};
    ReverseProxyOptions options = quick(upstream.url());
    options.reconnection.max_outage = 100ms;
    Proxy proxy{io, options};
    bool ended = false;
    std::error_code end;
    asio::co_spawn(io, fetch_all(proxy.url("/s"), get("/s")), [&](std::exception_ptr, Result<Fetched> result) {
        ended = true;
        if (result) end = result->end;
    });
    CHECK(run_until(io, [&] { return proxy.manager.metrics().events.value() == 3; }));
    upstream.refuse();
    upstream.cut_all(FlakyEnd::clean);
    CHECK(run_until(io, [&] { return ended; }));
    CHECK(end == Error::truncated);
    CHECK(proxy.manager.metrics().streams_cut.value() == 1);
}

TEST_CASE("204 from the upstream is the end: said as such, and remembered") {
    asio::io_context io{1};
    testing::FlakyOptions script;
    script.events = 5;
    script.after_last = testing::FlakyAfterLast::no_content;
    testing::FlakyUpstream upstream{io, script};
    Proxy proxy{io, quick(upstream.url())};
    const Fetched all = whole(io, proxy.url("/s"), get("/s"));
    CHECK(all.end == std::error_code{});
    CHECK(count(all.body, "data:") == 5);
    const Fetched rest = whole(io, proxy.url("/s"), get("/s", "Last-Event-ID: 3\r\n"));
    CHECK(count(rest.body, "data:") == 2);
    CHECK(rest.end == std::error_code{});
    CHECK(whole(io, proxy.url("/s"), get("/s", "Last-Event-ID: 5\r\n")).head.status == 204);
}

TEST_CASE("a POST stream is never asked for twice, and ends downstream as it ended upstream") {
    asio::io_context io{1};
    testing::FlakyOptions script;
    script.events = 10;
    const FlakyEnd end = GENERATE(FlakyEnd::clean, FlakyEnd::truncated, FlakyEnd::mid_event, FlakyEnd::reset);
    script.cut_events = 4;
    script.ends = {end};
    testing::FlakyUpstream upstream{io, script};
    ReverseProxyOptions options = quick(upstream.url());
    options.post = PostStreams::cut;
    Proxy proxy{io, options};
    const Fetched got = whole(io, proxy.url("/ask"), "POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    CHECK(count(got.body, "data:") == 4);
    CHECK(got.end == (end == FlakyEnd::clean ? std::error_code{} : std::error_code{Error::truncated}));
    CHECK(run_until(io, [&] { return upstream.stats().open_streams == 0; }));
    CHECK(upstream.stats().posts == 1);
    CHECK(upstream.stats().bodies == std::vector<std::string>{"hello"});
}

TEST_CASE("a POST's client that leaves takes the upstream's work along") {
    asio::io_context io{1};
    testing::FlakyUpstream upstream{io, testing::FlakyOptions{}};
    upstream.options().rate = 100;
    Proxy proxy{io, quick(upstream.url())};
    fetched(io, proxy.url("/ask"), "POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "id: 2\n");
    CHECK(run_until(io, [&] { return upstream.stats().open_streams == 0; }));
    CHECK(upstream.stats().posts == 1);
}

TEST_CASE("heartbeats: one line, at once and when idle") {
    asio::io_context io{1};
    testing::ScriptedServer upstream{io};
    upstream.then(Reaction::stream().stall());
    ReverseProxyOptions options = quick(upstream.url());
    options.writer.heartbeat = 20ms;
    Proxy proxy{io, options};
    CHECK(fetched(io, proxy.url("/s"), get("/s"), ":\n:\n:\n").body == ":\n:\n:\n");
}

TEST_CASE("a client that takes nothing holds nothing up for others, and is cut after the write deadline") {
    asio::io_context io{1};
    testing::FlakyOptions script;
    script.data_size = 4096;
    testing::FlakyUpstream upstream{io, script};
    ReverseProxyOptions options = quick(upstream.url());
    options.writer.write_deadline = 200ms;
    Proxy proxy{io, options};
    asio::ip::tcp::socket idle{io};
    idle.connect(proxy.server.local_endpoint());
    idle.send(asio::buffer(get("/s")));
    // The upstream never stops sending: that everything comes to rest shows that it is read no faster than the client takes.
    CHECK(run_until(io, [&] { return proxy.manager.metrics().clients_opened.value() == 1; }));
    testing::run_until_idle(io);
    CHECK(proxy.manager.gauges().log_bytes <= options.stream.log.bytes);
    CHECK(run_until(io, [&] { return proxy.manager.metrics().clients_too_slow.value() == 1; }));
    testing::run_until_idle(io);
    CHECK(proxy.manager.gauges().log_bytes <= options.stream.log.bytes);
}

TEST_CASE("a client that pauses and goes on misses nothing, whatever the size of the events") {
    asio::io_context io{1};
    testing::FlakyOptions script;
    script.data_size = GENERATE(std::size_t{200}, std::size_t{1000}, std::size_t{4000});
    script.events = 40'000'000 / script.data_size;
    testing::FlakyUpstream upstream{io, script};
    Proxy proxy{io, quick(upstream.url())};
    asio::ip::tcp::socket client{io};
    client.connect(proxy.server.local_endpoint());
    client.non_blocking(true);
    client.send(asio::buffer(get("/s")));
    const std::string last = "id: " + std::to_string(script.events) + "\n\n";
    std::string tail;
    bool closed = false;
    for (bool done = false; !done && !closed;) {
        testing::run_until_idle(io);  // the pause: all buffers on the way are full
        std::error_code error;
        std::array<char, 65536> buffer;
        for (std::size_t read = 0; read < 8'000'000 && !error;) {
            const std::size_t size = client.read_some(asio::buffer(buffer), error);
            tail = (tail + std::string{buffer.data(), size});
            if (tail.size() > 100) tail.erase(0, tail.size() - 100);
            read += size;
        }
        closed = error && error != asio::error::would_block;
        done = tail.find(last) != std::string::npos;
    }
    CHECK_FALSE(closed);
    CHECK(proxy.manager.metrics().clients_too_slow.value() == 0);
    CHECK(proxy.manager.metrics().events.value() == script.events);
}

TEST_CASE("shared streams: one upstream connection, joined live; a log bounds what the slow may miss") {
    asio::io_context io{1};
    testing::FlakyOptions script;
    script.rate = 500;
    testing::FlakyUpstream upstream{io, script};
    ReverseProxyOptions options = quick(upstream.url());
    options.sharing = Sharing::shared;
    Proxy proxy{io, options};
    fetched(io, proxy.url("/s"), get("/s"), "id: 20\n");
    const Fetched later = fetched(io, proxy.url("/s"), get("/s"), "id: 60\n");
    CHECK(count(later.body, "id: 1\n") == 0);
    CHECK(upstream.stats().streams == 1);
}
