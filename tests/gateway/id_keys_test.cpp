#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <rejoin/gateway/id_keys.hpp>
#include <rejoin/testing/random.hpp>

#include "support/catch.hpp"

using rejoin::ClientEventId;
using rejoin::IdKey;
using rejoin::IdKeys;
using rejoin::MintedId;
using rejoin::RequestHead;
using rejoin::StreamIdentity;
using Kind = rejoin::ClientEventId::Kind;

namespace {

const std::string secret(32, 's');
const std::string other_secret(32, 'o');

StreamIdentity identity(const std::string& target, const std::string& authorization = {}) {
    RequestHead head;
    head.fields.set("Host", "x");
    if (!authorization.empty()) head.fields.set("Authorization", authorization);
    return {head, target, StreamIdentity::default_principal()};
}

std::string sealed(const IdKeys& keys, const StreamIdentity& owner, std::string_view id) {
    std::string out;
    keys.seal_of(owner).seal(out, id);
    return out;
}

std::string minted(const IdKeys& keys, const StreamIdentity& owner, MintedId id) {
    std::string out;
    keys.seal_of(owner).mint(out, id);
    return out;
}

}  // namespace

TEST_CASE("siphash: the reference's vectors") {
    // From the reference implementation of SipHash-2-4: key 00 01 .. 0f, messages of 0, 1, 2, .. bytes 00 01 02 ..
    const rejoin::detail::SipKey key{0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    std::string message;
    const auto next = [&] {
        const std::uint64_t hash = rejoin::detail::siphash(key, message);
        message += static_cast<char>(message.size());
        return hash;
    };
    CHECK(next() == 0x726fdb47dd0e0e31u);
    CHECK(next() == 0x74f839c593dc67fdu);
    CHECK(next() == 0x0d6c8009d9a94f5au);
    CHECK(next() == 0x85676696d7fb7e2du);
    for (int length = 4; length < 15; ++length) next();
    CHECK(next() == 0xa129ca6149be45e5u);  // 15 bytes, the example of the paper
}

TEST_CASE("ids: what was sealed for an identity is read for it") {
    const IdKeys keys{{{"k1", secret}}};
    const StreamIdentity owner = identity("/s", "a");
    rejoin::testing::Random random{3};
    for (std::size_t size = 1; size < 200; ++size) {
        std::string id;
        for (std::size_t i = 0; i < size; ++i) id += static_cast<char>(1 + random() % 255);
        const std::string text = sealed(keys, owner, id);
        for (const char c : text) REQUIRE((c > 0x20 && c < 0x7F));
        const ClientEventId read = keys.read(text, owner);
        REQUIRE(read.kind == Kind::sealed);
        REQUIRE(read.upstream == id);
    }
    CHECK(sealed(keys, owner, "5") == sealed(keys, owner, "5"));  // one id, one text
    CHECK(sealed(keys, owner, "5").starts_with("rjs-k1-"));

    const std::string text = minted(keys, owner, {0xabc, 7});
    CHECK(text.starts_with("rj-0000000000000abc-7-"));
    const ClientEventId read = keys.read(text, owner);
    REQUIRE(read.kind == Kind::minted);
    CHECK(read.minted.epoch == 0xabc);
    CHECK(read.minted.sequence == 7);
}

TEST_CASE("ids: for anybody else, and changed in any way, they are nobody's") {
    const IdKeys keys{{{"k1", secret}}};
    const StreamIdentity owner = identity("/s", "a");
    for (const std::string& text : {sealed(keys, owner, "some-upstream:17"), minted(keys, owner, {0xabc, 7})}) {
        CAPTURE(text);
        CHECK(keys.read(text, identity("/s", "b")).kind == Kind::foreign);
        CHECK(keys.read(text, identity("/s")).kind == Kind::foreign);
        CHECK(keys.read(text, identity("/t", "a")).kind == Kind::foreign);
        CHECK(IdKeys{{{"k1", other_secret}}}.read(text, owner).kind == Kind::foreign);
        CHECK(IdKeys{}.read(text, owner).kind == Kind::foreign);
        const auto is_own = [&](const std::string& other) {
            const Kind kind = keys.read(other, owner).kind;
            return kind == Kind::minted || kind == Kind::sealed;
        };
        for (std::size_t i = 0; i < text.size(); ++i) {
            std::string changed = text;
            changed[i] = changed[i] == 'A' ? 'B' : 'A';
            CHECK_FALSE(is_own(changed));
            CHECK_FALSE(is_own(text.substr(0, i)));
        }
        CHECK_FALSE(is_own(text + "A"));
        CHECK_FALSE(is_own(" " + text));
    }
    // A code of one kind is none of the other.
    CHECK(keys.read("rjs-k1-" + minted(keys, owner, {0xabc, 7}).substr(3), owner).kind == Kind::foreign);
    CHECK(keys.read("rj-0000000000000abc-7-AAAAAAAAAAA", owner).kind == Kind::foreign);
    // Without one it is nobody's, whatever it begins with.
    for (const std::string_view plain : {"", "5", "rj", "rjs", "RJ-1", "a-rj-1", "rj-1", "rjs-k1-7", "rj-0000000000000abc-7"}) {
        CHECK(keys.read(plain, owner).kind == Kind::plain);
    }
}

TEST_CASE("ids: a key is changed by putting a new one before it") {
    const StreamIdentity owner = identity("/s", "a");
    const IdKeys before{{{"k1", secret}}};
    const IdKeys after{{{"k2", other_secret}, {"k1", secret}}};
    const IdKeys later{{{"k2", other_secret}}};
    const std::string old = sealed(before, owner, "5");
    CHECK(after.read(old, owner).kind == Kind::sealed);
    CHECK(sealed(after, owner, "5").starts_with("rjs-k2-"));
    CHECK(later.read(old, owner).kind == Kind::foreign);
    // The id names the key; the code has to be of that one.
    CHECK(after.read("rjs-k2-" + old.substr(7), owner).kind == Kind::foreign);
}

TEST_CASE("ids: keys that are none are refused") {
    const auto refused = [](std::vector<IdKey> keys) { CHECK_THROWS_AS(IdKeys{std::move(keys)}, std::system_error); };
    refused({{"", secret}});
    refused({{"a-b", secret}});
    refused({{"seventeen17seven", secret}, {"seventeen17seven", secret}});
    refused({{"12345678901234567", secret}});
    refused({{"k", std::string(31, 's')}});
    refused({{"k", secret}, {"", secret}});
}
