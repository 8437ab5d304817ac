#include <chrono>
#include <cstdint>
#include <string>

#include <rejoin/testing/flaky_stream.hpp>

#include "support/catch.hpp"

namespace rejoin::testing {
namespace {

using namespace std::chrono_literals;
using Step = FlakyStream::Step;

const TimePoint start = TimePoint{} + 1h;

FlakyPlan plan(FlakyEnd end = FlakyEnd::clean, std::uint64_t first = 1, bool chunked = false) {
    FlakyPlan made;
    made.first = first;
    made.end = end;
    made.chunked = chunked;
    made.begin = start;
    return made;
}

TEST_CASE("flaky history: ids and data of every event follow from its number") {
    const FlakyHistory numeric{FlakyIds::numeric, 12};
    CHECK(numeric.id(17) == "17");
    CHECK(numeric.number("17") == 17);
    CHECK(numeric.data(17) == "17 rstuvwxyz");
    CHECK(numeric.data(1234567890123) == "1234567890123");
    CHECK(FlakyHistory::number_of_data(numeric.data(17)) == 17);
    CHECK(FlakyHistory::number_of_data("1234567890123") == 1234567890123);
    CHECK_FALSE(FlakyHistory::number_of_data("17x"));
    CHECK_FALSE(FlakyHistory::number_of_data(""));
    for (const char* garbage : {"", "x", "17x", " 17", "-1", "99999999999999999999"}) CHECK_FALSE(numeric.number(garbage));

    const FlakyHistory text{FlakyIds::text};
    for (const std::uint64_t n : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{1000}, ~std::uint64_t{0}}) {
        CHECK(text.id(n).size() == 19);
        CHECK(text.number(text.id(n)) == n);
    }
    CHECK(text.id(2) < text.id(1));  // no order to be guessed
    for (const char* garbage : {"", "1", "ev-", "ev-000000000000000x", "xx-0000000000000000"}) CHECK_FALSE(text.number(garbage));

    CHECK(FlakyHistory{FlakyIds::none}.id(1).empty());
    CHECK_FALSE(FlakyHistory{FlakyIds::none}.number("1"));
}

TEST_CASE("flaky stream: events with retry in the first, then the end of the history") {
    FlakyOptions options;
    options.events = 2;
    options.data_size = 0;
    options.retry = 70ms;
    std::string out;

    SECTION("held open") {
        FlakyStream stream{options, plan()};
        CHECK(stream.next(start, out) == Step::write);
        CHECK(out == "retry: 70\ndata: 1\nid: 1\n\ndata: 2\nid: 2\n\n");
        out.clear();
        CHECK(stream.next(start, out) == Step::wait);
        CHECK(out.empty());
        CHECK(stream.wait_until() == TimePoint::max());
        CHECK(stream.events_sent() == 2);
        CHECK(stream.position() == 3);
    }
    SECTION("ended") {
        options.after_last = FlakyAfterLast::end;
        FlakyStream stream{options, plan(FlakyEnd::clean, 2, true)};
        CHECK(stream.next(start, out) == Step::write);
        CHECK(out == "19\r\nretry: 70\ndata: 2\nid: 2\n\n\r\n");
        out.clear();
        CHECK(stream.next(start, out) == Step::last);
        CHECK(out == "0\r\n\r\n");
    }
    SECTION("nothing left from the beginning") {
        options.after_last = FlakyAfterLast::end;
        FlakyStream stream{options, plan(FlakyEnd::clean, 3)};
        CHECK(stream.next(start, out) == Step::last);
        CHECK(out.empty());
    }
}

TEST_CASE("flaky stream: the rate says when events are due") {
    FlakyOptions options;
    options.rate = 4;
    options.data_size = 0;
    options.ids = FlakyIds::none;
    FlakyStream stream{options, plan(FlakyEnd::clean, 10)};
    std::string out;
    CHECK(stream.next(start, out) == Step::write);
    CHECK(out == "data: 10\n\n");
    out.clear();
    CHECK(stream.next(start, out) == Step::wait);
    CHECK(stream.wait_until() == start + 250ms);
    CHECK(stream.next(start + 249ms, out) == Step::wait);
    CHECK(stream.next(start + 500ms, out) == Step::write);
    CHECK(out == "data: 11\n\ndata: 12\n\n");
}

TEST_CASE("flaky stream: what is live has its time whoever listens") {
    CHECK(FlakyStream::live_at(start, start, 4) == 1);
    CHECK(FlakyStream::live_at(start, start + 1ns, 4) == 2);
    CHECK(FlakyStream::live_at(start, start + 250ms, 4) == 2);
    CHECK(FlakyStream::live_at(start, start + 251ms, 4) == 3);
    for (std::uint64_t n = 1; n < 2000; ++n) CHECK(FlakyStream::live_at(start, FlakyStream::due_at(start, n, 3), 3) == n);

    FlakyOptions options;
    options.rate = 4;
    FlakyPlan live = plan(FlakyEnd::clean, FlakyStream::live_at(start, start + 600ms, 4));
    live.live_since = start;
    live.begin = start + 600ms;
    FlakyStream stream{options, live};
    std::string out;
    CHECK(stream.next(live.begin, out) == Step::wait);
    CHECK(stream.position() == 4);
    CHECK(stream.wait_until() == start + 750ms);
}

TEST_CASE("flaky stream: cut after a number of events, each end with its own last bytes") {
    FlakyOptions options;
    options.cut_events = 2;
    options.data_size = 0;
    const auto tail = [&](FlakyEnd end, bool chunked) {
        FlakyStream stream{options, plan(end, 1, chunked)};
        std::string out;
        CHECK(stream.next(start, out) == Step::write);
        out.clear();
        CHECK(stream.next(start, out) == Step::cut);
        CHECK(stream.events_sent() == 2);
        return out;
    };
    CHECK(tail(FlakyEnd::clean, true) == "0\r\n\r\n");
    CHECK(tail(FlakyEnd::truncated, true).empty());
    CHECK(tail(FlakyEnd::reset, true).empty());
    CHECK(tail(FlakyEnd::stall, true).empty());
    CHECK(tail(FlakyEnd::close_delimited, false).empty());
    CHECK(tail(FlakyEnd::mid_event, true) == "f\r\ndata: 3");
    CHECK(tail(FlakyEnd::mid_event, false) == "data: 3");
}

TEST_CASE("flaky stream: cut after a time, which ends a wait") {
    FlakyOptions options;
    options.cut_every = 1s;
    options.events = 1;
    FlakyStream stream{options, plan(FlakyEnd::mid_event)};
    std::string out;
    CHECK(stream.next(start, out) == Step::write);
    out.clear();
    CHECK(stream.next(start + 999ms, out) == Step::wait);
    CHECK(stream.wait_until() == start + 1s);
    CHECK(stream.next(start + 1s, out) == Step::cut);
    CHECK(out.empty());  // no event left to be cut in
}

TEST_CASE("flaky stream: heartbeats at the beginning and in silence") {
    FlakyOptions options;
    options.heartbeat = 15s;
    options.rate = 0.05;
    options.data_size = 0;
    FlakyStream stream{options, plan()};
    std::string out;
    CHECK(stream.next(start, out) == Step::write);
    CHECK(out == ":\ndata: 1\nid: 1\n\n");
    CHECK(stream.next(start, out = {}) == Step::wait);
    CHECK(stream.wait_until() == start + 15s);
    CHECK(stream.next(start + 15s, out) == Step::write);
    CHECK(out == ":\n");
    CHECK(stream.next(start + 15s, out = {}) == Step::wait);
    CHECK(stream.wait_until() == start + 20s);
    CHECK(stream.next(start + 20s, out) == Step::write);
    CHECK(out == "data: 2\nid: 2\n\n");
}

TEST_CASE("flaky stream: chunks of a size, across events") {
    FlakyOptions options;
    options.events = 2;
    options.data_size = 0;
    options.chunk_bytes = 10;
    FlakyStream stream{options, plan(FlakyEnd::clean, 1, true)};
    std::string out;
    CHECK(stream.next(start, out) == Step::write);
    CHECK(out == "a\r\ndata: 1\nid\r\na\r\n: 1\n\ndata:\r\na\r\n 2\nid: 2\n\n\r\n");
}

TEST_CASE("flaky stream: as fast as possible still goes in batches") {
    FlakyStream stream{FlakyOptions{}, plan()};
    std::string out;
    CHECK(stream.next(start, out) == Step::write);
    CHECK(out.size() >= 16 * 1024);
    CHECK(out.size() < 17 * 1024);
}

TEST_CASE("flaky options: what is out of its domain") {
    CHECK_FALSE(validate(FlakyOptions{}));
    const auto refused = [](auto&& change) {
        FlakyOptions options;
        change(options);
        return validate(options) == Error::invalid_option;
    };
    CHECK(refused([](FlakyOptions& options) { options.ends.clear(); }));
    CHECK(refused([](FlakyOptions& options) { options.rate = -1; }));
    CHECK(refused([](FlakyOptions& options) { options.rate = std::nan(""); }));
    CHECK(refused([](FlakyOptions& options) { options.cut_every = -1s; }));
    CHECK(refused([](FlakyOptions& options) { options.retry = -1ms; }));
    CHECK(refused([](FlakyOptions& options) { options.outage_every = options.outage_for; }));
    CHECK(refused([](FlakyOptions& options) { options.outage_status = 100; }));
}

}  // namespace
}  // namespace rejoin::testing
