// Arbitrary bytes as HTTP messages, URLs and dates. The first byte says as what, the second how the rest is split.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <rejoin/http/media_type.hpp>
#include <rejoin/http/message.hpp>
#include <rejoin/http/parser.hpp>
#include <rejoin/http/retry_after.hpp>
#include <rejoin/http/url.hpp>

#include "http/transcript.hpp"

namespace {

void require(bool kept) {
    if (!kept) std::abort();
}

std::vector<std::string_view> split(std::string_view bytes, unsigned seed) {
    std::minstd_rand random{seed + 1};
    std::vector<std::string_view> pieces;
    while (!bytes.empty()) {
        const std::size_t size = std::min<std::size_t>(bytes.size(), random() % (seed % 3 == 0 ? 4 : 40));
        pieces.push_back(bytes.substr(0, size));
        bytes.remove_prefix(size);
    }
    return pieces;
}

// What was taken can be sent, and is read back as it was.
template <class Parser>
void check_written(std::string_view bytes, Parser parser) {
    if (parser.parse(bytes) != rejoin::HttpStep::head) return;
    const auto head = parser.take_head();
    std::string wire;
    require(!rejoin::write_head(wire, head));
    parser.reset();
    std::string_view again = wire;
    require(parser.parse(again) == rejoin::HttpStep::head && again.empty());
    require(parser.head().fields == head.fields && parser.head().minor == head.minor);
}

template <class Parser>
void check_parser(std::string_view bytes, unsigned seed, const Parser& parser) {
    const std::string whole = transcript::whole(bytes, parser);
    require(transcript::broken_promises == 0);
    Parser in_pieces = parser;
    require(transcript::of(in_pieces, split(bytes, seed)) == whole);
    Parser in_bytes = parser;
    require(transcript::of(in_bytes, transcript::in_pieces_of(bytes, 1)) == whole);
    rejoin::HttpLimits none;
    none.header_bytes = none.header_count = none.target = none.chunk_line = 0;
    check_written(bytes, Parser{none});
}

void check_url(std::string_view text) {
    const auto url = rejoin::Url::parse(text);
    if (!url) return;
    const auto again = rejoin::Url::parse(url->to_string());
    require(again.has_value() && again->target == url->target && again->same_origin(*url));
    std::string head;
    require(!rejoin::write_head(head, rejoin::RequestHead{"GET", url->target, 1, {{"Host", url->host_header()}}}));
    std::string_view wire = head;
    rejoin::RequestParser parser{{.header_bytes = 0, .target = 0}};
    require(parser.parse(wire) == rejoin::HttpStep::head);
}

void check_reference(std::string_view text) {
    const std::size_t line = std::min(text.size(), text.find('\n'));
    const auto base = rejoin::Url::parse(text.substr(0, line));
    if (!base) return;
    const auto url = base->resolve(text.substr(std::min(text.size(), line + 1)));
    if (!url) return;
    require(url->target.starts_with('/'));
    require(rejoin::Url::parse(url->to_string()).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const unsigned seed = data[1];
    const std::string_view bytes{reinterpret_cast<const char*>(data + 2), size - 2};
    const rejoin::HttpLimits tight{.header_bytes = 100, .header_count = 3, .target = 10, .chunk_line = 8};
    switch (data[0] % 8) {
    case 0: check_parser(bytes, seed, rejoin::RequestParser{}); break;
    case 1: check_parser(bytes, seed, rejoin::ResponseParser{}); break;
    case 2: check_parser(bytes, seed, rejoin::RequestParser{tight}); break;
    case 3: check_parser(bytes, seed, rejoin::ResponseParser{tight}); break;
    case 4: {
        rejoin::ResponseParser parser;
        parser.expect_answer_to(seed % 2 == 0 ? "HEAD" : "CONNECT");
        check_parser(bytes, seed, parser);
        break;
    }
    case 5: check_url(bytes); break;
    case 6: check_reference(bytes); break;
    default: {
        const auto wait =
            rejoin::parse_retry_after(bytes, std::chrono::system_clock::time_point{std::chrono::hours{seed}});
        require(!wait || wait->count() >= 0);
        static_cast<void>(rejoin::is_event_stream(bytes));
    }
    }
    return 0;
}
