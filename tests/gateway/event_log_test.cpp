#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <rejoin/error.hpp>
#include <rejoin/gateway/event_log.hpp>
#include <rejoin/testing/random.hpp>

#include "support/catch.hpp"

using rejoin::EventLog;
using rejoin::EventLogOptions;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t all = static_cast<std::size_t>(-1);
const EventLog::TimePoint start{1h};

EventLogOptions bounds(std::size_t events, std::size_t bytes, std::chrono::steady_clock::duration age = {}) {
    EventLogOptions options;
    options.events = events;
    options.bytes = bytes;
    options.age = age;
    return options;
}

std::string text(const EventLog::Batch& batch) {
    std::string out;
    for (std::size_t i = 0; i < batch.count; ++i) out += batch.pieces[i].bytes;
    return out;
}

/// Everything behind `cursor`, in as many batches as it takes.
std::string drain(const EventLog& log, EventLog::Sequence cursor, std::size_t max_bytes = all) {
    std::string out;
    while (cursor < log.last()) {
        const EventLog::Batch batch = log.read(cursor, max_bytes);
        REQUIRE_FALSE(batch.evicted);
        REQUIRE(batch.last > cursor);
        out += text(batch);
        cursor = batch.last;
    }
    return out;
}

std::string frame(const std::string& id, const std::string& data) { return "data: " + data + "\nid: " + id + "\n\n"; }

void append(EventLog& log, const std::string& id, const std::string& data = "x", EventLog::TimePoint now = start) {
    log.append(frame(id, data), id, now);
}

bool refused(EventLogOptions options) {
    try {
        const EventLog log{options};
    } catch (const std::system_error& error) {
        return error.code() == rejoin::Error::invalid_option;
    }
    return false;
}

}  // namespace

TEST_CASE("log: options out of their domain are refused") {
    CHECK(refused(bounds(0, 1)));
    CHECK(refused(bounds(1, 0)));
    CHECK(refused(bounds(1, 1, -1ns)));
    CHECK_FALSE(refused(bounds(1, 1, 0ns)));
    CHECK_FALSE(refused({}));
}

TEST_CASE("log: an empty one") {
    EventLog log;
    CHECK(log.first() == 1);
    CHECK(log.last() == 0);
    CHECK(log.size() == 0);
    CHECK(log.bytes() == 0);
    CHECK(log.bytes_after(0) == 0);
    CHECK(log.holds(0));
    CHECK_FALSE(log.holds(1));
    CHECK_FALSE(log.find("").has_value());
    const EventLog::Batch batch = log.read(0, all);
    CHECK(batch.count == 0);
    CHECK(batch.bytes == 0);
    CHECK(batch.last == 0);
    CHECK_FALSE(batch.evicted);
    log.evict_oldest();
    log.evict_older(start);
    CHECK(log.evicted() == 0);
}

TEST_CASE("log: replay and live are one read") {
    EventLog log;
    CHECK(log.append("one\n\n", std::nullopt, start) == 1);
    CHECK(log.append("two\n\n", std::nullopt, start) == 2);
    EventLog::Batch batch = log.read(0, all);
    CHECK(text(batch) == "one\n\ntwo\n\n");
    CHECK(batch.count == 1);  // neighbours in one block are one piece
    CHECK(batch.bytes == 10);
    CHECK(batch.last == 2);

    batch = log.read(batch.last, all);
    CHECK(batch.count == 0);
    CHECK(batch.last == 2);
    CHECK_FALSE(batch.evicted);

    CHECK(log.append("three\n\n", std::nullopt, start) == 3);
    batch = log.read(batch.last, all);
    CHECK(text(batch) == "three\n\n");
    CHECK(batch.last == 3);
    CHECK(text(log.read(1, all)) == "two\n\nthree\n\n");
}

TEST_CASE("log: a cursor ahead of the log gets nothing and is not held") {
    EventLog log;
    log.append("one\n\n", std::nullopt, start);
    for (const EventLog::Sequence cursor : {EventLog::Sequence{2}, EventLog::Sequence{77}, ~EventLog::Sequence{0}}) {
        const EventLog::Batch batch = log.read(cursor, all);
        CHECK(batch.count == 0);
        CHECK(batch.last == cursor);
        CHECK_FALSE(log.holds(cursor));
        CHECK(log.bytes_after(cursor) == 0);
    }
}

TEST_CASE("log: the bound on events") {
    EventLog log{bounds(3, 1000)};
    for (int i = 1; i <= 3; ++i) append(log, std::to_string(i));
    CHECK(log.size() == 3);
    CHECK(log.evicted() == 0);
    CHECK(log.holds(0));
    append(log, "4");
    CHECK(log.size() == 3);
    CHECK(log.evicted() == 1);
    CHECK(log.first() == 2);
    CHECK(log.last() == 4);
    CHECK_FALSE(log.find("1").has_value());
    CHECK(log.find("2") == EventLog::Sequence{2});

    CHECK_FALSE(log.holds(0));
    const EventLog::Batch gone = log.read(0, all);
    CHECK(gone.evicted);
    CHECK(gone.count == 0);
    CHECK(gone.bytes == 0);
    CHECK(gone.last == 0);

    CHECK(log.holds(1));
    CHECK(text(log.read(1, all)) == frame("2", "x") + frame("3", "x") + frame("4", "x"));
}

TEST_CASE("log: the bound on bytes") {
    const std::string ten(10, 'a');
    EventLog log{bounds(100, 30)};
    for (int i = 0; i < 3; ++i) log.append(ten, std::nullopt, start);
    CHECK(log.bytes() == 30);  // exactly the bound is kept
    CHECK(log.size() == 3);
    log.append("b", std::nullopt, start);
    CHECK(log.bytes() == 21);
    CHECK(log.size() == 3);
    log.append(std::string(29, 'c'), std::nullopt, start);
    CHECK(log.bytes() == 30);
    CHECK(text(log.read(3, all)) == "b" + std::string(29, 'c'));

    SECTION("a larger frame is kept alone, until the next one") {
        const std::string large(31, 'd');
        const EventLog::Sequence at = log.append(large, std::nullopt, start);
        CHECK(log.size() == 1);
        CHECK(log.bytes() == 31);
        CHECK(text(log.read(at - 1, all)) == large);
        CHECK(log.read(at - 2, all).evicted);
        log.append("e", std::nullopt, start);
        CHECK(log.size() == 1);
        CHECK(log.bytes() == 1);
        CHECK(text(log.read(at, all)) == "e");
        CHECK(log.read(at - 1, all).evicted);
    }
}

TEST_CASE("log: a log of one event") {
    EventLog log{bounds(1, 1000)};
    for (int i = 1; i <= 300; ++i) {
        const std::string data(static_cast<std::size_t>(i), 'x');
        append(log, std::to_string(i), data);
        REQUIRE(log.size() == 1);
        REQUIRE(text(log.read(log.last() - 1, all)) == frame(std::to_string(i), data));
        REQUIRE(log.find(std::to_string(i)) == log.last());
        REQUIRE_FALSE(log.find(std::to_string(i - 1)).has_value());
    }
}

TEST_CASE("log: the bound on age") {
    EventLog log{bounds(100, 1000, 10s)};
    append(log, "1", "x", start);
    append(log, "2", "x", start + 1s);
    append(log, "3", "x", start + 5s);
    log.evict_older(start + 10s);
    CHECK(log.first() == 1);  // exactly the age is kept
    log.evict_older(start + 10s + 1ns);
    CHECK(log.first() == 2);
    append(log, "4", "x", start + 12s);  // appending looks at it, too
    CHECK(log.first() == 3);
    log.evict_older(start + 1h);
    CHECK(log.size() == 0);
    CHECK(log.bytes() == 0);
    CHECK(log.first() == 5);
    CHECK(log.evicted() == 4);

    // A reader that was at the end lost nothing by that, one before it did.
    CHECK(log.holds(4));
    CHECK_FALSE(log.read(4, all).evicted);
    CHECK_FALSE(log.holds(3));
    CHECK(log.read(3, all).evicted);
    append(log, "5", "x", start + 1h);
    CHECK(log.last() == 5);
    CHECK(text(log.read(4, all)) == frame("5", "x"));

    EventLog ageless{bounds(100, 1000, 0s)};
    append(ageless, "1", "x", start);
    ageless.evict_older(start + 1000h);
    CHECK(ageless.size() == 1);
}

TEST_CASE("log: events are evicted one by one for a budget") {
    EventLog log;
    append(log, "1");
    append(log, "2");
    log.evict_oldest();
    CHECK(log.first() == 2);
    CHECK(log.find("2") == EventLog::Sequence{2});
    CHECK(log.evicted() == 1);
    CHECK(log.bytes() == frame("2", "x").size());
    log.evict_oldest();
    log.evict_oldest();
    CHECK(log.evicted() == 2);
    CHECK(log.size() == 0);
    CHECK(log.last() == 2);
    append(log, "3");
    CHECK(log.last() == 3);
    CHECK(text(log.read(2, all)) == frame("3", "x"));
}

TEST_CASE("log: reads stop at the byte limit, between events") {
    EventLog log;
    for (const char c : {'a', 'b', 'c', 'd'}) log.append(std::string(10, c), std::nullopt, start);
    CHECK(log.read(0, 40).bytes == 40);
    CHECK(log.read(0, 39).bytes == 30);
    CHECK(log.read(0, 30).bytes == 30);
    CHECK(log.read(0, 29).last == 2);
    for (const std::size_t small : {0u, 1u, 9u, 10u, 19u}) {  // one event at least
        CAPTURE(small);
        const EventLog::Batch batch = log.read(1, small);
        CHECK(text(batch) == std::string(10, 'b'));
        CHECK(batch.last == 2);
    }
    CHECK(drain(log, 0, 11) == std::string(10, 'a') + std::string(10, 'b') + std::string(10, 'c') + std::string(10, 'd'));
}

TEST_CASE("log: a read over many blocks stops at the last piece") {
    // Frames that leave no room for another in a block: each is a piece of its own.
    EventLog log{bounds(100, 100 * 1024 * 1024)};
    std::string expected;
    for (std::size_t i = 0; i < EventLog::max_pieces * 2 + 1; ++i) {
        const std::string large(70 * 1024, static_cast<char>('a' + i));
        log.append(large, std::nullopt, start);
        expected += large;
    }
    const EventLog::Batch batch = log.read(0, all);
    CHECK(batch.count == EventLog::max_pieces);
    CHECK(batch.last == EventLog::max_pieces);
    CHECK(batch.bytes == EventLog::max_pieces * 70 * 1024);
    CHECK(text(batch) == expected.substr(0, batch.bytes));
    CHECK(drain(log, 0) == expected);
}

TEST_CASE("log: small and large frames across block borders come out as they went in") {
    EventLog log{bounds(10'000, 100 * 1024 * 1024)};
    std::string expected;
    for (std::size_t i = 0; i < 400; ++i) {
        const std::size_t size = i % 50 == 7 ? 65 * 1024 + i : 1 + i * 7 % 1500;
        const std::string one(size, static_cast<char>('a' + i % 26));
        log.append(one, std::nullopt, start);
        expected += one;
    }
    CHECK(drain(log, 0) == expected);
    CHECK(drain(log, 0, 1000) == expected);
    CHECK(log.bytes() == expected.size());
    CHECK(log.bytes_after(0) == expected.size());
}

TEST_CASE("log: what a reader holds outlives eviction, and the log") {
    std::optional<EventLog> log{std::in_place, bounds(2, 1000)};
    append(*log, "1", "first");
    append(*log, "2", "second");
    const EventLog::Batch held = log->read(0, all);
    for (int i = 3; i <= 5000; ++i) append(*log, std::to_string(i));
    CHECK(text(held) == frame("1", "first") + frame("2", "second"));
    log->evict_older(start + 1000h);
    while (log->size() > 0) log->evict_oldest();
    CHECK(text(held) == frame("1", "first") + frame("2", "second"));
    append(*log, "again");
    log.reset();
    CHECK(text(held) == frame("1", "first") + frame("2", "second"));
}

TEST_CASE("log: a log without events holds no memory") {
    EventLog log;
    for (int i = 0; i < 100; ++i) append(log, std::to_string(i));
    const EventLog::Batch held = log.read(99, all);  // from the block being filled
    REQUIRE(held.pieces[0].block.use_count() == 2);
    while (log.size() > 1) log.evict_oldest();
    CHECK(held.pieces[0].block.use_count() == 2);
    log.evict_oldest();
    CHECK(held.pieces[0].block.use_count() == 1);
}

TEST_CASE("log: a block is let go once its last event is evicted") {
    EventLog log{bounds(1, 1000)};
    log.append(std::string(1000, 'a'), std::nullopt, start);
    const EventLog::Batch held = log.read(0, all);
    log.append(std::string(1000, 'b'), std::nullopt, start);
    CHECK(held.pieces[0].block.use_count() == 1);
}

TEST_CASE("log: events are found by id") {
    EventLog log;
    append(log, "7");
    append(log, "abc");
    append(log, "7");  // ids need not be unique: the newest counts
    log.append("data: no id\n\n", std::nullopt, start);
    CHECK(log.find("7") == EventLog::Sequence{3});
    CHECK(log.find("abc") == EventLog::Sequence{2});
    for (const char* unknown : {"ab", "abcd", "bc", "77", "x", "id", "7\n", "no id", "data"}) {
        CAPTURE(unknown);
        CHECK_FALSE(log.find(unknown).has_value());
    }
    for (int i = 0; i < 2; ++i) log.evict_oldest();
    CHECK(log.find("7") == EventLog::Sequence{3});
    CHECK_FALSE(log.find("abc").has_value());
}

TEST_CASE("log: an empty id is not the same as none") {
    EventLog log;
    log.append("data: a\n\n", std::nullopt, start);
    CHECK_FALSE(log.find("").has_value());
    log.append("data: b\nid:\n\n", std::string_view{}, start);
    append(log, "1");
    CHECK(log.find("") == EventLog::Sequence{2});
}

TEST_CASE("log: ids that also stand elsewhere in the frame") {
    EventLog log;
    const std::vector<std::string> ids{"a", "d", "i", "id", "id: ", ":", " ", "data", "data: x", "1", "\xC3\xA9", std::string(5000, 'z')};
    for (const std::string& id : ids) {
        CAPTURE(id);
        const std::string data = id + id + "\ndata: " + id;
        log.append(frame(id, data), id, start);
        CHECK(log.find(id) == log.last());
    }
    // A view into the frame, as a parser hands out.
    const std::string own = "data: 5\nid: 5\n\n";
    log.append(own, std::string_view{own}.substr(12, 1), start);
    CHECK(log.find("5") == log.last());
}

TEST_CASE("log: an id that the frame does not carry is not found, and harms nothing") {
    EventLog log;
    log.append("data: a\n\n", std::string(100'000, 'q'), start);
    CHECK_FALSE(log.find(std::string(100'000, 'q')).has_value());
    CHECK_FALSE(log.find("").has_value());
    CHECK(text(log.read(0, all)) == "data: a\n\n");
}

TEST_CASE("log: an empty frame is an event") {
    EventLog log;
    CHECK(log.append({}, std::nullopt, start) == 1);
    CHECK(log.read(0, all).last == 1);
    log.append("x\n\n", std::nullopt, start);
    log.append({}, std::nullopt, start);
    CHECK(drain(log, 0) == "x\n\n");
    CHECK(log.read(0, 0).last >= 1);
    CHECK(log.bytes() == 3);
}

TEST_CASE("log: bytes behind a cursor") {
    EventLog log{bounds(3, 1000)};
    for (const std::size_t size : {1u, 2u, 4u, 8u}) log.append(std::string(size, 'a'), std::nullopt, start);
    CHECK(log.bytes_after(4) == 0);
    CHECK(log.bytes_after(3) == 8);
    CHECK(log.bytes_after(2) == 12);
    CHECK(log.bytes_after(1) == 14);
    CHECK(log.bytes_after(0) == 14);  // what is gone is not counted
}

TEST_CASE("log: moving takes the events along") {
    EventLog log;
    append(log, "1");
    append(log, "2");
    EventLog other{std::move(log)};
    CHECK(other.find("2") == EventLog::Sequence{2});
    append(other, "3");
    CHECK(drain(other, 1) == frame("2", "x") + frame("3", "x"));
    log = EventLog{};
    CHECK(log.append("a\n\n", std::nullopt, start) == 1);
}

namespace {

/// The same rules, naively.
struct Model {
    struct Event {
        std::string frame;
        std::optional<std::string> id;
        EventLog::TimePoint at;
    };

    EventLogOptions options;
    std::deque<Event> events;
    EventLog::Sequence last = 0;
    std::uint64_t evicted = 0;

    EventLog::Sequence first() const { return last + 1 - events.size(); }

    std::size_t bytes() const {
        std::size_t sum = 0;
        for (const Event& event : events) sum += event.frame.size();
        return sum;
    }

    void pop() {
        events.pop_front();
        ++evicted;
    }

    void age(EventLog::TimePoint now) {
        while (options.age > 0s && !events.empty() && events.front().at + options.age < now) pop();
    }

    void append(Event event) {
        const EventLog::TimePoint now = event.at;
        events.push_back(std::move(event));
        ++last;
        while (events.size() > options.events) pop();
        while (bytes() > options.bytes && events.size() > 1) pop();
        age(now);
    }

    std::optional<EventLog::Sequence> find(std::string_view id) const {
        for (std::size_t i = events.size(); i-- > 0;) {
            if (events[i].id == id) return first() + i;
        }
        return std::nullopt;
    }
};

struct Held {
    EventLog::Batch batch;
    std::string expected;
};

void check_read(const EventLog& log, const Model& model, EventLog::Sequence cursor, std::size_t max_bytes, std::vector<Held>& held) {
    const EventLog::Batch batch = log.read(cursor, max_bytes);
    const bool gone = cursor + 1 < model.first();
    REQUIRE(batch.evicted == gone);
    REQUIRE(log.holds(cursor) == (!gone && cursor <= model.last));
    if (gone || cursor >= model.last) {
        REQUIRE(batch.count == 0);
        REQUIRE(batch.last == cursor);
        return;
    }
    REQUIRE(batch.last > cursor);
    REQUIRE(batch.last <= model.last);
    REQUIRE(batch.count <= EventLog::max_pieces);
    std::string expected;
    for (EventLog::Sequence at = cursor + 1; at <= batch.last; ++at) {
        expected += model.events[static_cast<std::size_t>(at - model.first())].frame;
    }
    REQUIRE(text(batch) == expected);
    REQUIRE(batch.bytes == expected.size());
    if (batch.last > cursor + 1) REQUIRE(batch.bytes <= max_bytes);
    if (batch.last < model.last && batch.count < EventLog::max_pieces) {  // no shorter than need be
        const Model::Event& next = model.events[static_cast<std::size_t>(batch.last + 1 - model.first())];
        REQUIRE(batch.bytes + next.frame.size() > max_bytes);
    }
    if (held.size() < 16) held.push_back({batch, expected});
}

}  // namespace

TEST_CASE("log: equals a naive model under random use") {
    const auto seed = GENERATE(range(1u, 25u));
    CAPTURE(seed);
    rejoin::testing::Random random{seed};
    const auto below = [&random](std::size_t bound) { return static_cast<std::size_t>(random() % bound); };

    const std::size_t most_events = below(3) == 0 ? 1 + below(4) : 1 + below(200);
    const std::size_t most_bytes = below(3) == 0 ? 1 + below(50) : 1 + below(300'000);
    const auto options = bounds(most_events, most_bytes, std::chrono::seconds{below(3) * 40});
    EventLog log{options};
    Model model{options, {}, 0, 0};
    std::vector<Held> held;
    EventLog::TimePoint now = start;

    for (int step = 0; step < 3000; ++step) {
        switch (below(12)) {
        case 0: now += std::chrono::milliseconds{below(10'000)}; break;
        case 1:
            log.evict_older(now);
            model.age(now);
            break;
        case 2:
            if (below(4) == 0) {
                log.evict_oldest();
                if (!model.events.empty()) model.pop();
            }
            break;
        case 3: {
            const std::string id = std::to_string(below(40));
            REQUIRE(log.find(id) == model.find(id));
            REQUIRE(log.find("") == model.find(""));
            break;
        }
        case 4:
        case 5: {
            const EventLog::Sequence low = model.first() > 3 ? model.first() - 3 : 0;
            const EventLog::Sequence cursor = low + below(static_cast<std::size_t>(model.last - low) + 3);
            check_read(log, model, cursor, below(2) == 0 ? all : below(100'000), held);
            break;
        }
        case 6:
            if (!held.empty()) {
                const std::size_t which = below(held.size());
                REQUIRE(text(held[which].batch) == held[which].expected);
                held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
            }
            break;
        default: {
            const std::size_t size = below(60) == 0 ? below(150'000) : below(300);
            std::optional<std::string> id;
            if (below(4) != 0) id = below(20) == 0 ? std::string{} : std::to_string(below(40));
            std::string one = "data: " + std::string(size, static_cast<char>('a' + step % 26)) + "\n";
            if (id) one += "id: " + *id + "\n";
            one += "\n";
            const EventLog::Sequence sequence = log.append(one, id, now);
            model.append({std::move(one), std::move(id), now});
            REQUIRE(sequence == model.last);
            break;
        }
        }
        REQUIRE(log.size() == model.events.size());
        REQUIRE(log.bytes() == model.bytes());
        REQUIRE(log.first() == model.first());
        REQUIRE(log.last() == model.last);
        REQUIRE(log.evicted() == model.evicted);
    }
    for (const Held& one : held) CHECK(text(one.batch) == one.expected);
}
