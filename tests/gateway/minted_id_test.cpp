#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include <rejoin/gateway/minted_id.hpp>
#include <rejoin/testing/random.hpp>

#include "support/catch.hpp"

using rejoin::MintedId;

namespace {

std::string text(std::uint64_t epoch, std::uint64_t sequence) {
    std::string out;
    MintedId{epoch, sequence}.append_to(out);
    return out;
}

}  // namespace

TEST_CASE("minted id: its text") {
    CHECK(text(0, 1) == "rj-0000000000000000-1");
    CHECK(text(0x0123456789abcdef, 42) == "rj-0123456789abcdef-42");
    constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    CHECK(text(most, most) == "rj-ffffffffffffffff-18446744073709551615");
    CHECK(text(most, most).size() == MintedId::max_size);

    std::string out = "before ";
    MintedId{1, 2}.append_to(out);
    CHECK(out == "before rj-0000000000000001-2");
}

TEST_CASE("minted id: what was written is read") {
    rejoin::testing::Random random{7};
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t epoch = random() >> (random() % 64);
        const std::uint64_t sequence = random() >> (random() % 64);
        const auto id = MintedId::parse(text(epoch, sequence));
        REQUIRE(id.has_value());
        REQUIRE(id->epoch == epoch);
        REQUIRE(id->sequence == sequence);
    }
}

TEST_CASE("minted id: anything else is not one") {
    const std::string good = text(0xabc, 15);
    REQUIRE(MintedId::parse(good).has_value());
    for (std::size_t cut = 0; cut < good.size() - 1; ++cut) {
        CAPTURE(cut);
        CHECK_FALSE(MintedId::parse(std::string_view{good}.substr(0, cut)).has_value());
    }
    for (const std::string_view other : {
             "", "15", "rj", "rj-", "rj--", "rj-15", "abc-15",
             "RJ-0000000000000abc-15",                    // wrong prefix
             "rj-0000000000000abc-",                      // no sequence
             "rj-0000000000000abc-15 ",                   // something behind
             " rj-0000000000000abc-15",                   // something before
             "rj-0000000000000abc-1x",
             "rj-0000000000000abc--1",
             "rj-0000000000000abc-+1",
             "rj-0000000000000abc- 1",
             "rj-0000000000000abc-0x1",
             "rj-000000000000abc-15",                     // epoch too short
             "rj-00000000000000abc-15",                   // epoch too long
             "rj-0000000000000abg-15",                    // no hexadecimal digit
             "rj-0x00000000000abc-15",
             "rj--000000000000abc-15",
             "rj-0000000000000abc-18446744073709551616",  // past 64 bits
             "rj-0000000000000abc-99999999999999999999999",
         }) {
        CAPTURE(other);
        CHECK_FALSE(MintedId::parse(other).has_value());
    }
}

TEST_CASE("minted id: one id has one text") {
    // Taken for the same id, these would be found by number but not in a log, which compares texts.
    for (const std::string_view alias : {"rj-0000000000000ABC-15", "rj-0000000000000abc-015", "rj-0000000000000abc-00"}) {
        CAPTURE(alias);
        CHECK_FALSE(MintedId::parse(alias).has_value());
    }
}
