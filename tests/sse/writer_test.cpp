// Frames as they go out, what is refused, and that parsing them gives back what went in.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <rejoin/sse/writer.hpp>

#include "support/catch.hpp"
#include "support/transcript.hpp"

namespace rejoin::test {
namespace {

using namespace std::string_literals;
using std::chrono::milliseconds;

SseEvent make(std::string data, std::string type = "message", std::optional<std::string> id = std::nullopt) {
    SseEvent event;
    event.data = std::move(data);
    event.type = std::move(type);
    event.id = std::move(id);
    return event;
}

std::string frame(const SseEvent& event, std::optional<milliseconds> retry = std::nullopt) {
    std::string out;
    CHECK(!SseWriter{out}.event(event, retry));
    return out;
}

TEST_CASE("data is split into lines") {
    CHECK(frame(make("a\nb\r\nc\rd")) == "data: a\ndata: b\ndata: c\ndata: d\n\n");
    CHECK(frame(make("")) == "data:\n\n");
    CHECK(frame(make("\n")) == "data:\ndata:\n\n");
    CHECK(frame(make("a\n")) == "data: a\ndata:\n\n");
    CHECK(frame(make("\r\r\n\n")) == "data:\ndata:\ndata:\ndata:\n\n");
    CHECK(frame(make(" x")) == "data:  x\n\n");
    CHECK(frame(make(std::string(100, 'x') + "\n" + std::string(100, 'y'))) ==
          "data: " + std::string(100, 'x') + "\ndata: " + std::string(100, 'y') + "\n\n");
    CHECK(frame(make("\0\xFF"s)) == "data: \0\xFF\n\n"s);
}

TEST_CASE("fields have their order, and the id is the last") {
    CHECK(frame(make("a", "t", "7"), milliseconds{50}) == "event: t\nretry: 50\ndata: a\nid: 7\n\n");
    CHECK(frame(make("a", "message")) == "data: a\n\n");
    CHECK(frame(make("a", "")) == "data: a\n\n");
    CHECK(frame(make("a", "t", "")) == "event: t\ndata: a\nid:\n\n");
    CHECK(frame(make("a", " t ", " 7")) == "event:  t \ndata: a\nid:  7\n\n");
}

TEST_CASE("an inherited id is not written") {
    SseEvent event = make("a");
    event.last_event_id = "7";
    CHECK(frame(event) == "data: a\n\n");
}

TEST_CASE("what would break out of its field is refused and nothing is written") {
    const std::vector<SseEvent> refused = {
        make("a", "t\n"), make("a", "\rt"), make("a", "t", "1\n"), make("a", "t", "1\rdata: x"), make("a", "t", "1\0"s),
    };
    for (const SseEvent& event : refused) {
        std::string out = "before";
        CHECK(SseWriter{out}.event(event) == Error::invalid_field);
        CHECK(out == "before");
    }
    std::string out;
    SseWriter writer{out};
    CHECK(writer.event(make("a"), milliseconds{-1}) == Error::invalid_field);
    CHECK(writer.retry(milliseconds{-1}) == Error::invalid_field);
    CHECK(writer.cursor("1\n") == Error::invalid_field);
    CHECK(writer.cursor("\0"s) == Error::invalid_field);
    CHECK(writer.field("", "x") == Error::invalid_field);
    CHECK(writer.field("a:b", "x") == Error::invalid_field);
    CHECK(writer.field("a\n", "x") == Error::invalid_field);
    CHECK(writer.field("a", "x\r") == Error::invalid_field);
    CHECK(out.empty());
    // An id that is not the event's own is not looked at.
    SseEventView view = SseEventView{};
    view.id = "\n";
    CHECK(!writer.event(view));
}

TEST_CASE("retry is digits") {
    std::string out;
    SseWriter writer{out};
    CHECK(!writer.retry(milliseconds{0}));
    CHECK(!writer.retry(milliseconds::max()));
    CHECK(out == "retry: 0\nretry: 9223372036854775807\n");
    CHECK(parse_whole(out).retry == milliseconds::max());
}

TEST_CASE("comments, heartbeats, cursors, fields") {
    std::string out;
    SseWriter writer{out};
    writer.comment("a\nb");
    writer.comment(" c");
    writer.comment("");
    writer.heartbeat();
    writer.heartbeat(SseHeartbeat::block);
    CHECK(!writer.cursor("9"));
    CHECK(!writer.cursor(""));
    CHECK(!writer.field("x", " y"));
    CHECK(out == ":a\n:b\n: c\n:\n:\n:\n\nid: 9\n\nid:\n\nx:  y\n");
}

TEST_CASE("a parsed stream passes through as it was") {
    const std::string stream =
        "retry: 10\n: hello\nevent: t\ndata: a\ndata: b\nid: 1\n\ndata: no id\n\nid: 2\n\nx: y\nz: \nid:\n\n:\n";
    std::string out;
    SseWriter writer{out};
    SseParser parser{report_all()};
    parser.feed(stream);
    SseEventView view;
    while (parser.next(view)) CHECK(!writer.item(view));
    CHECK(out == stream);
}

TEST_CASE("any sink that takes bytes will do") {
    struct Sink {
        std::vector<char> bytes;
        void append(const char* data, std::size_t size) {
            for (std::size_t i = 0; i < size; ++i) bytes.push_back(data[i]);
        }
    } sink;
    SseWriter writer{sink};
    writer.heartbeat();
    CHECK(sink.bytes == std::vector<char>{':', '\n'});
}

TEST_CASE("frames of any data parse back to it") {
    const std::vector<std::string> texts = {
        "", "\n", "\n\n", "a", " a", "a\n\nb\n", ": a", "data: a", "id: 1\n\nevent: x"};
    for (const std::string& text : texts) {
        CAPTURE(text);
        const Transcript transcript = parse_whole(frame(make(text, "t", "i")));
        REQUIRE(transcript.items.size() == 1);
        CHECK(transcript.items[0].content.data == text);
        CHECK(transcript.items[0].content.type == "t");
        CHECK(transcript.items[0].content.id == "i");
    }
}

}  // namespace
}  // namespace rejoin::test
