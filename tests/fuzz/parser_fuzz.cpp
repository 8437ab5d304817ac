// Arbitrary bytes, arbitrary cuts, arbitrary options: nothing crashes, nothing depends on the cuts, and without limits the
// events are those of the reference parser; what is written again parses to the same.
//
// Input: options (1 byte), line limit, event limit, comment limit, seed of the cuts (1 byte each); the rest is the stream.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <rejoin/sse/writer.hpp>

#include "support/reference_parser.hpp"
#include "support/reference_utf8.hpp"
#include "support/transcript.hpp"

namespace {

using namespace rejoin;

constexpr const char* seed_id = "seed";

void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

void against_reference(const std::string& stream, Utf8Mode utf8) {
    SseParserOptions options;
    options.limits = {.line = 0, .event = 0, .comment = 0};
    options.utf8 = utf8;
    const test::Transcript got = test::parse_whole(stream, options);
    const test::ReferenceResult expected =
        test::reference_parse(utf8 == Utf8Mode::replace ? test::reference_utf8_decode(stream) : stream);
    require(got.events() == expected.events, "events equal the reference's");
    require(got.last_event_id == expected.last_event_id, "last event id equals the reference's");
}

void written_again(const test::Transcript& transcript) {
    std::string written = ":\n";  // no unknown field may be taken for a BOM at the front
    SseWriter writer{written};
    for (const test::Transcript::Item& item : transcript.items) {
        SseEventView view = item.content.view();
        view.kind = item.kind;
        if (item.truncated) return;  // the beginning of a name may be another name
        require(!writer.item(view), "what was parsed can be written");
    }
    SseParserOptions options = test::report_all();
    options.limits = {.line = 0, .event = 0, .comment = 0};
    test::Transcript again = test::parse_whole(written, options, seed_id);
    require(!again.items.empty(), "the comment in front is there");
    again.items.erase(again.items.begin());
    require(again.items == transcript.items, "what was written parses to the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t head = 5;
    if (size < head) return 0;
    const std::string stream{reinterpret_cast<const char*>(data) + head, size - head};

    const unsigned flags = data[0];
    SseParserOptions options;
    options.utf8 = static_cast<Utf8Mode>(flags % 3);
    options.limits.mode = (flags & 4) != 0 ? OversizeMode::skip : OversizeMode::fail;
    options.comments = (flags & 8) != 0;
    options.cursors = (flags & 16) != 0;
    options.retries = (flags & 32) != 0;
    options.fields = (flags & 64) != 0;
    options.limits.line = data[1];
    options.limits.event = data[2];
    options.limits.comment = data[3];

    const test::Transcript whole = test::parse_whole(stream, options, seed_id);
    std::vector<std::string> pieces;
    std::uint32_t seed = data[4];
    const std::uint32_t largest = 1 + (seed % 4) * (seed % 4) * 16;
    for (std::size_t at = 0; at < stream.size();) {
        seed = seed * 1664525 + 1013904223;
        const std::size_t piece = (seed >> 16) % (largest + 1);
        pieces.push_back(stream.substr(at, piece));
        at += piece;
    }
    require(test::parse_pieces(pieces, options, seed_id) == whole, "the cuts do not matter");
    require(test::parse_pieces(test::cut(stream, 1, 1), options, seed_id) == whole, "nor does feeding single bytes");

    against_reference(stream, Utf8Mode::pass);
    against_reference(stream, Utf8Mode::replace);
    if (options.cursors && options.retries) written_again(whole);
    return 0;
}
