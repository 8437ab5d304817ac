#include "support/catch.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <rejoin/resume/event_tracker.hpp>
#include <rejoin/testing/random.hpp>

#include "resume/tracker_helpers.hpp"

using namespace rejoin;
using namespace rejoin::test;

namespace {

enum class Ids { counter, timestamps, opaque, ms_seq };
enum class Replay { exact, inclusive, margin, from_start };

struct World {
    rejoin::testing::Random random;
    std::vector<Sent> history;  // what the server ever sends, in order

    std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random() % bound); }
    bool chance(unsigned percent) { return below(100) < percent; }

    void make_history(Ids ids, std::size_t count) {
        std::uint64_t number = 1 + below(50), ms = 1'700'000'000'000, seq = 0;
        for (std::size_t i = 0; i < count; ++i) {
            Sent sent;
            sent.data = std::to_string(below(3));  // contents recur, ids do not
            sent.type = chance(50) ? "message" : "other";
            switch (ids) {
            case Ids::counter: sent.id = std::to_string(number++); break;
            case Ids::timestamps: sent.id = std::to_string(ms += 1 + below(5000)); break;
            case Ids::opaque: sent.id = "k" + std::to_string(random()); break;
            case Ids::ms_seq:
                if (chance(30)) {
                    ms += 1 + below(9);
                    seq = 0;
                }
                sent.id = std::to_string(ms) + "-" + std::to_string(seq++);
                break;
            }
            history.push_back(std::move(sent));
        }
    }

    /// Where the server begins, asked for what follows `header`.
    std::size_t begin(std::optional<std::string_view> header, Replay replay, std::size_t margin) const {
        if (!header || replay == Replay::from_start) return 0;
        std::size_t next = 0;
        while (next < history.size() && history[next].id != *header) ++next;
        ++next;
        REQUIRE(next <= history.size());
        if (replay == Replay::inclusive) return next - 1;
        if (replay == Replay::margin) return next - std::min(next, margin);
        return next;
    }
};

/// One stream with its drops; each event with an id must be delivered exactly once, in order, and consumed events only
/// count.
void run(std::uint64_t seed) {
    World world{rejoin::testing::Random{seed}, {}};
    const Ids ids = static_cast<Ids>(world.below(4));
    const std::size_t window = std::vector<std::size_t>{4, 16, 1024}[world.below(3)];
    world.make_history(ids, 30 + world.below(300));
    const auto one_mode = world.chance(50) ? std::optional<Replay>{static_cast<Replay>(world.below(4))} : std::nullopt;

    EventTrackerOptions options;
    options.window = window;
    if (ids == Ids::ms_seq) options.order = IdOrder::ms_seq;
    options.hash_seed = seed + 1;
    EventTracker tracker{options};

    std::size_t first = 0;  // the first event owed
    if (ids != Ids::opaque && world.chance(30)) {
        first = 1 + world.below(std::min(window, world.history.size()) - 1);
        tracker.seed(*world.history[first - 1].id);
    }

    std::vector<Sent> taken;
    std::deque<Sent> in_hand;  // delivered, not taken yet
    const auto take_one = [&] {
        taken.push_back(in_hand.front());
        tracker.commit(view_of(in_hand.front()));
        in_hand.pop_front();
    };

    bool done = false;
    for (int connection = 0; !done; ++connection) {
        REQUIRE(connection < 5000);
        const Replay replay = one_mode.value_or(static_cast<Replay>(world.below(4)));
        const std::size_t margin = 1 + world.below(window - 1);
        // Buffered events may be taken behind the drop, even when the next request is out already, or be lost with the
        // old connection.
        const bool take_first = world.chance(50), take_late = window == 1024 && world.chance(50);
        while (take_first && !in_hand.empty()) take_one();
        const std::size_t from = world.begin(tracker.header_value(), replay, margin);
        tracker.begin_connection();
        while (take_late && !in_hand.empty()) take_one();
        in_hand.clear();

        const std::size_t length =
            replay == Replay::from_start ? world.below(2 * world.history.size()) : world.below(40);
        for (std::size_t i = from; i < world.history.size() && i < from + length; ++i) {
            if (tracker.observe(view_of(world.history[i])).deliver) in_hand.push_back(world.history[i]);
            while (!in_hand.empty() && world.chance(70)) take_one();
        }
        if (taken.size() + in_hand.size() + first >= world.history.size()) {
            while (!in_hand.empty()) take_one();
            done = true;
        }
        // Time stamps look like a counter with holes until two of them came in a row.
        if (ids != Ids::timestamps) REQUIRE(tracker.outcome() != ResumeOutcome::gap_possible);
        REQUIRE(tracker.outcome() != ResumeOutcome::epoch_changed);
    }
    const std::vector<Sent> owed(world.history.begin() + static_cast<std::ptrdiff_t>(first), world.history.end());
    REQUIRE(taken.size() == owed.size());
    REQUIRE(taken == owed);
    REQUIRE(tracker.counters().edited == 0);
}

}  // namespace

TEST_CASE("any stream, any drops, any way of replaying: each event exactly once") {
    for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
        CAPTURE(seed);
        run(seed);
    }
}

TEST_CASE("ids that are used again and again: what is new is never swallowed on an exact resume") {
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
        CAPTURE(seed);
        rejoin::testing::Random random{seed};
        const std::size_t period = 1 + random() % 5;
        std::vector<Sent> history;
        for (std::size_t i = 0; i < 200; ++i)
            history.push_back(event(std::to_string(i % period + 1), "n" + std::to_string(i)));
        EventTracker tracker;
        std::size_t taken = 0;
        while (taken < history.size()) {
            tracker.begin_connection();
            for (std::size_t left = random() % 20; left > 0 && taken < history.size(); --left, ++taken) {
                REQUIRE(tracker.observe(view_of(history[taken])).deliver);
                tracker.commit(view_of(history[taken]));
            }
        }
        CHECK(tracker.counters().duplicates == 0);
    }
}

TEST_CASE("ids that are used again and again: an inclusive replay drops just the repeat") {
    for (std::size_t period = 1; period <= 5; ++period) {
        CAPTURE(period);
        rejoin::testing::Random random{period};
        std::vector<Sent> history;
        for (std::size_t i = 0; i < 300; ++i)
            history.push_back(event(std::to_string(i % period + 1), "n" + std::to_string(i)));
        EventTracker tracker;
        std::vector<Sent> taken;
        while (taken.size() < history.size()) {
            tracker.begin_connection();
            std::size_t at = taken.empty() ? 0 : taken.size() - 1;
            for (std::size_t left = random() % 20; left > 0 && at < history.size(); --left, ++at) {
                if (!tracker.observe(view_of(history[at])).deliver) continue;
                taken.push_back(history[at]);
                tracker.commit(view_of(history[at]));
            }
        }
        CHECK(taken == history);
    }
}

TEST_CASE("whatever comes: only what was taken before is dropped, and after the first new id nothing") {
    for (std::uint64_t seed = 1; seed <= 4000; ++seed) {
        CAPTURE(seed);
        rejoin::testing::Random random{seed};
        const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random() % bound); };
        const std::size_t names = 1 + below(12), contents = 1 + below(3);
        EventTrackerOptions options;
        options.order = below(2) == 0 ? IdOrder::automatic : IdOrder::none;
        EventTracker tracker{options};
        std::vector<Sent> taken;
        std::vector<std::string> ids;
        for (int connection = 0; connection < 8; ++connection) {
            tracker.begin_connection();
            bool news = false;
            for (std::size_t left = below(20); left > 0; --left) {
                Sent sent = event(std::to_string(below(names)), std::to_string(below(contents)));
                if (below(10) == 0) sent.id.reset();
                if (below(30) == 0) sent.id = "";
                if (below(30) == 0) tracker.observe(cursor_block(std::to_string(below(names))));
                const bool own = sent.id && !sent.id->empty();
                const auto verdict = tracker.observe(view_of(sent));
                if (!verdict.deliver) {
                    REQUIRE(own);
                    REQUIRE_FALSE(news);
                    REQUIRE(std::find(taken.begin(), taken.end(), sent) != taken.end());
                    continue;
                }
                // A number below the cursor amidst a replay fills a hole, so it does not end the replay.
                if (own && options.order == IdOrder::none && std::find(ids.begin(), ids.end(), *sent.id) == ids.end())
                    news = true;
                if (below(8) == 0) continue;  // never taken
                tracker.commit(view_of(sent));
                taken.push_back(sent);
                if (own) ids.push_back(*sent.id);
            }
        }
    }
}
