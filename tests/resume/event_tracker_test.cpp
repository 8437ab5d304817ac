#include "support/catch.hpp"

#include <string>
#include <system_error>
#include <vector>

#include <rejoin/resume/event_tracker.hpp>

#include "resume/tracker_helpers.hpp"

using namespace rejoin;
using namespace rejoin::test;
using Outcomes = std::vector<ResumeOutcome>;

namespace {

EventTracker tracker(std::size_t window = 1024, IdOrder order = IdOrder::automatic) {
    EventTrackerOptions options;
    options.window = window;
    options.order = order;
    return EventTracker{options};
}

Consumer consumer(std::size_t window = 1024, IdOrder order = IdOrder::automatic) { return {tracker(window, order)}; }

std::string numbers(int from, int to) {
    std::string out;
    for (int i = from; i <= to; ++i) out += std::to_string(i) + " ";
    if (!out.empty()) out.pop_back();
    return out;
}

}  // namespace

TEST_CASE("cursor: never set, value, cleared") {
    EventTracker t;
    CHECK(t.cursor_state() == EventTracker::CursorState::never_set);
    CHECK_FALSE(t.header_value());

    const Sent one = event("1"), none = follower("x"), clear = event("", "y");
    t.begin_connection();
    t.observe(view_of(one));
    CHECK(t.cursor_state() == EventTracker::CursorState::never_set);  // not before it was taken
    t.commit(view_of(one));
    CHECK(t.cursor_state() == EventTracker::CursorState::value);
    CHECK(t.header_value().value() == "1");

    t.observe(view_of(none));
    t.commit(view_of(none));
    CHECK(t.cursor() == "1");  // an event without id never clears it

    t.begin_connection();
    t.observe(view_of(none));
    t.commit(view_of(none));
    CHECK(t.cursor() == "1");  // nor on the next connection

    t.observe(view_of(clear));
    t.commit(view_of(clear));
    CHECK(t.cursor_state() == EventTracker::CursorState::cleared);
    CHECK_FALSE(t.header_value());
}

TEST_CASE("cursor: seeded, and kept through connections that bring nothing") {
    EventTracker t;
    t.seed("abc");
    for (int i = 0; i < 3; ++i) {
        t.begin_connection();
        CHECK(t.header_value().value() == "abc");
    }
    t.seed("");
    CHECK(t.cursor_state() == EventTracker::CursorState::cleared);
    CHECK_FALSE(t.header_value());
}

TEST_CASE("cursor: seeding what it is already forgets nothing, another one does") {
    auto c = consumer();
    c.connection("1 2 3");
    c.tracker.seed(c.tracker.cursor());
    CHECK(words(c.connection("2 3 4")) == "4");
    c.tracker.seed("2");
    CHECK(words(c.connection("3 4")) == "3 4");
}

TEST_CASE("cursor: commit on parsed and on acknowledged") {
    EventTrackerOptions options;
    const Sent one = event("1");
    SECTION("parsed") {
        options.commit_on = CommitOn::parsed;
        EventTracker t{options};
        t.begin_connection();
        t.observe(view_of(one));
        CHECK(t.cursor() == "1");
        t.commit(view_of(event("0")));  // nothing to do
        CHECK(t.cursor() == "1");
        t.begin_connection();
        CHECK_FALSE(t.observe(view_of(one)).deliver);
    }
    SECTION("acknowledged: what was delivered only comes again") {
        options.commit_on = CommitOn::acknowledged;
        EventTracker t{options};
        const auto list = events("1 2 3 4");
        t.begin_connection();
        for (const Sent& sent : list) t.observe(view_of(sent));
        t.commit(view_of(list[0]));
        t.commit(view_of(list[1]));
        CHECK(t.cursor() == "2");
        t.begin_connection();
        CHECK_FALSE(t.observe(view_of(list[1])).deliver);
        CHECK(t.observe(view_of(list[2])).deliver);
        CHECK(t.observe(view_of(list[3])).deliver);
    }
    SECTION("acknowledged out of order: the hole comes again, its neighbours do not") {
        options.commit_on = CommitOn::acknowledged;
        EventTracker t{options};
        const auto list = events("1 2 3 4 5");
        t.begin_connection();
        for (const Sent& sent : list) t.observe(view_of(sent));
        t.commit(view_of(list[0]));
        t.commit(view_of(list[3]));
        t.commit(view_of(list[1]));
        CHECK(t.cursor() == "2");
        t.begin_connection();
        CHECK(t.observe(view_of(list[2])).deliver);
    }
}

TEST_CASE("cursor: a block with an id only moves it, after the events before it") {
    EventTracker t;
    const Sent one = event("1"), two = event("2");
    t.begin_connection();
    CHECK_FALSE(t.observe(cursor_block("p")).deliver);
    CHECK(t.cursor() == "p");

    t.observe(view_of(one));
    t.observe(cursor_block("9"));
    t.observe(view_of(two));
    CHECK(t.cursor() == "p");
    t.commit(view_of(one));
    CHECK(t.cursor() == "9");
    t.commit(view_of(two));
    CHECK(t.cursor() == "2");
    t.observe(cursor_block(""));
    CHECK(t.cursor_state() == EventTracker::CursorState::cleared);
}

TEST_CASE("cursor: a block that waited for an event never taken does not survive the connection") {
    EventTracker t;
    const Sent one = event("1"), two = event("2");
    t.begin_connection();
    t.observe(view_of(one));
    t.commit(view_of(one));
    t.observe(view_of(two));
    t.observe(cursor_block("9"));
    t.begin_connection();
    t.commit(view_of(two));  // taken late
    CHECK(t.cursor() == "2");
}

TEST_CASE("cursor: comments, retry lines and unknown fields change nothing") {
    EventTracker t;
    t.seed("5");
    t.begin_connection();
    for (const SseItem kind : {SseItem::comment, SseItem::retry, SseItem::field}) {
        SseEventView item;
        item.kind = kind;
        item.id = "7";
        item.has_id = true;
        CHECK(t.observe(item).deliver);
        t.commit(item);
        CHECK(t.cursor() == "5");
    }
}

TEST_CASE("header: raw UTF-8, unfit values stay the cursor and are told once") {
    EventTracker t;
    t.seed("caf\xC3\xA9 \xE2\x82\xAC ");
    CHECK(t.header_value().value() == "caf\xC3\xA9 \xE2\x82\xAC ");
    CHECK_FALSE(t.unfit());
    for (const char* bad : {"a\x01", "\t", "a\x7F"}) {
        CAPTURE(bad);
        t.seed(bad);
        CHECK_FALSE(t.header_value());
        CHECK(t.cursor() == bad);
        CHECK(t.unfit());
        CHECK_FALSE(t.unfit());
    }
    t.seed(std::string(4096, 'x'));
    CHECK(t.header_value());
    t.seed(std::string(4097, 'x'));
    CHECK_FALSE(t.header_value());
    CHECK(t.cursor().size() == 4097);
    CHECK(t.unfit());

    EventTrackerOptions options;
    options.header_bytes = 0;
    EventTracker unlimited{options};
    unlimited.seed(std::string(100000, 'x'));
    CHECK(unlimited.header_value());
}

TEST_CASE("options: a custom order needs its function") {
    EventTrackerOptions options;
    options.order = IdOrder::custom;
    CHECK_THROWS_AS(EventTracker{options}, std::system_error);
}

// --- what a connection brings after a drop: D1 to D12 ---

TEST_CASE("D1: exact resume") {
    auto c = consumer();
    c.connection("1 2 3");
    CHECK(c.outcomes.empty());
    CHECK(words(c.connection("4 5")) == "4 5");
    CHECK(c.outcomes == Outcomes{ResumeOutcome::resumed});
    CHECK(c.tracker.outcome() == ResumeOutcome::resumed);
    CHECK(c.tracker.counters().count(ResumeOutcome::resumed) == 1);
    CHECK(c.tracker.counters().duplicates == 0);
}

TEST_CASE("D2: inclusive replay") {
    auto c = consumer();
    c.connection("1 2 3");
    CHECK(words(c.connection("3 4")) == "4");
    CHECK(c.outcomes == Outcomes{ResumeOutcome::overlapped});
    CHECK(c.tracker.counters().duplicates == 1);
}

TEST_CASE("D3: replay from the start") {
    auto c = consumer();
    c.connection("1 2 3");
    CHECK(words(c.connection("1 2 3 4")) == "4");
    CHECK(c.outcomes == Outcomes{ResumeOutcome::restarted});
    CHECK(c.tracker.counters().duplicates == 3);

    auto opaque = consumer();
    opaque.connection("a b c");
    CHECK(words(opaque.connection("a b c d")) == "d");
    CHECK(opaque.outcomes == Outcomes{ResumeOutcome::restarted});
}

TEST_CASE("D4: a jump is a gap where the ids count") {
    auto c = consumer();
    c.connection("1 2 3");
    CHECK(words(c.connection("7")) == "7");
    CHECK(c.outcomes == Outcomes{ResumeOutcome::gap_possible});
    CHECK(c.lost == 3);
    CHECK(c.tracker.counters().gaps == 1);
    CHECK(c.tracker.counters().lost == 3);
    CHECK(words(c.connection("12")) == "12");  // a lone id behind a gap is no sign of holes in normal running
    CHECK(c.lost == 7);

    auto opaque = consumer();
    opaque.connection("a b c");
    opaque.connection("g");
    CHECK(opaque.outcomes == Outcomes{ResumeOutcome::unverified});
}

TEST_CASE("gap: ids with holes in normal running tell nothing, unless the caller says they count") {
    auto c = consumer();
    c.connection("100 117 131");
    c.connection("155 160");
    CHECK(c.outcomes == Outcomes{ResumeOutcome::unverified});

    c.connection("190");
    c.connection("230");  // one id a connection tells nothing new about the way they run
    CHECK(c.outcomes == Outcomes{ResumeOutcome::unverified});

    auto seeded = consumer();
    seeded.tracker.seed("1400");
    CHECK(words(seeded.connection("1000 1117 1400 1555")) == "1555");  // the replay shows it
    CHECK(seeded.outcomes == Outcomes{ResumeOutcome::restarted});

    auto strict = consumer(1024, IdOrder::integer);
    strict.connection("100 117 131");
    strict.connection("155");
    CHECK(strict.outcomes == Outcomes{ResumeOutcome::gap_possible});
    CHECK(strict.lost == 23);
}

TEST_CASE("gap: a jump behind an overlap is one, too") {
    auto c = consumer();
    c.connection("1 2 3");
    CHECK(words(c.connection("3 7 8")) == "7 8");
    CHECK(c.outcomes == Outcomes{ResumeOutcome::overlapped, ResumeOutcome::gap_possible});
    CHECK(c.lost == 3);
    CHECK(c.tracker.outcome() == ResumeOutcome::gap_possible);
}

TEST_CASE("D5: a new epoch") {
    auto c = consumer();
    c.connection("1 2 3");
    CHECK(words(c.connection("a1 a2")) == "a1 a2");
    CHECK(c.outcomes == Outcomes{ResumeOutcome::epoch_changed});
    CHECK(words(c.connection("a2 a3")) == "a3");  // and the new one is tracked

    auto back = consumer();
    back.connection("x1 x2");
    back.connection("1 2");
    CHECK(back.outcomes == Outcomes{ResumeOutcome::epoch_changed});

    auto none = consumer(1024, IdOrder::none);
    none.connection("1 2 3");
    none.connection("a1");
    CHECK(none.outcomes == Outcomes{ResumeOutcome::unverified});
}

TEST_CASE("epoch: a counter begun anew below what was ever seen") {
    auto c = consumer();
    c.connection("101 102 103");
    CHECK(words(c.connection("1 2 3")) == "1 2 3");
    CHECK(c.outcomes == Outcomes{ResumeOutcome::epoch_changed});
    CHECK(words(c.connection("1 2 3 4")) == "4");
    CHECK(c.outcomes == Outcomes{ResumeOutcome::restarted});
}

TEST_CASE("epoch: the same numbers with other content lose nothing") {
    auto c = consumer();
    c.connection(numbers(1, 50));
    // The third happens to be equal to the old one.
    CHECK(words(c.connection("1=p 2=q 3 4=r")) == "1=p 2=q 3 4=r");
    CHECK(c.outcomes == Outcomes{ResumeOutcome::restarted, ResumeOutcome::epoch_changed});
    CHECK(c.tracker.cursor() == "4");
    CHECK(words(c.connection("5=s 6=t")) == "5=s 6=t");
    CHECK(words(c.connection("1=p 2=q 3 4=r 5=s 6=t 7=u")) == "7=u");
    CHECK(c.outcomes == Outcomes{ResumeOutcome::restarted});
}

TEST_CASE("D6: one id for all") {
    auto c = consumer();
    c.connection("x=a x=b x=c");
    SECTION("the newest comes again, then news") {
        CHECK(words(c.connection("x=c x=d x=a")) == "x=d x=a");
        CHECK(c.outcomes == Outcomes{ResumeOutcome::overlapped});
    }
    SECTION("news at once") { CHECK(words(c.connection("x=d x=c x=b")) == "x=d x=c x=b"); }
    SECTION("from the start") { CHECK(words(c.connection("x=a x=b x=c x=d x=c")) == "x=d x=c"); }
    SECTION("caught up: what then equals something older is news") {
        CHECK(words(c.connection("x=c x=a x=b")) == "x=a x=b");
    }
    SECTION("from the middle") { CHECK(words(c.connection("x=b x=c x=c")) == "x=c"); }
    SECTION("another type is another event") {
        Sent other = event("x", "c");
        other.type = "other";
        CHECK(c.connection(std::vector<Sent>{other}).size() == 1);
    }
}

TEST_CASE("D6: one id and one content: a tick lost would be worse than a tick doubled") {
    auto c = consumer();
    c.connection("x=tick x=tick x=tick x=tick");
    CHECK(c.connection("x=tick x=tick x=tick x=tick").size() == 3);
    auto single = consumer();
    single.connection("x=tick");
    CHECK(single.connection("x=tick x=tick").size() == 1);
    CHECK(single.connection("x=other x=third x=other").size() == 3);
}

TEST_CASE("D6: of several equal events the newest is the place, unless what follows says otherwise") {
    auto c = consumer();
    c.connection("x=a x=b x=a x=c");
    SECTION("from the first a") { CHECK(words(c.connection("x=a x=b x=a x=c x=d")) == "x=d"); }
    SECTION("from the second") { CHECK(words(c.connection("x=a x=c x=b")) == "x=b"); }
}

TEST_CASE("ids that come round again") {
    auto c = consumer();
    SECTION("other content") {
        c.connection("1=a 2=a 3=a 4=a 5=a 1=b 2=b 3=b");
        CHECK(words(c.connection("4=b 5=b 1=c")) == "4=b 5=b 1=c");
        CHECK(c.outcomes == Outcomes{ResumeOutcome::resumed});
    }
    SECTION("equal content") {
        c.connection("1=a 2=a 3=a 4=a 5=a 1=a 2=a 3=a");
        CHECK(words(c.connection("4=a 5=a 1=a")) == "4=a 5=a 1=a");
    }
    SECTION("inclusive") {
        c.connection("1=a 2=a 3=a 4=a 5=a 1=b 2=b 3=b");
        CHECK(words(c.connection("3=b 4=b 5=b 1=c")) == "4=b 5=b 1=c");
    }
    SECTION("caught up: what then equals something older is news") {
        c.connection("1=a 2=a 1=b 2=b");
        CHECK(words(c.connection("2=b 1=a 2=a")) == "1=a 2=a");
    }
    SECTION("round the corner") {
        c.connection("1=a 2=a 3=a 1=b 2=b 3=b");
        CHECK(words(c.connection("1=c 2=c")) == "1=c 2=c");
        CHECK(c.edited == 0);
    }
}

TEST_CASE("D7: events without own id are never dropped by id") {
    auto c = consumer();
    c.connection("1 -a -b");
    CHECK(words(c.connection("-a -b")) == "-a -b");
    CHECK(c.tracker.outcome() == ResumeOutcome::none);
    CHECK(words(c.connection("1 -a -b -c 2")) == "-a -b -c 2");
    CHECK(c.outcomes == Outcomes{ResumeOutcome::overlapped});
}

TEST_CASE("D8: an edited event is delivered and flagged") {
    auto c = consumer();
    c.connection("5=A");
    CHECK(words(c.connection("5=B 6")) == "5=B 6");
    CHECK(c.edited == 1);
    CHECK(c.tracker.counters().edited == 1);
    CHECK(c.outcomes == Outcomes{ResumeOutcome::overlapped});
    CHECK(words(c.connection("5=B 6 7")) == "7");  // the edit is known by now

    auto amidst = consumer();
    amidst.connection("1 2 3 4 5");
    CHECK(words(amidst.connection("2 3=new 4 5 6")) == "3=new 6");
    CHECK(amidst.edited == 1);
    CHECK(words(amidst.connection("1 2 3=new 4 5 6 7")) == "7");
    CHECK(amidst.edited == 1);
}

TEST_CASE("D8: cut right behind an edit: the cursor went back, nothing is lost or doubled") {
    auto c = consumer();
    c.connection("1 2 3 4 5");
    CHECK(words(c.connection("2 3=new")) == "3=new");
    CHECK(c.tracker.cursor() == "3");
    CHECK(words(c.connection("4 5 6")) == "6");
    CHECK(words(c.connection("7")) == "7");
    CHECK(c.outcomes == Outcomes{ResumeOutcome::resumed});
}

TEST_CASE("D8: an edited beginning is still the beginning when the window has moved on") {
    auto c = consumer(4);
    c.connection("1 2 3");
    CHECK(words(c.connection("1=new 2 3 " + numbers(4, 20))) == "1=new " + numbers(4, 20));
    CHECK(words(c.connection("1=new " + numbers(2, 21))) == "21");
    CHECK(c.outcomes == Outcomes{ResumeOutcome::restarted});
}

TEST_CASE("D8: the edit is still in the consumer's hands when the next is parsed") {
    EventTracker t;
    const auto list = events("1 2 3");
    t.begin_connection();
    for (const Sent& sent : list) {
        t.observe(view_of(sent));
        t.commit(view_of(sent));
    }
    const Sent edit = event("2", "new");
    t.begin_connection();
    CHECK(t.observe(view_of(edit)).edited);
    CHECK_FALSE(t.observe(view_of(list[2])).deliver);
    t.commit(view_of(edit));
    t.begin_connection();
    CHECK_FALSE(t.observe(view_of(edit)).deliver);
    CHECK_FALSE(t.observe(view_of(list[2])).deliver);
    CHECK(t.observe(view_of(event("4"))).deliver);
}

TEST_CASE("D9: the window is smaller than the replay") {
    SECTION("from the start, numbers") {
        auto c = consumer(4);
        c.connection(numbers(1, 10));
        CHECK(words(c.connection(numbers(1, 12))) == "11 12");
        CHECK(c.outcomes == Outcomes{ResumeOutcome::restarted});
    }
    SECTION("from the start, far beyond head and window") {
        auto c = consumer(4);
        c.connection(numbers(1, 100));
        CHECK(words(c.connection(numbers(1, 102))) == "101 102");
        CHECK(c.tracker.counters().duplicates == 100);
    }
    SECTION("from the start, opaque ids: by count until the window is met") {
        auto c = consumer(4);
        std::vector<Sent> all;
        for (int i = 0; i < 60; ++i) all.push_back(event("k" + std::to_string(i * 7919 % 1000)));
        const std::vector<Sent> first(all.begin(), all.begin() + 50);
        c.connection(first);
        CHECK(c.connection(all).size() == 10);
        CHECK(c.taken == all);
    }
    SECTION("from before the window, but not the start: reported, not guessed") {
        auto c = consumer(4);
        c.connection(numbers(1, 100));
        CHECK(words(c.connection("50 51 52")) == "50 51 52");
        CHECK(c.outcomes == Outcomes{ResumeOutcome::epoch_changed});
    }
    SECTION("opaque ids never seen again: the skip ends by its count") {
        auto c = consumer(4);
        std::vector<Sent> first, second;
        for (int i = 0; i < 20; ++i) first.push_back(event("k" + std::to_string(i)));
        for (int i = 0; i < 8; ++i) second.push_back(first[static_cast<std::size_t>(i)]);
        for (int i = 0; i < 20; ++i) second.push_back(event("n" + std::to_string(i)));
        c.connection(first);
        CHECK(c.connection(second).size() == 12);
        CHECK(c.outcomes == Outcomes{ResumeOutcome::restarted, ResumeOutcome::epoch_changed});
    }
    SECTION("a greeting at the start of each connection is no replay") {
        auto c = consumer(4);
        c.connection("hi k1 k2 k3 k4 k5 k6 k7 k8 k9");
        CHECK(words(c.connection("hi k10 k11 k12")) == "k10 k11 k12");
        CHECK(c.outcomes == Outcomes{ResumeOutcome::restarted, ResumeOutcome::epoch_changed});
    }
    SECTION("from start, but the cursor is newer than everything replayed before it jumps over the window") {
        auto c = consumer(4);
        c.connection(numbers(1, 20));
        CHECK(words(c.connection(numbers(1, 10) + " 30")) == "30");
        CHECK(c.lost == 9);
    }
}

TEST_CASE("D10: verification ends at the first unseen id") {
    auto c = consumer();
    c.connection("1 2 3");
    CHECK(words(c.connection("3 4 2 3 4")) == "4 2 3 4");
    auto resumed = consumer();
    resumed.connection("1 2 3");
    CHECK(words(resumed.connection("4 3 2 1")) == "4 3 2 1");
    auto first = consumer();
    CHECK(words(first.connection("1 1 2 2 1")) == "1 1 2 2 1");  // in normal running nothing is dropped
}

TEST_CASE("D11: two drops in a row, both replays overlap") {
    auto c = consumer();
    c.connection("1 2 3 4 5");
    CHECK(words(c.connection("3 4")) == "");
    CHECK(words(c.connection("3 4 5 6")) == "6");
    CHECK(words(c.connection("1 2")) == "");
    CHECK(words(c.connection("1 2 3 4 5 6 7")) == "7");
    CHECK(words(c.connection("8")) == "8");
    CHECK(words(c.taken) == "1 2 3 4 5 6 7 8");
}

TEST_CASE("parsed but never taken is not seen") {
    EventTracker t;
    const auto list = events("1 2 3 4 5");
    t.begin_connection();
    for (const Sent& sent : list) t.observe(view_of(sent));
    t.commit(view_of(list[0]));
    t.commit(view_of(list[1]));
    t.begin_connection();
    CHECK(t.cursor() == "2");
    CHECK(t.observe(view_of(list[2])).deliver);
    CHECK(t.outcome() == ResumeOutcome::resumed);
    CHECK(t.observe(view_of(list[3])).deliver);
}

TEST_CASE("taken late: an event committed after the next connection began is seen") {
    EventTracker t;
    const auto list = events("1 2 3");
    t.begin_connection();
    t.observe(view_of(list[0]));
    t.begin_connection();
    t.commit(view_of(list[0]));
    CHECK(t.observe(view_of(list[1])).outcome == ResumeOutcome::resumed);
}

TEST_CASE("seeded: nothing seen yet") {
    auto c = consumer();
    SECTION("inclusive: by id alone") {
        c.tracker.seed("5");
        CHECK(words(c.connection("5 6")) == "6");
        CHECK(c.outcomes == Outcomes{ResumeOutcome::overlapped});
    }
    SECTION("inclusive, opaque") {
        c.tracker.seed("e-5");
        CHECK(words(c.connection("e-5 e-6 e-5")) == "e-6 e-5");
    }
    SECTION("exact") {
        c.tracker.seed("5");
        CHECK(words(c.connection("6 7")) == "6 7");
        CHECK(c.outcomes == Outcomes{ResumeOutcome::resumed});
    }
    SECTION("from the start") {
        c.tracker.seed("5");
        CHECK(words(c.connection("1 2 3 4 5 6 7")) == "6 7");
        CHECK(c.outcomes == Outcomes{ResumeOutcome::restarted});
        // And again: everything up to the seed counts as taken, what follows is in the window.
        CHECK(words(c.connection("1 2 3 4 5 6 7 8")) == "8");
        CHECK(c.outcomes == Outcomes{ResumeOutcome::restarted});
        CHECK(words(c.connection("4 5 6 7 8 9")) == "9");
        CHECK(words(c.connection("5 6 7 8 9 10")) == "10");
        CHECK(c.outcomes == Outcomes{ResumeOutcome::overlapped});
    }
    SECTION("from the start without the cursor's own event") {
        c.tracker.seed("5");
        CHECK(words(c.connection("1 2 6 7")) == "6 7");
    }
    SECTION("a jump") {
        c.tracker.seed("5");
        c.connection("9");
        CHECK(c.outcomes == Outcomes{ResumeOutcome::gap_possible});
        CHECK(c.lost == 3);
    }
    SECTION("another shape") {
        c.tracker.seed("5");
        CHECK(words(c.connection("b1 b2")) == "b1 b2");
        CHECK(c.outcomes == Outcomes{ResumeOutcome::epoch_changed});
    }
    SECTION("opaque and unknown") {
        c.tracker.seed("k5");
        CHECK(words(c.connection("k1 k5 k6")) == "k1 k5 k6");
        CHECK(c.outcomes == Outcomes{ResumeOutcome::unverified});
    }
    SECTION("dropped before the first event, seeded cursor kept") {
        c.tracker.seed("5");
        c.connection("");
        CHECK(words(c.connection("5 6")) == "6");
    }
}

TEST_CASE("seeded: the way to the cursor is bounded by the window") {
    SECTION("a far smaller number is a counter begun anew: nothing is dropped") {
        auto c = consumer(8);
        c.tracker.seed("5000");
        CHECK(words(c.connection("1 2 3")) == "1 2 3");
        CHECK(c.outcomes == Outcomes{ResumeOutcome::epoch_changed});
    }
    SECTION("just within") {
        auto c = consumer(8);
        c.tracker.seed("108");
        CHECK(words(c.connection(numbers(101, 110))) == "109 110");
    }
    SECTION("past the bound everything is delivered") {
        auto c = consumer(8);
        c.tracker.seed("190");
        CHECK(words(c.connection(numbers(101, 112))) == numbers(109, 112));
        CHECK(c.outcomes == Outcomes{ResumeOutcome::restarted, ResumeOutcome::epoch_changed});
    }
    SECTION("time stamps are far apart, but few") {
        auto c = consumer(8);
        c.tracker.seed("1700000009000");
        CHECK(words(c.connection("1700000000000 1700000004000 1700000009000 1700000011000")) == "1700000011000");
    }
}

TEST_CASE("seeded: a new numbering knows nothing of the old seed") {
    auto c = consumer();
    c.tracker.seed("7");
    c.connection("a1 a2");
    CHECK(c.outcomes == Outcomes{ResumeOutcome::epoch_changed});
    CHECK(words(c.connection("7 8")) == "7 8");
}

TEST_CASE("seeded and long since overtaken: a replay from the start through evicted ground") {
    auto c = consumer(16);
    c.tracker.seed("10");
    CHECK(words(c.connection(numbers(11, 200))) == numbers(11, 200));
    CHECK(words(c.connection(numbers(1, 203))) == numbers(201, 203));
    CHECK(c.outcomes == Outcomes{ResumeOutcome::restarted});
}

TEST_CASE("a cursor without event: the event of that id is news") {
    auto c = consumer();
    c.connection("1 2");
    c.tracker.observe(cursor_block("5"));
    CHECK(c.tracker.cursor() == "5");
    CHECK(words(c.connection("5 6")) == "5 6");
    CHECK(c.outcomes == Outcomes{ResumeOutcome::overlapped});
}

TEST_CASE("cursor-only blocks amidst a replay do not take the cursor back") {
    auto c = consumer();
    c.connection("1 2");
    c.tracker.observe(cursor_block("3"));
    c.take(event("4"));
    c.tracker.begin_connection();
    CHECK_FALSE(c.take(event("1")));
    CHECK_FALSE(c.take(event("2")));
    c.tracker.observe(cursor_block("3"));
    CHECK(c.tracker.cursor() == "4");
    CHECK_FALSE(c.take(event("4")));
    c.tracker.observe(cursor_block("6"));
    CHECK(c.tracker.cursor() == "6");
}

TEST_CASE("a priming id before the first event does not decide, and does not hide what was asked for") {
    auto c = consumer();
    c.connection("1 2 3");
    c.tracker.begin_connection();
    c.tracker.observe(cursor_block("0"));
    CHECK(c.tracker.cursor() == "0");
    CHECK(c.tracker.outcome() == ResumeOutcome::none);
    CHECK(c.take(event("4")));
    CHECK(c.tracker.outcome() == ResumeOutcome::resumed);
}

TEST_CASE("a cleared cursor: what was seen is still known") {
    auto c = consumer();
    c.connection("1 2 =bye");
    CHECK_FALSE(c.tracker.header_value());
    CHECK(words(c.connection("1 2 3")) == "3");
    CHECK(c.outcomes == Outcomes{ResumeOutcome::restarted});
    auto fresh = consumer();
    fresh.connection("1 2 =bye");
    CHECK(words(fresh.connection("8 9")) == "8 9");
    CHECK(fresh.outcomes == Outcomes{ResumeOutcome::unverified});
}

TEST_CASE("a replay that fills a hole drops its neighbours only") {
    auto c = consumer();
    c.connection("1 2 3");
    c.connection("5 6");
    CHECK(words(c.connection("2 3 4 5 6 7")) == "4 7");
    CHECK(words(c.taken) == "1 2 3 5 6 4 7");
}

TEST_CASE("window off: nothing is dropped, the outcome is still told") {
    auto c = consumer(0);
    c.connection("1 2 3");
    CHECK(words(c.connection("3 4")) == "3 4");
    CHECK(c.outcomes == Outcomes{ResumeOutcome::overlapped});
    CHECK(words(c.connection("5")) == "5");
    CHECK(c.outcomes == Outcomes{ResumeOutcome::resumed});
    c.connection("9");
    CHECK(c.outcomes == Outcomes{ResumeOutcome::gap_possible});
}

TEST_CASE("orders: ms-seq, ulid, custom") {
    auto redis = consumer(1024, IdOrder::ms_seq);
    redis.connection("1700-0 1700-1");
    redis.connection("1700-2");
    CHECK(redis.outcomes == Outcomes{ResumeOutcome::resumed});
    redis.connection("1700-5");
    CHECK(redis.outcomes == Outcomes{ResumeOutcome::gap_possible});
    CHECK(redis.lost == 2);
    redis.connection("1800-0");
    CHECK(redis.outcomes == Outcomes{ResumeOutcome::unverified});
    redis.connection("3-0");
    CHECK(redis.outcomes == Outcomes{ResumeOutcome::epoch_changed});

    auto ulid = consumer(1024, IdOrder::ulid);
    ulid.connection("01ARZ3NDEKTSV4RRFFQ69G5FAV");
    ulid.connection("01ARZ3NDEKTSV4RRFFQ69G5FAW");
    CHECK(ulid.outcomes == Outcomes{ResumeOutcome::resumed});
    ulid.connection("01ARZ3NDEKTSV4RRFFQ69G5FB0");
    CHECK(ulid.outcomes == Outcomes{ResumeOutcome::gap_possible});
    CHECK(ulid.lost == 3);

    EventTrackerOptions options;
    options.order = IdOrder::custom;
    options.step = [](std::string_view cursor, std::string_view id) {
        return integer_step(cursor.substr(1), id.substr(1));
    };
    Consumer custom{EventTracker{options}};
    custom.connection("a1 a2");
    custom.connection("a3");
    CHECK(custom.outcomes == Outcomes{ResumeOutcome::resumed});
    custom.connection("a9");
    CHECK(custom.lost == 5);
}

TEST_CASE("D12: upstream drops while the downstream client is away") {
    // The proxy's side goes on without a client; what it took stands in a log under its own ids. The client's cursor is
    // one of those.
    auto proxy = consumer();
    proxy.connection(numbers(1, 10));
    Consumer client{EventTracker{}};
    std::vector<Sent> log = proxy.taken;
    client.connection(std::vector<Sent>(log.begin(), log.begin() + 4));
    CHECK(client.tracker.cursor() == "4");

    proxy.connection("10 11 12");
    proxy.connection(numbers(1, 15));
    log = proxy.taken;
    CHECK(words(log) == numbers(1, 15));

    const auto from = std::stoul(std::string{client.tracker.header_value().value()});
    client.connection(std::vector<Sent>(log.begin() + static_cast<std::ptrdiff_t>(from), log.end()));
    CHECK(words(client.taken) == numbers(1, 15));
    CHECK(client.tracker.outcome() == ResumeOutcome::resumed);
}

TEST_CASE("two trackers hash differently, a set seed hashes alike") {
    const Sent sent = event("1", "data");
    CHECK(detail::fresh_seed() != detail::fresh_seed());
    CHECK(detail::seen_event(view_of(sent), 7) == detail::seen_event(view_of(sent), 7));
    CHECK_FALSE(detail::seen_event(view_of(sent), 7) == detail::seen_event(view_of(sent), 8));
}
