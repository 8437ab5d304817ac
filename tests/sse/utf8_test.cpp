// Bytes that are not UTF-8: passed, replaced, rejected.

#include <string>
#include <vector>

#include <rejoin/sse/detail/utf8.hpp>
#include <rejoin/testing/random.hpp>

#include "support/catch.hpp"
#include "support/reference_utf8.hpp"
#include "support/transcript.hpp"

namespace rejoin::test {
namespace {

using namespace std::string_literals;

const std::string fffd = "\xEF\xBF\xBD";

SseParserOptions with(Utf8Mode mode) {
    SseParserOptions options = report_all();
    options.utf8 = mode;
    return options;
}

struct Case {
    std::string bytes;
    std::string decoded;
};

const std::vector<Case> cases = {
    {"a\xFF"
     "b",
     "a" + fffd + "b"},
    {"a\xE2\x82", "a" + fffd},  // cut before the line end
    {"\xE2\x82"
     "a",
     fffd + "a"},               // and before an ASCII byte
    {"\xC0\x80", fffd + fffd},  // overlong
    {"\xE0\x80\x80", fffd + fffd + fffd},
    {"\xED\xA0\x80", fffd + fffd + fffd},             // surrogate
    {"\xF4\x90\x80\x80", fffd + fffd + fffd + fffd},  // past U+10FFFF
    {"\xF0\x9F\x91", fffd},
    {"\xF0\x9F\xF0\x9F\x91\x8D", fffd + "\xF0\x9F\x91\x8D"},
    {"\x80\xBF", fffd + fffd},
    {"\xF5\xFE", fffd + fffd},
    {"\xF0\x9F\x91\x8D \xE2\x82\xAC \xC3\xA9 \xF4\x8F\xBF\xBF \xED\x9F\xBF \xEE\x80\x80", ""},  // well-formed: as it is
};

TEST_CASE("ill-formed parts of data, type and id are replaced, however they are cut") {
    for (const Case& test : cases) {
        CAPTURE(test.bytes);
        const std::string& decoded = test.decoded.empty() ? test.bytes : test.decoded;
        CHECK(reference_utf8_decode(test.bytes) == decoded);
        const std::string stream = "id: " + test.bytes + "\nevent: " + test.bytes + "\ndata: " + test.bytes +
                                   "\ndata: " + test.bytes + "\n\n:" + test.bytes + "\n" + "x" + test.bytes + ": " +
                                   test.bytes + "\ndata: c\n\n";
        for_each_cut(stream, with(Utf8Mode::replace), [&](const Transcript& transcript, const std::string& how) {
            CAPTURE(how);
            REQUIRE(transcript.items.size() == 4);
            CHECK(transcript.items[0].content.data == decoded + "\n" + decoded);
            CHECK(transcript.items[0].content.type == decoded);
            CHECK(transcript.items[0].content.id == decoded);
            CHECK(transcript.items[1].content.data == decoded);
            CHECK(transcript.items[2].content.type == "x" + decoded);
            CHECK(transcript.items[2].content.data == decoded);
            CHECK(transcript.items[3].content.data == "c");
            CHECK(transcript.items[3].content.last_event_id == decoded);
            CHECK(transcript.last_event_id == decoded);
        });
        for_each_cut(stream, with(Utf8Mode::pass), [&](const Transcript& transcript, const std::string& how) {
            CAPTURE(how);
            REQUIRE(transcript.items.size() == 4);
            CHECK(transcript.items[0].content.data == test.bytes + "\n" + test.bytes);
            CHECK(transcript.items[0].content.type == test.bytes);
            CHECK(transcript.last_event_id == test.bytes);
        });
    }
}

TEST_CASE("ill-formed data, type or id is rejected where it would be used") {
    for (const Case& test : cases) {
        CAPTURE(test.bytes);
        const bool well_formed = test.decoded.empty();
        for (const std::string field : {"data: ", "event: ", "id: "}) {
            CAPTURE(field);
            for_each_cut("id: 1\ndata: a\n\n" + field + test.bytes + "\ndata: b\n\ndata: c\n\n", with(Utf8Mode::reject),
                         [&](const Transcript& transcript, const std::string& how) {
                             CAPTURE(how);
                             CHECK(transcript.events().size() == (well_formed ? 3 : 1));
                             CHECK(static_cast<bool>(transcript.error) == !well_formed);
                             if (well_formed) return;
                             CHECK(transcript.error == Error::invalid_utf8);
                             CHECK(transcript.last_event_id == "1");
                         });
        }
        // What is not used is not looked at; comments and unknown fields are replaced.
        const Transcript transcript = parse_whole(
            "event: " + test.bytes + "\n\n:" + test.bytes + "\nretry: " + test.bytes + "\n", with(Utf8Mode::reject));
        CHECK(!transcript.error);
        REQUIRE(transcript.items.size() == 1);
        CHECK(transcript.items[0].content.data == (well_formed ? test.bytes : test.decoded));
    }
}

TEST_CASE("an id that is replaced stays the cursor of later events") {
    const Transcript transcript =
        parse_whole("id: \xFF\ndata: \xFE\n\ndata: \xFD\xFD\n\nid: b\ndata: x\n\n", with(Utf8Mode::replace));
    REQUIRE(transcript.items.size() == 3);
    CHECK(transcript.items[0].content.id == fffd);
    CHECK(transcript.items[1].content.last_event_id == fffd);
    CHECK(transcript.items[1].content.data == fffd + fffd);
    CHECK(transcript.last_event_id == "b");
}

TEST_CASE("a comment cut at its limit is not cut inside a character") {
    for (const Utf8Mode mode : {Utf8Mode::pass, Utf8Mode::replace}) {
        SseParserOptions options = with(mode);
        options.limits.comment = 4;  // colon, "a", and two of the three bytes
        const Transcript transcript = parse_whole(":a\xE2\x82\xAC more\n", options);
        REQUIRE(transcript.items.size() == 1);
        CHECK(transcript.items[0].truncated);
        CHECK(transcript.items[0].content.data == (mode == Utf8Mode::pass ? "a\xE2\x82" : "a"));
    }
}

TEST_CASE("replacement equals the standard's decoder on random bytes") {
    rejoin::testing::Random random{20'240'901};
    const std::vector<std::string> parts = {"a",    "bcdefghijk", "\xC3", "\xA9", "\xE2", "\x82", "\xAC",
                                            "\xF0", "\x9F",       "\x91", "\x8D", "\xED", "\xA0", "\xF4",
                                            "\x90", "\xFF",       "\xC0", "\xE0", "\xBF", "\x80"};
    std::string storage;
    for (int round = 0; round < 20'000; ++round) {
        std::string bytes;
        for (std::size_t n = random() % 20; n > 0; --n) bytes += parts[random() % parts.size()];
        const std::string decoded = reference_utf8_decode(bytes);
        if (detail::utf8_replaced(bytes, storage) != decoded || detail::utf8_valid(bytes) != (decoded == bytes)) {
            CAPTURE(bytes);
            CHECK(std::string{detail::utf8_replaced(bytes, storage)} == decoded);
            CHECK(detail::utf8_valid(bytes) == (decoded == bytes));
        }
    }
    CHECK(detail::utf8_valid(""));
}

}  // namespace
}  // namespace rejoin::test
