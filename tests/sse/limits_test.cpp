// Limits: at the bound, one past it, both modes, independent of the cuts; constant memory where there is no limit.

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/transcript.hpp"

namespace {

// Everything this program asks the heap for.
std::atomic<std::size_t> allocations{0};
std::atomic<std::size_t> allocated_bytes{0};

void* counted(std::size_t size) noexcept {
    allocations.fetch_add(1, std::memory_order_relaxed);
    allocated_bytes.fetch_add(size, std::memory_order_relaxed);
    return std::malloc(size == 0 ? 1 : size);
}

void* counted_or_throw(std::size_t size) {
    if (void* memory = counted(size)) return memory;
    throw std::bad_alloc{};
}

}  // namespace

// All of them: a sanitizer minds when one half of a pair is its own.
void* operator new(std::size_t size) { return counted_or_throw(size); }
void* operator new[](std::size_t size) { return counted_or_throw(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return counted(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace rejoin::test {
namespace {

SseParserOptions limited(std::size_t line, std::size_t event, OversizeMode mode) {
    SseParserOptions options = report_all();
    options.limits.line = line;
    options.limits.event = event;
    options.limits.mode = mode;
    return options;
}

constexpr auto fail = OversizeMode::fail;
constexpr auto skip = OversizeMode::skip;

TEST_CASE("a line at its limit passes, one byte more does not") {
    for (const std::string name : {"data: ", "event: ", "id: ", "retry: "}) {
        CAPTURE(name);
        const std::string at_limit = name + std::string(20 - name.size(), '1');
        for_each_cut("id: 0\ndata: before\n\n" + at_limit + "\ndata: x\n\n", limited(20, 0, fail),
                     [](const Transcript& transcript, const std::string& how) {
                         CAPTURE(how);
                         CHECK(!transcript.error);
                         CHECK(transcript.events().size() == 2);
                     });
        // With and without a line end: the limit needs none to be noticed.
        for (const std::string end : {"", "\n", "\ndata: x\n\n"}) {
            CAPTURE(end);
            for_each_cut("id: 0\ndata: before\n\n" + at_limit + "1" + end, limited(20, 0, fail),
                         [](const Transcript& transcript, const std::string& how) {
                             CAPTURE(how);
                             CHECK(transcript.error == Error::line_too_long);
                             CHECK(transcript.error == ErrorCondition::protocol);
                             CHECK(transcript.events().size() == 1);
                             CHECK(transcript.last_event_id == "0");
                             CHECK(!transcript.mid_event);
                         });
        }
    }
}

TEST_CASE("an event at its limit passes, one byte more does not") {
    // 4 + LF + 3 + LF + 1 = 10 bytes of data.
    const std::string lines = "data: 1234\ndata: 123\ndata:";
    for_each_cut(lines + "1\n\ndata: y\n\n", limited(0, 10, fail),
                 [](const Transcript& transcript, const std::string& how) {
                     CAPTURE(how);
                     CHECK(!transcript.error);
                     CHECK(transcript.events().size() == 2);
                 });
    for (const std::string end : {"12", "12\n", " 12\n\ndata: y\n\n", "1\ndata\n\n"}) {
        CAPTURE(end);
        for_each_cut("data: a\n\n" + lines + end, limited(0, 10, fail),
                     [](const Transcript& transcript, const std::string& how) {
                         CAPTURE(how);
                         CHECK(transcript.error == Error::event_too_large);
                         CHECK(transcript.events().size() == 1);
                     });
    }
}

TEST_CASE("an error stays, and nothing is read behind it") {
    SseParser parser{limited(10, 0, fail)};
    Transcript transcript;
    feed_piece(parser, "id: 3\ndata: a\n\ndata: 0123456789\n\ndata: b\n\n", transcript);
    CHECK(transcript.events().size() == 1);
    CHECK(parser.error() == Error::line_too_long);
    CHECK(parser.last_event_id() == "3");
    feed_piece(parser, "data: c\n\n", transcript);
    CHECK(transcript.events().size() == 1);
    CHECK(parser.error() == Error::line_too_long);
    parser.reset("3");
    CHECK(!parser.error());
    feed_piece(parser, "data: d\n\n", transcript);
    REQUIRE(transcript.events().size() == 2);
    CHECK(transcript.events()[1].data == "d");
}

TEST_CASE("skipping drops one event, keeps its id, and goes on") {
    const std::vector<std::string> streams = {
        "id: 1\ndata: ok\n\nid: 2\ndata: 0123456789abcdef\nretry: 7\n\ndata: y\n\n",            // line
        "id: 1\ndata: ok\n\ndata: 0123456789abcdef\ndata: x\nid: 2\nretry: 7\n\ndata: y\n\n",   // the rest of it, too
        "id: 1\ndata: ok\n\nid: 2\ndata: 123\ndata: 456\ndata: 789\nretry: 7\n\ndata: y\n\n",   // event
        "id: 1\ndata: ok\n\nid: 2\nevent: 0123456789abcdef\ndata: x\nretry: 7\n\ndata: y\n\n",  // another field
        "id: 1\ndata: ok\n\nid: 2\nid: 0123456789abcdef\ndata: x\nretry: 7\n\ndata: y\n\n",
    };
    for (const std::string& stream : streams) {
        CAPTURE(stream);
        for_each_cut(stream, limited(15, 10, skip), [](const Transcript& transcript, const std::string& how) {
            CAPTURE(how);
            CHECK(!transcript.error);
            CHECK(transcript.skipped == 1);
            CHECK(transcript.retry == std::chrono::milliseconds{7});
            CHECK(transcript.last_event_id == "2");
            const std::vector<SseEvent> events = transcript.events();
            REQUIRE(events.size() == 2);
            CHECK(events[0].data == "ok");
            CHECK(events[1].data == "y");
            CHECK(events[1].last_event_id == "2");
            // The skipped event still moves the cursor, visibly.
            CHECK(transcript.data_of(SseItem::cursor).size() == 1);
        });
    }
}

TEST_CASE("results under limits do not depend on the cuts") {
    const std::string stream =
        "data: 1\ndata: 22\ndata\ndata:333\nevent: e\nid: 1\n\ndata:\ndata:\ndata:\ndata:\ndata:\n\nid: 1234567\ndata: "
        "1\n\n"
        "data: 1234\ndata: 1234\ndata: 1\n\n: comment\nfield: 12345678\nretry: 1234\ndata: x\n\nd\ndata: last\n\n";
    for (std::size_t line = 1; line < 14; ++line) {
        for (std::size_t event = 1; event < 14; ++event) {
            for (const OversizeMode mode : {fail, skip}) {
                CAPTURE(line, event, mode == fail);
                const SseParserOptions options = limited(line, event, mode);
                const Transcript whole = parse_whole(stream, options);
                for (const std::size_t step : {1u, 2u, 3u, 5u, 7u}) {
                    CAPTURE(step);
                    CHECK(parse_pieces(cut(stream, step, step), options) == whole);
                }
            }
        }
    }
}

TEST_CASE("long comments and unknown fields are reported by their beginning") {
    SseParserOptions options = report_all();
    options.limits.comment = 8;
    for_each_cut(":1234567\n:12345678\nfield:12\nfield:123\nverylongname: 1\ndata: 123456789\n\n", options,
                 [](const Transcript& transcript, const std::string& how) {
                     CAPTURE(how);
                     REQUIRE(transcript.items.size() == 6);
                     CHECK(transcript.items[0].content.data == "1234567");
                     CHECK(!transcript.items[0].truncated);
                     CHECK(transcript.items[1].content.data == "1234567");
                     CHECK(transcript.items[1].truncated);
                     CHECK(transcript.items[2].content.data == "12");
                     CHECK(!transcript.items[2].truncated);
                     CHECK(transcript.items[3].content.data == "12");
                     CHECK(transcript.items[3].truncated);
                     CHECK(transcript.items[4].content.type == "verylong");
                     CHECK(transcript.items[4].truncated);
                     CHECK(transcript.items[5].content.data == "123456789");
                 });
}

TEST_CASE("comments and unknown fields of any length take constant memory") {
    const bool reported = GENERATE(false, true);
    SseParserOptions options;
    options.comments = options.fields = reported;
    options.limits.line = 1000;
    SseParser parser{options};
    SseEventView view;
    std::size_t items = 0;
    const auto feed = [&](const std::string& bytes) {
        parser.feed(bytes);
        while (parser.next(view)) ++items;
    };
    const std::string block(1 << 20, 'x');
    std::string pings;
    while (pings.size() < (1 << 20)) pings += ":ping\n";

    const std::size_t before = allocated_bytes;
    feed(":");
    for (int i = 0; i < 64; ++i) feed(block);
    feed("\nunknown: ");
    for (int i = 0; i < 64; ++i) feed(block);
    feed("\n");
    for (int i = 0; i < 64; ++i) feed(pings);
    const std::size_t grown = allocated_bytes - before;

    CHECK(!parser.error());
    CHECK(!parser.mid_event());
    CHECK(items == (reported ? 2 + 64 * (pings.size() / 6) : 0));
    CHECK(grown <= (reported ? 4 * options.limits.comment : 1024));
    feed("data: a\n");
    feed("\n");
    CHECK(view.data == "a");
}

TEST_CASE("an event limit bounds memory without a line limit, also while skipping") {
    SseParser parser{limited(0, 1000, skip)};
    SseEventView view;
    const std::string block(1 << 16, 'x');
    const std::size_t before = allocated_bytes;
    for (int line = 0; line < 3; ++line) {
        parser.feed("data: ");
        CHECK(!parser.next(view));
        for (int i = 0; i < 64; ++i) {
            parser.feed(block);
            CHECK(!parser.next(view));
        }
        parser.feed("\n");
        CHECK(!parser.next(view));
    }
    CHECK(allocated_bytes - before < 10'000);
    CHECK(parser.skipped() == 1);
}

TEST_CASE("events cost no allocation in the steady state") {
    std::string stream;
    for (int i = 0; i < 200; ++i) {
        const std::string n = std::to_string(1000 + i);
        stream += "id: " + n + "\nevent: tick\ndata: {\"price\":" + n +
                  "}\n\ndata: a\ndata: b\ndata: c\n\n: ping\n\nretry: 10\n\n";
    }
    SseParserOptions options;
    options.utf8 = GENERATE(Utf8Mode::pass, Utf8Mode::replace, Utf8Mode::reject);
    SseParser parser{options};
    SseEventView view;
    std::size_t events = 0;
    const auto run = [&](std::size_t step) {
        for (std::size_t at = 0; at < stream.size(); at += step) {
            parser.feed(std::string_view{stream}.substr(at, step));
            while (parser.next(view)) ++events;
        }
    };
    // Once around at each cut, so that every buffer has seen its largest content.
    for (const std::size_t step : {std::size_t{4096}, std::size_t{1}, std::size_t{37}}) run(step);
    const std::size_t before = allocations;
    for (const std::size_t step : {std::size_t{4096}, std::size_t{1}, std::size_t{37}}) run(step);
    CHECK(allocations == before);
    CHECK(events == 6 * 400);
}

}  // namespace
}  // namespace rejoin::test
