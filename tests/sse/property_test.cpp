// Random streams, seeded: any mix of line ends, any cuts, against the reference parser; and through the writer and back.

#include <string>
#include <vector>

#include <rejoin/sse/writer.hpp>
#include <rejoin/testing/random.hpp>

#include "support/catch.hpp"
#include "support/reference_parser.hpp"
#include "support/reference_utf8.hpp"
#include "support/transcript.hpp"

namespace rejoin::test {
namespace {

using rejoin::testing::Random;

std::string random_line(Random& random) {
    static const std::vector<std::string> pieces = {"",
                                                    "",
                                                    "",
                                                    "data",
                                                    "data:",
                                                    "data: ",
                                                    "data:x",
                                                    "data: hello",
                                                    "data:  two",
                                                    "data: a:b",
                                                    "d",
                                                    "dat",
                                                    "data :x",
                                                    "Data: x",
                                                    "id",
                                                    "id:",
                                                    "id: 1",
                                                    "id: \xE2\x82\xAC",
                                                    std::string{"id: 1\0002", 7},
                                                    "idx: 7",
                                                    "event",
                                                    "event:",
                                                    "event: e",
                                                    "eventx: q",
                                                    "retry",
                                                    "retry: 3",
                                                    "retry: 12a",
                                                    "retry:99",
                                                    ":",
                                                    ":c",
                                                    ": comment",
                                                    "::",
                                                    "foo: bar",
                                                    "f",
                                                    "\xEF\xBB\xBF",
                                                    "\xEF",
                                                    "data: \xFF",
                                                    "data: \xE2\x82",
                                                    "event: \xC3",
                                                    "id: \x80"};
    std::string line = pieces[random() % pieces.size()];
    // Now and then one that fills blocks.
    if (random() % 8 == 0) line += std::string(random() % 200, static_cast<char>('a' + random() % 26));
    return line;
}

std::string random_stream(Random& random) {
    static const std::vector<std::string> ends = {"\n", "\r", "\r\n"};
    const bool mixed = random() % 2 == 0;
    const std::string end = ends[random() % ends.size()];
    std::string stream;
    if (random() % 4 == 0) stream = std::string{"\xEF\xBB\xBF"}.substr(0, 1 + random() % 3);
    for (std::size_t lines = random() % 40; lines > 0; --lines) {
        stream += random_line(random) + (mixed ? ends[random() % ends.size()] : end);
    }
    if (random() % 3 == 0) stream += random_line(random);
    return stream;
}

std::vector<std::string> random_cuts(Random& random, const std::string& stream) {
    std::vector<std::string> pieces;
    const std::size_t largest = 1 + random() % (random() % 2 == 0 ? 8 : 150);
    for (std::size_t at = 0; at < stream.size();) {
        const std::size_t size = random() % (largest + 1);  // 0 too
        pieces.push_back(stream.substr(at, size));
        at += size;
    }
    return pieces;
}

TEST_CASE("any stream, cut anywhere, equals the reference") {
    Random random{42};
    for (int round = 0; round < 4000; ++round) {
        CAPTURE(round);
        const std::string stream = random_stream(random);
        const bool replace = random() % 2 == 0;
        SseParserOptions options = report_all();
        if (replace) options.utf8 = Utf8Mode::replace;
        const ReferenceResult expected = reference_parse(replace ? reference_utf8_decode(stream) : stream);
        const Transcript whole = parse_whole(stream, options);
        REQUIRE(whole.events() == expected.events);
        REQUIRE(whole.last_event_id == expected.last_event_id);
        REQUIRE(whole.retry.has_value() == expected.retry.has_value());
        if (whole.retry) REQUIRE(whole.retry->count() == static_cast<std::int64_t>(*expected.retry));
        for (int cuts = 0; cuts < 4; ++cuts) REQUIRE(parse_pieces(random_cuts(random, stream), options) == whole);
    }
}

TEST_CASE("line ends do not matter") {
    Random random{43};
    for (int round = 0; round < 500; ++round) {
        CAPTURE(round);
        std::string lf, cr, crlf, mixed;
        for (std::size_t lines = random() % 30; lines > 0; --lines) {
            const std::string line = random_line(random);
            // An LF behind a blank line that ended in CR would belong to it: in the mix, blank lines end in CRLF.
            const std::string any = line.empty() ? "\r\n" : std::vector<std::string>{"\n", "\r\n"}[random() % 2];
            lf += line + "\n";
            cr += line + "\r";
            crlf += line + "\r\n";
            mixed += line + any;
        }
        const Transcript expected = parse_whole(lf, report_all());
        REQUIRE(parse_whole(cr, report_all()) == expected);
        REQUIRE(parse_whole(crlf, report_all()) == expected);
        REQUIRE(parse_whole(mixed, report_all()) == expected);
    }
}

TEST_CASE("what was parsed and written parses to the same") {
    Random random{44};
    for (int round = 0; round < 2000; ++round) {
        CAPTURE(round);
        const std::string stream = random_stream(random);
        const Transcript first = parse_whole(stream, report_all());
        std::string written;
        SseWriter writer{written};
        for (const Transcript::Item& item : first.items) {
            SseEventView view = item.content.view();
            view.kind = item.kind;
            REQUIRE(!writer.item(view));
        }
        // An unknown field with such a name is no BOM where it stood, but is one at the front.
        if (written.rfind("\xEF\xBB\xBF", 0) == 0) continue;
        const Transcript second = parse_pieces(random_cuts(random, written), report_all());
        REQUIRE(second.items == first.items);
        REQUIRE(second.last_event_id == first.last_event_id);
        REQUIRE(second.retry == first.retry);
        REQUIRE(!second.mid_event);
    }
}

}  // namespace
}  // namespace rejoin::test
