// Streams and what must come out of them, each whole, in small pieces, cut at every place, and at every alignment.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.hpp"
#include "support/reference_parser.hpp"
#include "support/transcript.hpp"

namespace rejoin::test {
namespace {

using namespace std::string_literals;
using std::chrono::milliseconds;

/// What an event is expected to be; `id` empty optional: none of its own.
struct Expected {
    std::string data;
    std::string type = "message";
    std::string last_event_id = "";
    std::optional<std::string> id = std::nullopt;
};

struct Case {
    std::string name;
    std::string stream;
    std::vector<Expected> events;
    std::string last_event_id = "";  // after the last byte
    std::optional<std::int64_t> retry = std::nullopt;
    bool mid_event = false;
    bool mid_line = false;
};

Expected data(std::string text) { return {.data = std::move(text)}; }
Expected typed(std::string type, std::string text) { return {.data = std::move(text), .type = std::move(type)}; }
Expected own(std::string id, std::string text) { return {.data = std::move(text), .last_event_id = id, .id = id}; }
Expected inherits(std::string id, std::string text) {
    return {.data = std::move(text), .last_event_id = std::move(id)};
}

const std::string bom = "\xEF\xBB\xBF";

const std::vector<Case> cases = {
    // Line ends.
    {"LF", "data: a\n\n", {data("a")}},
    {"CRLF", "data: a\r\n\r\n", {data("a")}},
    {"CR, nothing behind it", "data: a\r\r", {data("a")}},
    {"CR then LF fields", "event: x\rdata: b\n\n", {typed("x", "b")}},
    {"LF CR is two line ends", "data: a\n\rdata: b\n\n", {data("a"), data("b")}},
    {"CRLF LF", "data: a\r\n\ndata: b\n\n", {data("a"), data("b")}},
    {"LF CRLF", "data: a\n\r\ndata: b\n\n", {data("a"), data("b")}},
    {"CR CRLF", "data: a\r\r\ndata: b\n\n", {data("a"), data("b")}},
    {"CRLF everywhere", "data: Hello\r\ndata: World\r\n\r\ndata: OK\r\n\r\n", {data("Hello\nWorld"), data("OK")}},
    {"CR CRLF once", "data: one\r\r\n", {data("one")}},
    {"CR among CRLF", "data: A\r\ndata: B\rdata: C\r\n\n", {data("A\nB\nC")}},
    {"blank LF", "\n\n\n", {}},
    {"blank CR", "\r\r\r", {}},
    {"blank CRLF", "\r\n\r\n", {}},
    {"runs of blank lines", "\n\n\ndata: a\n\n\n\n\ndata: b\n\n\n", {data("a"), data("b")}},

    // Byte order mark.
    {"BOM", bom + "data: a\n\n", {data("a")}},
    {"BOM then blank line", bom + "\ndata: a\n\n", {data("a")}},
    {"BOM only", bom, {}},
    {"two BOMs: an unknown field", bom + bom + "data: a\n\ndata: b\n\n", {data("b")}},
    {"BOM later: an unknown field", "data: a\n\n" + bom + "data: b\n\ndata: c\n\n", {data("a"), data("c")}},
    {"BOM in a value", "data:" + bom + "x\n\n", {data(bom + "x")}},
    {"broken BOM", "\xEF\xBB"s + "data: a\n\ndata: b\n\n", {data("b")}},
    {"broken BOM of one byte", "\xEF"s + "data: a\n\ndata: b\n\n", {data("b")}},
    {"broken BOM is no blank line", "\xEF\xBB\n\ndata: b\n\n", {data("b")}},
    {"first byte of a BOM", "\xEF", {}, "", std::nullopt, true, true},
    {"first bytes of a BOM", "\xEF\xBB", {}, "", std::nullopt, true, true},

    // data.
    {"empty data", "data:\n\n", {data("")}},
    {"empty data with a space", "data: \n\n", {data("")}},
    {"data without colon", "data\n\ndata\ndata\n\ndata:test\n\n", {data(""), data("\n"), data("test")}},
    {"empty first line", "data:\ndata: x\n\n", {data("\nx")}},
    {"empty middle line", "data: a\ndata\ndata: b\n\n", {data("a\n\nb")}},
    {"empty last line", "data: a\ndata:\n\n", {data("a\n")}},
    {"one space goes", "data:  a\n\n", {data(" a")}},
    {"a tab stays", "data:\ta\n\n", {data("\ta")}},
    {"colons in the value", "data: a:b:c\n\n", {data("a:b:c")}},
    {"only a colon", "data::\n\n", {data(":")}},
    {"NUL in data", "data:\0\n\n"s, {data("\0"s)}},
    {"other line separators",
     "data: a\x0b"
     "b\x0c"
     "c\xC2\x85"
     "d\xE2\x80\xA8"
     "e\xE2\x80\xA9"
     "f\n\n",
     {data("a\x0b"
           "b\x0c"
           "c\xC2\x85"
           "d\xE2\x80\xA8"
           "e\xE2\x80\xA9"
           "f")}},
    {"UTF-8",
     "data: \xE2\x82\xAC\xE8\xB1\x86\xE8\x85\x90\xF0\x9F\x91\x8D\n\n",
     {data("\xE2\x82\xAC\xE8\xB1\x86\xE8\x85\x90\xF0\x9F\x91\x8D")}},
    {"equal events", "data:test\n\ndata: test\n\n", {data("test"), data("test")}},
    {"example: stock", "data: YHOO\ndata: +2\ndata: 10\n\n", {data("YHOO\n+2\n10")}},

    // Blocks without data.
    {"type alone", "event: x\n\ndata: y\n\n", {data("y")}},
    {"id alone", "id: 7\n\ndata: y\n\n", {inherits("7", "y")}, "7"},
    {"id alone at the end", "id: 7\n\n", {}, "7"},
    {"retry alone", "retry: 1000\n\ndata: y\n\n", {data("y")}, "", 1000},
    {"comment alone", ": ping\n\ndata: y\n\n", {data("y")}},
    {"comment between events", "id: 1\ndata: a\n\n: ping\n\ndata: b\n\n", {own("1", "a"), inherits("1", "b")}, "1"},
    {"empty comments", ":\n:\n:\ndata: a\n\n", {data("a")}},
    {"priming event", "id: p\ndata:\n\n", {own("p", "")}, "p"},

    // Comments and unknown fields.
    {"comment that looks like a field", ":event: foo\ndata: a\n\n", {data("a")}},
    {"field named comment", "comment: hi\ndata: a\n\n", {data("a")}},
    {"long comments",
     "data:1\r:\0\n:\r\ndata:2\n:"s + std::string(2048, 'x') + "\rdata:3\n:data:fail\r:" + std::string(2048, 'x') +
         "\ndata:4\n\n",
     {data("1\n2\n3\n4")}},
    {"unknown fields", "foo: 1\nbar\ndata: a\n\n", {data("a")}},
    {"unknown field alone", "foo: 1\n\ndata: a\n\n", {data("a")}},
    {"names are case-sensitive", "Data: a\nDATA: b\ndata: c\n\n", {data("c")}},
    {"no space around names", " data: a\ndata : b\ndata: c\n\n", {data("c")}},
    {"near misses",
     "dat: x\ndataa: x\ndatax\nidx: 5\ni: 5\nevents: q\neven: q\nretryy: 1\nretr: 1\ndata: a\n\n",
     {data("a")}},
    {"JSON instead of a stream", "{\"error\":\"nope\"}", {}, "", std::nullopt, true, true},

    // id.
    {"id is inherited, not owned", "id: 1\ndata: a\n\ndata: b\n\n", {own("1", "a"), inherits("1", "b")}, "1"},
    {"empty id clears", "id: 1\ndata: a\n\nid\ndata: b\n\ndata: c\n\n", {own("1", "a"), own("", "b"), data("c")}},
    {"empty id with colon clears", "id: 1\ndata: a\n\nid:\ndata: b\n\n", {own("1", "a"), own("", "b")}},
    {"id with NUL is ignored", "id: 1\ndata: a\n\nid: 2\0 3\ndata: b\n\n"s, {own("1", "a"), inherits("1", "b")}, "1"},
    {"id with NUL at its front", "id: \0\ndata: b\n\n"s, {data("b")}},
    {"long id with NUL at its end", "id: 0123456789abcdef\0\ndata: b\n\n"s, {data("b")}},
    {"id with NUL leaves an earlier one", "id: 5\nid: 6\0\ndata: a\n\n"s, {own("5", "a")}, "5"},
    {"last id wins", "id: 1\nid: 2\ndata: a\n\n", {own("2", "a")}, "2"},
    {"UTF-8 id", "id: \xE2\x80\xA6\ndata: a\n\n", {own("\xE2\x80\xA6", "a")}, "\xE2\x80\xA6"},
    {"spaces in the id", "id:  a b \ndata: x\n\n", {own(" a b ", "x")}, " a b "},
    {"id behind data",
     "data: x\nid: 9\nevent: t\n\n",
     {{.data = "x", .type = "t", .last_event_id = "9", .id = "9"}},
     "9"},
    {"example: four blocks",
     ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
     {own("1", "first event"), own("", "second event"), data(" third event")}},

    // event.
    {"type lasts one event", "event: x\ndata: a\n\ndata: b\n\n", {typed("x", "a"), data("b")}},
    {"empty type", "event: x\nevent:\ndata: a\n\n", {data("a")}},
    {"type without colon", "event: x\nevent\ndata: a\n\n", {data("a")}},
    {"last type wins", "event: x\nevent: y\ndata: a\n\n", {typed("y", "a")}},

    // retry.
    {"retry 0", "retry: 0\n", {}, "", 0},
    {"retry with zeros", "retry: 007\n", {}, "", 7},
    {"retry at once", "retry: 3000\n", {}, "", 3000},
    {"retry without line end", "retry: 3000", {}, "", std::nullopt, true, true},
    {"retry, not digits",
     "retry: +5\nretry: -5\nretry:  5\nretry: 1000x\nretry: 1e3\nretry: "
     "\xEF\xBC\x91\xEF\xBC\x92\nretry:\nretry\nretry: 5 \n",
     {}},
    {"retry, too large", "retry: 99999999999999999999\n", {}, "", milliseconds::max().count()},
    {"retry, the greatest", "retry: 9223372036854775807\n", {}, "", milliseconds::max().count()},
    {"retry, one more", "retry: 9223372036854775808\n", {}, "", milliseconds::max().count()},
    {"retry, one less", "retry: 9223372036854775806\n", {}, "", milliseconds::max().count() - 1},
    {"bad retry changes nothing", "retry:2000\nretry:1000x\ndata:x\n\n", {data("x")}, "", 2000},
    {"retry in a block that is cut", "retry: 9\ndata: a\n", {}, "", 9, true},

    // The end of the stream.
    {"end inside an event", "data: a\n\ndata: b\n", {data("a")}, "", std::nullopt, true, false},
    {"end inside a line", "data: a\n\ndata: b", {data("a")}, "", std::nullopt, true, true},
    {"id of an unfinished event",
     "id: 1\ndata: a\n\nid: 2\ndata: b\n",
     {own("1", "a")},
     "1",
     std::nullopt,
     true,
     false},
    {"end in CR", "data: a\r\n\r", {data("a")}},
    {"end behind a comment", "data: a\n\n: ping\n", {data("a")}},
    {"end inside a comment", "data: a\n\n: pi", {data("a")}, "", std::nullopt, true, true},
};

std::vector<SseEvent> events_of(const Case& test) {
    std::vector<SseEvent> events;
    for (const Expected& expected : test.events) {
        SseEvent event;
        event.type = expected.type;
        event.data = expected.data;
        event.id = expected.id;
        event.last_event_id = expected.last_event_id;
        events.push_back(event);
    }
    return events;
}

std::optional<milliseconds> retry_of(const Case& test) {
    if (!test.retry) return std::nullopt;
    return milliseconds{*test.retry};
}

TEST_CASE("streams give their events however they are cut") {
    for (const Case& test : cases) {
        CAPTURE(test.name);
        const std::vector<SseEvent> events = events_of(test);
        for_each_cut(test.stream, {}, [&](const Transcript& transcript, const std::string& how) {
            CAPTURE(how);
            CHECK(transcript.events() == events);
            CHECK(transcript.last_event_id == test.last_event_id);
            CHECK(transcript.retry == retry_of(test));
            CHECK(transcript.mid_event == test.mid_event);
            CHECK(transcript.mid_line == test.mid_line);
            CHECK(!transcript.error);
        });
    }
}

TEST_CASE("streams give their events at every alignment") {
    for (const Case& test : cases) {
        if (test.stream.rfind("\xEF", 0) == 0) continue;  // a BOM is one only at the front
        CAPTURE(test.name);
        for (std::size_t padding = 0; padding < 130; ++padding) {
            CAPTURE(padding);
            const Transcript transcript = parse_whole(":" + std::string(padding, 'x') + "\n" + test.stream);
            CHECK(transcript.events() == events_of(test));
            CHECK(transcript.last_event_id == test.last_event_id);
            CHECK(transcript.retry == retry_of(test));
        }
    }
}

TEST_CASE("what is reported beside events does not depend on the cuts either") {
    for (const Case& test : cases) {
        CAPTURE(test.name);
        const Transcript whole = parse_whole(test.stream, report_all());
        for_each_cut(test.stream, report_all(), [&](const Transcript& transcript, const std::string& how) {
            CAPTURE(how);
            CHECK(transcript == whole);
        });
    }
}

TEST_CASE("the reference parser agrees with the table") {
    for (const Case& test : cases) {
        CAPTURE(test.name);
        const ReferenceResult result = reference_parse(test.stream);
        CHECK(result.events == events_of(test));
        CHECK(result.last_event_id == test.last_event_id);
    }
}

}  // namespace
}  // namespace rejoin::test
