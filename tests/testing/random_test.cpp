#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <vector>

#include <rejoin/testing/random.hpp>

#include "support/catch.hpp"

namespace rejoin::testing {
namespace {

TEST_CASE("random: the same seed gives the same numbers, on every platform") {
    Random one{42};
    Random other{42};
    for (int i = 0; i < 100; ++i) CHECK(one() == other());
    CHECK(Random{1}() != Random{2}());
    CHECK(Random{0}() == 0xE220A8397B1DCDAF);
}

TEST_CASE("random: numbers stay in their bounds and reach them") {
    Random random{7};
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 1000; ++i) seen.insert(random.between(3, 6));
    CHECK(seen == std::set<std::uint64_t>{3, 4, 5, 6});
    CHECK(random.below(0) == 0);
    CHECK(random.below(1) == 0);
    int hits = 0;
    for (int i = 0; i < 10'000; ++i) hits += random.chance(1, 4) ? 1 : 0;
    CHECK(hits > 2300);
    CHECK(hits < 2700);
    CHECK_FALSE(random.chance(0, 4));
    CHECK(random.chance(4, 4));
}

TEST_CASE("random: picks, forks and shuffles") {
    Random random{7};
    const std::array<int, 3> of{1, 2, 3};
    CHECK(std::count(of.begin(), of.end(), random.pick(of)) == 1);
    Random same{7};
    static_cast<void>(same.pick(of));
    Random fork = random.fork();
    CHECK(fork() == same.fork()());
    std::vector<int> cards{1, 2, 3, 4, 5};
    std::shuffle(cards.begin(), cards.end(), random);
    std::sort(cards.begin(), cards.end());
    CHECK(cards == std::vector<int>{1, 2, 3, 4, 5});
}

}  // namespace
}  // namespace rejoin::testing
