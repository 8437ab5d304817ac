// What the parser promises beside the format: reports, views, cursor, reset, memory.

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/transcript.hpp"

namespace rejoin::test {
namespace {

using namespace std::string_literals;
using std::chrono::milliseconds;

TEST_CASE("comments are reported with everything behind the colon") {
    SseParserOptions options;
    options.comments = true;
    for_each_cut(":hello\n: hello\n::x\n:\r\n:event: foo\ncomment: no\n", options,
                 [](const Transcript& transcript, const std::string& how) {
                     CAPTURE(how);
                     CHECK(transcript.data_of(SseItem::comment) ==
                           std::vector<std::string>{"hello", " hello", ":x", "", "event: foo"});
                     CHECK(transcript.items.size() == 5);
                 });
}

TEST_CASE("unknown fields are reported with name and value") {
    SseParserOptions options;
    options.fields = true;
    const Transcript transcript = parse_whole("foo: 1\nbar\nbaz:\ndata : x\n: comment\ndata: a\n\n", options);
    REQUIRE(transcript.items.size() == 5);
    const std::vector<std::pair<std::string, std::string>> expected = {
        {"foo", "1"}, {"bar", ""}, {"baz", ""}, {"data ", "x"}};
    for (std::size_t i = 0; i < expected.size(); ++i) {
        CHECK(transcript.items[i].kind == SseItem::field);
        CHECK(transcript.items[i].content.type == expected[i].first);
        CHECK(transcript.items[i].content.data == expected[i].second);
    }
    CHECK(transcript.items[4].kind == SseItem::event);
}

TEST_CASE("a block that only moves the cursor is reported on request") {
    SseParserOptions options;
    options.cursors = true;
    for_each_cut("id: 7\n\nevent: x\n\nid\n\n", options, [](const Transcript& transcript, const std::string& how) {
        CAPTURE(how);
        REQUIRE(transcript.items.size() == 2);
        CHECK(transcript.items[0].kind == SseItem::cursor);
        CHECK(transcript.items[0].content.id == "7");
        CHECK(transcript.items[0].content.last_event_id == "7");
        CHECK(transcript.items[1].content.id == "");
        CHECK(transcript.last_event_id == "");
    });
}

TEST_CASE("retry lines are reported where they stand and in force at once") {
    SseParserOptions options;
    options.retries = true;
    SseParser parser{options};
    parser.feed("retry: 5\nretry: x\ndata: a\nretry: 70\n\n");
    SseEventView view;
    REQUIRE(parser.next(view));
    CHECK(view.kind == SseItem::retry);
    CHECK(view.data == "5");
    CHECK(parser.retry() == milliseconds{5});
    REQUIRE(parser.next(view));
    CHECK(view.kind == SseItem::retry);
    CHECK(parser.retry() == milliseconds{70});
    REQUIRE(parser.next(view));
    CHECK(view.kind == SseItem::event);
    CHECK(view.data == "a");
    CHECK(!parser.next(view));
}

TEST_CASE("an event comes out as soon as its last byte is in") {
    // CR ends its line at once; the LF that may follow is nothing to wait for.
    const std::string stream = "id: 1\rdata: a\r\rdata: b\n\ndata: c\r\n\r\n";
    SseParser parser;
    Transcript transcript;
    std::vector<std::size_t> at;
    for (std::size_t i = 0; i < stream.size(); ++i) {
        feed_piece(parser, stream.substr(i, 1), transcript);
        while (at.size() < transcript.items.size()) at.push_back(i + 1);
    }
    CHECK(at == std::vector<std::size_t>{15, 24, stream.size() - 1});
}

TEST_CASE("a consumer may stop in the middle of a read and go on later") {
    SseParser parser;
    const std::string stream = "data: 1\n\ndata: 2\n\ndata: 3\n\n";
    parser.feed(stream);
    SseEventView view;
    REQUIRE(parser.next(view));
    CHECK(view.data == "1");
    REQUIRE(parser.next(view));
    CHECK(view.data == "2");
    REQUIRE(parser.next(view));
    CHECK(view.data == "3");
    CHECK(!parser.next(view));
    CHECK(!parser.next(view));
}

TEST_CASE("the cursor is seeded and moves at blank lines only") {
    SseParser parser{{}, "seed"};
    Transcript transcript;
    CHECK(parser.last_event_id() == "seed");
    feed_piece(parser, "data: a\n\nid: 5\ndata: b\n", transcript);
    REQUIRE(transcript.items.size() == 1);
    CHECK(transcript.items[0].content.last_event_id == "seed");
    CHECK(!transcript.items[0].content.id);
    CHECK(parser.last_event_id() == "seed");
    feed_piece(parser, "\n", transcript);
    CHECK(parser.last_event_id() == "5");
}

TEST_CASE("reset starts a stream and keeps what outlives a connection") {
    SseParser parser;
    Transcript transcript;
    feed_piece(parser, "retry: 10\nid: 1\ndata: a\n\nid: 2\nevent: t\ndata: half\nda", transcript);
    CHECK(parser.mid_event());
    CHECK(parser.mid_line());
    parser.reset(parser.last_event_id());
    CHECK(!parser.mid_event());
    CHECK(parser.last_event_id() == "1");
    CHECK(parser.retry() == milliseconds{10});
    // A BOM is allowed again, and nothing of the open event, its line or its type is left.
    feed_piece(parser,
               "\xEF\xBB\xBF"
               "data: b\n\n",
               transcript);
    REQUIRE(transcript.items.size() == 2);
    CHECK(transcript.items[1].content.data == "b");
    CHECK(transcript.items[1].content.type == "message");
    CHECK(transcript.items[1].content.last_event_id == "1");
    parser.reset("");
    CHECK(parser.last_event_id().empty());
}

TEST_CASE("a CR at the end of one connection swallows nothing of the next") {
    SseParser parser;
    Transcript transcript;
    feed_piece(parser, "data: a\r", transcript);
    parser.reset("");
    feed_piece(parser, "\ndata: b\n\n", transcript);
    REQUIRE(transcript.items.size() == 1);
    CHECK(transcript.items[0].content.data == "b");
}

TEST_CASE("empty reads mean nothing") {
    const Transcript transcript = parse_pieces({"", "\xEF", "", "\xBB",
                                                "\xBF"
                                                "data: a\r",
                                                "", "\n", "", "\r\n", ""});
    REQUIRE(transcript.items.size() == 1);
    CHECK(transcript.items[0].content.data == "a");
    CHECK(!transcript.mid_event);
}

TEST_CASE("a parser can be moved between reads") {
    SseParser first{{}, "0"};
    Transcript transcript;
    feed_piece(first, "id: 1\nevent: t\ndata: a\ndata: b\nda", transcript);
    SseParser second{std::move(first)};
    feed_piece(second, "ta: c\n", transcript);
    SseParser third;
    third = std::move(second);
    feed_piece(third, "\n", transcript);
    REQUIRE(transcript.items.size() == 1);
    CHECK(transcript.items[0].content.data == "a\nb\nc");
    CHECK(transcript.items[0].content.type == "t");
    CHECK(transcript.items[0].content.id == "1");
}

TEST_CASE("shrinking gives back nothing that is needed") {
    SseParser parser;
    Transcript transcript;
    feed_piece(parser, "id: 1\ndata: " + std::string(100'000, 'x'), transcript);
    parser.shrink();
    feed_piece(parser, "y\n\n", transcript);
    parser.shrink();
    CHECK(parser.last_event_id() == "1");
    feed_piece(parser, "data: b\ndata: c\n\n", transcript);
    REQUIRE(transcript.items.size() == 2);
    CHECK(transcript.items[0].content.data == std::string(100'000, 'x') + "y");
    CHECK(transcript.items[1].content.data == "b\nc");
    CHECK(transcript.items[1].content.last_event_id == "1");
}

TEST_CASE("many lines and long lines") {
    std::string stream;
    std::string expected;
    for (int i = 0; i < 1000; ++i) {
        stream += "data: line\n";
        expected += i == 0 ? "line" : "\nline";
    }
    stream += "\n";
    SseParserOptions options;
    options.limits.line = 0;
    for (const std::size_t step : {1u, 7u, 64u, 1000u, 100'000u}) {
        CAPTURE(step);
        const Transcript transcript = parse_pieces(cut(stream, step, step), options);
        REQUIRE(transcript.items.size() == 1);
        CHECK(transcript.items[0].content.data == expected);
    }
    options.limits.event = 0;
    const std::string line(5 * 1024 * 1024, 'x');
    for (const std::size_t step : {1024u, 65'536u, 3'000'000u, 6'000'000u}) {
        CAPTURE(step);
        const Transcript transcript = parse_pieces(cut("data: " + line + "\n\n", step, step), options);
        REQUIRE(transcript.items.size() == 1);
        CHECK((transcript.items[0].content.data == line));
    }
}

TEST_CASE("an owned event is a copy of its view") {
    SseParser parser;
    SseEvent event;
    {
        const std::string stream = "id: 1\nevent: t\ndata: a\n\n";
        parser.feed(stream);
        SseEventView view;
        REQUIRE(parser.next(view));
        event = SseEvent{view};
        CHECK(!parser.next(view));
    }
    CHECK(event.type == "t");
    CHECK(event.data == "a");
    CHECK(event.id == "1");
    CHECK(event.last_event_id == "1");
    CHECK(SseEvent{event.view()} == event);
    SseEvent reused;
    reused = event.view();
    CHECK(reused == event);
    event.id = "22";
    reused = event.view();
    CHECK(reused == event);
    event.id.reset();
    CHECK(!event.view().has_id);
    CHECK(SseEvent{event.view()} == event);
    reused = event.view();
    CHECK(reused == event);
}

}  // namespace
}  // namespace rejoin::test
