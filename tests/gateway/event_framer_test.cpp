#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rejoin/gateway/event_framer.hpp>
#include <rejoin/gateway/interceptor.hpp>
#include <rejoin/sse/parser.hpp>

#include "support/catch.hpp"

using rejoin::EventFramer;
using rejoin::EventLog;
using rejoin::IdMode;
using rejoin::SseEvent;
using rejoin::SseEventView;
using rejoin::StreamSeal;
using namespace std::chrono_literals;

namespace {

const EventLog::TimePoint start{1h};

SseEvent event(std::string data, std::optional<std::string> id = std::nullopt, std::string last_event_id = "") {
    SseEvent out;
    out.data = std::move(data);
    out.id = std::move(id);
    out.last_event_id = out.id ? *out.id : std::move(last_event_id);
    return out;
}

const StreamSeal seal{"k", {1, 2}};

/// A log and the framer that fills it.
struct Fixture {
    explicit Fixture(IdMode mode = IdMode::passthrough, bool seal_wide_ids = false) : framer{{mode, seal_wide_ids}, 0xabc, seal} {}

    bool append(const SseEvent& one) { return framer.append(log, one.view(), start); }

    void gap(std::string_view type, std::string_view reason, std::string_view from, std::uint64_t lost) {
        framer.append_gap(log, type, reason, from, lost, start);
    }

    /// The frame of the newest event.
    std::string newest() const {
        const EventLog::Batch batch = log.read(log.last() - 1, 1);
        return std::string{batch.pieces[0].bytes};
    }

    EventLog log;
    EventFramer framer;
};

std::string minted(std::uint64_t sequence) {
    std::string out;
    seal.mint(out, {0xabc, sequence});
    return out;
}

std::string sealed(std::string_view id) {
    std::string out;
    seal.seal(out, id);
    return out;
}

}  // namespace

TEST_CASE("framer: the upstream's id goes through, behind everything else") {
    Fixture f;
    CHECK(f.framer.epoch() == 0xabc);
    CHECK(f.append(event("a", "5")));
    CHECK(f.newest() == "data: a\nid: 5\n\n");
    SseEvent typed = event("b\nc\n", "6");
    typed.type = "tick";
    CHECK(f.append(typed));
    CHECK(f.newest() == "event: tick\ndata: b\ndata: c\ndata:\nid: 6\n\n");
    CHECK(f.append(event("", "7")));
    CHECK(f.newest() == "data:\nid: 7\n\n");
    CHECK(f.log.find("5") == EventLog::Sequence{1});
    CHECK(f.log.find("6") == EventLog::Sequence{2});
    CHECK(f.log.last() == 3);
}

TEST_CASE("framer: an inherited id is not written again") {
    Fixture f;
    f.append(event("a", "5"));
    CHECK(f.append(event("b", std::nullopt, "5")));
    CHECK(f.newest() == "data: b\n\n");
    CHECK(f.log.find("5") == EventLog::Sequence{1});
}

TEST_CASE("framer: line ends become line feeds") {
    Fixture f;
    CHECK(f.append(event("a\r\nb\rc\nd", "1")));
    CHECK(f.newest() == "data: a\ndata: b\ndata: c\ndata: d\nid: 1\n\n");
}

TEST_CASE("framer: data that looks like fields stays data") {
    Fixture f;
    CHECK(f.append(event("id: 9\n\nevent: x\n: c", "1")));
    CHECK(f.newest() == "data: id: 9\ndata:\ndata: event: x\ndata: : c\nid: 1\n\n");
    CHECK_FALSE(f.log.find("9").has_value());
    CHECK(f.log.find("1") == EventLog::Sequence{1});
}

TEST_CASE("framer: own ids as long as the upstream has sent none") {
    Fixture f;
    f.append(event("a"));
    CHECK(f.newest() == "data: a\nid: " + minted(1) + "\n\n");
    f.append(event("b"));
    CHECK(f.newest() == "data: b\nid: " + minted(2) + "\n\n");
    CHECK(f.log.find(minted(2)) == EventLog::Sequence{2});
    f.append(event("c", "5"));
    CHECK(f.newest() == "data: c\nid: 5\n\n");
    f.append(event("d", std::nullopt, "5"));
    CHECK(f.newest() == "data: d\n\n");
}

TEST_CASE("framer: an id that moved without an event counts as sent") {
    Fixture f;
    f.append(event("a", std::nullopt, "5"));
    CHECK(f.newest() == "data: a\n\n");
    CHECK_FALSE(f.log.find("5").has_value());
}

TEST_CASE("framer: an explicit empty id clears the client's cursor, and it stays cleared") {
    Fixture f;
    f.append(event("a", "5"));
    f.append(event("b", ""));
    CHECK(f.newest() == "data: b\nid:\n\n");
    f.append(event("c"));
    CHECK(f.newest() == "data: c\n\n");

    Fixture first;
    first.append(event("a", ""));
    CHECK(first.newest() == "data: a\nid:\n\n");
    first.append(event("b"));
    CHECK(first.newest() == "data: b\n\n");
}

TEST_CASE("framer: minted mode hides the upstream's ids") {
    Fixture f{IdMode::minted};
    f.append(event("a", "5"));
    CHECK(f.newest() == "data: a\nid: " + minted(1) + "\n\n");
    f.append(event("b", std::nullopt, "5"));
    CHECK(f.newest() == "data: b\nid: " + minted(2) + "\n\n");
    f.append(event("c", ""));
    CHECK(f.newest() == "data: c\nid: " + minted(3) + "\n\n");
    f.gap("sse-gap", "gap_possible", "5", 0);
    f.append(event("d"));
    CHECK(f.newest() == "data: d\nid: " + minted(5) + "\n\n");  // a gap signal has a number of its own
    CHECK(f.log.find(minted(5)) == EventLog::Sequence{5});
    CHECK_FALSE(f.log.find("5").has_value());
}

TEST_CASE("framer: minted ids go on behind evicted events") {
    Fixture f{IdMode::minted};
    f.append(event("a"));
    f.log.evict_oldest();
    f.append(event("b"));
    CHECK(f.newest() == "data: b\nid: " + minted(2) + "\n\n");
}

TEST_CASE("framer: retry goes out once, inside the next event") {
    Fixture f;
    f.framer.retry(1000ms);
    CHECK(f.log.size() == 0);
    f.framer.retry(2500ms);  // the newer one counts
    SseEvent typed = event("a", "1");
    typed.type = "tick";
    f.append(typed);
    CHECK(f.newest() == "event: tick\nretry: 2500\ndata: a\nid: 1\n\n");
    f.append(event("b", "2"));
    CHECK(f.newest() == "data: b\nid: 2\n\n");
    f.framer.retry(0ms);
    f.append(event("c", "3"));
    CHECK(f.newest() == "retry: 0\ndata: c\nid: 3\n\n");
    f.framer.retry(-5ms);
    CHECK(f.append(event("d", "4")));
    CHECK(f.newest() == "retry: 0\ndata: d\nid: 4\n\n");
    f.framer.retry(std::chrono::milliseconds::max());
    CHECK(f.append(event("e", "5")));
    CHECK(f.newest() == "retry: 9223372036854775807\ndata: e\nid: 5\n\n");
}

TEST_CASE("framer: what can't be framed is refused, and leaves no trace") {
    Fixture f;
    f.append(event("a", "1"));
    f.framer.retry(10ms);
    const std::uint64_t before = f.log.last();
    for (const char* type : {"a\nb", "a\r", "\n"}) {
        SseEvent bad = event("x", "2");
        bad.type = type;
        CHECK_FALSE(f.append(bad));
    }
    for (const std::string& id : {std::string{"a\nb"}, std::string{"\r"}, std::string("a\0b", 3)}) CHECK_FALSE(f.append(event("x", id)));
    CHECK(f.log.last() == before);
    CHECK_FALSE(f.log.find("2").has_value());
    CHECK(f.append(event("b", "3")));
    CHECK(f.newest() == "retry: 10\ndata: b\nid: 3\n\n");  // not lost with the refused one

    // Minted mode does not care for the upstream's id, and a refused event uses up no number.
    Fixture own{IdMode::minted};
    SseEvent bad = event("x");
    bad.type = "a\nb";
    CHECK_FALSE(own.append(bad));
    CHECK(own.append(event("a", "a\nb")));
    CHECK(own.newest() == "data: a\nid: " + minted(1) + "\n\n");
}

TEST_CASE("framer: parts of a split event get no minted id where the upstream has ids") {
    Fixture f;
    rejoin::InterceptorChain chain;
    chain.add([](const rejoin::StreamContext&, std::vector<SseEvent>& events) { events.insert(events.begin(), event("injected")); });
    const auto interceptors = chain.for_stream({}, "GET", "/");
    REQUIRE(interceptors->take(event("a", "5").view()));
    for (const SseEvent& one : interceptors->events()) f.framer.append(f.log, one.view(), start);
    const EventLog::Batch batch = f.log.read(0, 1000);
    CHECK(batch.pieces[0].bytes == "data: injected\n\ndata: a\nid: 5\n\n");
}

TEST_CASE("framer: the gap signal is an event without id") {
    Fixture f;
    f.append(event("a", "5"));
    f.framer.retry(10ms);
    f.gap("sse-gap", "gap_possible", "5", 3);
    CHECK(f.newest() == "event: sse-gap\ndata: {\"reason\":\"gap_possible\",\"from\":\"5\",\"lost\":3}\n\n");
    f.gap("sse-gap", "unverified", "", 0);
    CHECK(f.newest() == "event: sse-gap\ndata: {\"reason\":\"unverified\",\"from\":\"\",\"lost\":null}\n\n");
    f.gap("sse-gap", "r", "", ~std::uint64_t{0});
    CHECK(f.newest() == "event: sse-gap\ndata: {\"reason\":\"r\",\"from\":\"\",\"lost\":18446744073709551615}\n\n");
    CHECK(f.log.find("5") == EventLog::Sequence{1});
    const EventLog::Sequence before = f.log.last();
    f.gap("a\nb", "r", "5", 1);
    CHECK(f.log.last() == before);
    f.append(event("b", "6"));
    CHECK(f.newest() == "retry: 10\ndata: b\nid: 6\n\n");
}

TEST_CASE("framer: the gap signal's JSON holds whatever the id holds") {
    Fixture f;
    f.gap("g", "a\"b", "\"\\/\b\t\x01\x1f\x7f\xC3\xA9", 1);
    CHECK(f.newest() ==
          "event: g\ndata: {\"reason\":\"a\\\"b\",\"from\":\"\\\"\\\\/\\u0008\\u0009\\u0001\\u001f\\u007f\xC3\xA9\",\"lost\":1}\n\n");
    f.gap("g", "r", std::string_view{"\n\r\0", 3}, 1);
    CHECK(f.newest() == "event: g\ndata: {\"reason\":\"r\",\"from\":\"\\u000a\\u000d\\u0000\",\"lost\":1}\n\n");
}

TEST_CASE("framer: what a parser took from an upstream, a parser takes from the log") {
    const std::string_view upstream =
        "\xEF\xBB\xBF: hello\r\nevent: tick\rid: 1\ndata: a\r\ndata:  b\r\n\r\nretry: 50\n\n"
        "data\n\nid: 2\n\nid\ndata: c\n\ndata: d\n\nid: 3\ndata: e\n\n";
    const auto parse = [](std::string_view bytes, auto&& use) {
        rejoin::SseParser parser;
        parser.feed(bytes);
        for (SseEventView view; parser.next(view);) use(view);
        CHECK_FALSE(parser.error());
    };
    Fixture f;
    std::vector<SseEvent> sent;
    parse(upstream, [&](const SseEventView& view) {
        sent.emplace_back(view);
        f.framer.append(f.log, view, start);
    });
    REQUIRE(sent.size() == 5);
    std::string wire;
    const EventLog::Batch batch = f.log.read(0, 10'000);
    for (std::size_t i = 0; i < batch.count; ++i) wire += batch.pieces[i].bytes;
    CHECK(wire.find('\r') == std::string::npos);
    std::vector<SseEvent> received;
    parse(wire, [&](const SseEventView& view) { received.emplace_back(view); });
    REQUIRE(received.size() == sent.size());
    for (std::size_t i = 0; i < sent.size(); ++i) {
        CAPTURE(i);
        CHECK(received[i].type == sent[i].type);
        CHECK(received[i].data == sent[i].data);
        CHECK(received[i].id == sent[i].id);
    }
}

TEST_CASE("framer: sealed mode gives the upstream's ids, sealed, and its own where there are none") {
    Fixture f{IdMode::sealed};
    f.append(event("a"));
    CHECK(f.newest() == "data: a\nid: " + minted(1) + "\n\n");
    f.append(event("b", "5"));
    CHECK(f.newest() == "data: b\nid: " + sealed("5") + "\n\n");
    CHECK(f.log.find(sealed("5")) == EventLog::Sequence{2});
    f.append(event("c", std::nullopt, "5"));
    CHECK(f.newest() == "data: c\n\n");
    f.append(event("d", ""));
    CHECK(f.newest() == "data: d\nid:\n\n");  // a reset is a reset
    f.append(event("e", "\xE2\x82\xAC"));
    CHECK(f.newest() == "data: e\nid: " + sealed("\xE2\x82\xAC") + "\n\n");
    f.gap("sse-gap", "gap_possible", "5", 3);
    CHECK(f.newest() == "event: sse-gap\ndata: {\"reason\":\"gap_possible\",\"from\":\"" + sealed("5") + "\",\"lost\":3}\n\n");
}

TEST_CASE("framer: wide ids are sealed where that is asked for, others pass") {
    Fixture f{IdMode::passthrough, true};
    for (const std::string id : {"5", "caf\xC3\xA9", "\xC2\x80", "\xC3\xBF", "a b~"}) {
        f.append(event("x", id));
        CHECK(f.newest() == "data: x\nid: " + id + "\n\n");
    }
    for (const std::string id : {"\xC4\x80", "a\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\x80", "\xC3", "\xC3x", "\xFF"}) {
        f.append(event("x", id));
        CHECK(f.newest() == "data: x\nid: " + sealed(id) + "\n\n");
    }
    Fixture off;
    off.append(event("x", "\xC4\x80"));
    CHECK(off.newest() == "data: x\nid: \xC4\x80\n\n");
}
