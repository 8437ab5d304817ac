#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <set>
#include <system_error>
#include <vector>

#include <rejoin/resume/backoff.hpp>

using namespace rejoin;
using namespace std::chrono_literals;
using Delays = std::vector<std::chrono::milliseconds>;

namespace {

BackoffOptions options(Jitter jitter, std::uint64_t seed = 1) {
    BackoffOptions out;
    out.jitter = jitter;
    out.seed = seed;
    return out;
}

Delays take(Backoff& backoff, int count) {
    Delays out;
    for (int i = 0; i < count; ++i) out.push_back(backoff.next());
    return out;
}

}  // namespace

TEST_CASE("C31, C32: backoff: without jitter the exact sequence, the first delay being the base") {
    Backoff backoff{options(Jitter::none)};
    CHECK(take(backoff, 9) == Delays{250ms, 500ms, 1s, 2s, 4s, 8s, 16s, 30s, 30s});
    CHECK(backoff.attempts() == 9);
    backoff.reset();
    CHECK(backoff.attempts() == 0);
    CHECK(take(backoff, 2) == Delays{250ms, 500ms});
}

TEST_CASE("backoff: each kind of jitter stays within its step") {
    const Delays steps{250ms, 500ms, 1s, 2s, 4s, 8s, 16s, 30s, 30s, 30s};
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        Backoff full{options(Jitter::full, seed)}, equal{options(Jitter::equal, seed)},
            decorrelated{options(Jitter::decorrelated, seed)};
        std::chrono::milliseconds before{0};
        for (std::size_t i = 0; i < steps.size(); ++i) {
            const auto from_full = full.next();
            CHECK((from_full >= 0ms && from_full <= steps[i]));
            const auto from_equal = equal.next();
            CHECK((from_equal >= steps[i] / 2 && from_equal <= steps[i]));
            const auto drawn = decorrelated.next();
            CHECK(drawn >= 250ms);
            CHECK(drawn <= (i == 0 ? 250ms : std::min<std::chrono::milliseconds>(30s, before * 3)));
            before = drawn;
        }
    }
}

TEST_CASE("C31: backoff: a given seed gives a given sequence, the default instances differ") {
    for (const Jitter jitter : {Jitter::full, Jitter::equal, Jitter::decorrelated}) {
        Backoff one{options(jitter, 42)}, two{options(jitter, 42)}, other{options(jitter, 43)};
        const Delays first = take(one, 12);
        CHECK(first == take(two, 12));
        CHECK(first != take(other, 12));
    }
    std::set<Delays> all;
    for (int i = 0; i < 100; ++i) {
        Backoff fresh;
        all.insert(take(fresh, 8));
    }
    CHECK(all.size() == 100);
}

TEST_CASE("backoff: full jitter uses its whole range") {
    Backoff backoff{options(Jitter::full, 5)};
    std::chrono::milliseconds low{1000}, high{0}, sum{0};
    for (int i = 0; i < 2000; ++i) {
        backoff.reset();
        const auto delay = backoff.next();
        low = std::min(low, delay);
        high = std::max(high, delay);
        sum += delay;
    }
    CHECK(low < 5ms);
    CHECK(high > 245ms);
    CHECK((sum / 2000 > 110ms && sum / 2000 < 140ms));
}

TEST_CASE("C33: backoff: no overflow at any attempt") {
    for (const Jitter jitter : {Jitter::none, Jitter::full, Jitter::equal, Jitter::decorrelated}) {
        Backoff backoff{options(jitter)};
        for (int i = 0; i < 10'000; ++i) {
            const auto delay = backoff.next();
            REQUIRE((delay >= 0ms && delay <= 30s));
            if (jitter == Jitter::none && i >= 7) REQUIRE(delay == 30s);
        }
    }
    BackoffOptions nothing = options(Jitter::full);
    nothing.base = 0ms;
    Backoff at_once{nothing};
    for (int i = 0; i < 10'000; ++i) REQUIRE(at_once.next() == 0ms);
    BackoffOptions steep = options(Jitter::none);
    steep.factor = 1e300;
    steep.cap = 0ms;
    steep.base = std::chrono::milliseconds::max();
    Backoff backoff{steep};
    for (int i = 0; i < 100; ++i) REQUIRE(backoff.next() == 24h);
}

TEST_CASE("backoff: retry replaces the base only") {
    Backoff backoff{options(Jitter::none)};
    backoff.set_base(100ms);
    CHECK(take(backoff, 3) == Delays{100ms, 200ms, 400ms});
    backoff.set_base(100ms);  // on every connection: the growth goes on
    CHECK(take(backoff, 1) == Delays{800ms});
    backoff.set_base(60ms);
    CHECK(take(backoff, 1) == Delays{960ms});
    backoff.reset();
    CHECK(take(backoff, 2) == Delays{60ms, 120ms});  // it stays in force
}

TEST_CASE("backoff: retry has a floor and a ceiling") {
    Backoff backoff{options(Jitter::none)};
    backoff.set_base(0ms);
    CHECK(backoff.base() == 50ms);
    CHECK(backoff.next() == 50ms);
    backoff.reset();
    backoff.set_base(1'000'000'000'000ms);
    CHECK(backoff.next() == 30s);  // the cap holds
    backoff.set_base(std::chrono::milliseconds::max());
    CHECK(backoff.next() == 30s);

    BackoffOptions with_ceiling = options(Jitter::none);
    with_ceiling.retry_ceiling = 2s;
    with_ceiling.retry_floor = 0ms;
    Backoff bounded{with_ceiling};
    bounded.set_base(5s);
    CHECK(take(bounded, 2) == Delays{2s, 4s});
    bounded.set_base(0ms);
    CHECK(bounded.next() == 0ms);

    BackoffOptions small = options(Jitter::none);
    small.base = 1ms;  // the floor is for what the server says, not for the caller
    CHECK(Backoff{small}.next() == 1ms);
}

TEST_CASE("backoff: Retry-After is a lower bound, also above the cap") {
    Backoff backoff{options(Jitter::none)};
    CHECK(backoff.next(2s) == 2s);
    CHECK(backoff.next(1ms) == 500ms);
    CHECK(backoff.next(120s) == 120s);
    CHECK(backoff.next() == 2s);
}

TEST_CASE("backoff: never above the cap, also when the base is") {
    for (const Jitter jitter : {Jitter::none, Jitter::full, Jitter::equal, Jitter::decorrelated}) {
        BackoffOptions small = options(jitter);
        small.cap = 100ms;
        Backoff backoff{small};
        for (int i = 0; i < 50; ++i) CHECK(backoff.next() <= 100ms);
    }
}

TEST_CASE("backoff: options out of their domain") {
    BackoffOptions bad;
    bad.factor = 0.5;
    CHECK_THROWS_AS(Backoff{bad}, std::system_error);
    bad.factor = std::numeric_limits<double>::quiet_NaN();
    CHECK_THROWS_AS(Backoff{bad}, std::system_error);
    bad = {};
    bad.cap = -1ms;
    CHECK_THROWS_AS(Backoff{bad}, std::system_error);
    bad = {};
    bad.base = -1ms;
    CHECK_THROWS_AS(Backoff{bad}, std::system_error);
}
