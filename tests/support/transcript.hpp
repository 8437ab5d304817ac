#ifndef REJOIN_TESTS_SUPPORT_TRANSCRIPT_HPP
#define REJOIN_TESTS_SUPPORT_TRANSCRIPT_HPP

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <rejoin/sse/parser.hpp>

namespace rejoin::test {

/// Everything a parser said about a stream.
struct Transcript {
    struct Item {
        SseItem kind;
        SseEvent content;
        bool truncated;
        friend bool operator==(const Item&, const Item&) = default;
    };

    std::vector<Item> items;
    std::string last_event_id;
    std::optional<std::chrono::milliseconds> retry;
    std::error_code error;
    std::uint64_t skipped = 0;
    bool mid_event = false;
    bool mid_line = false;

    friend bool operator==(const Transcript&, const Transcript&) = default;

    std::vector<SseEvent> events() const {
        std::vector<SseEvent> events;
        for (const Item& item : items) {
            if (item.kind == SseItem::event) events.push_back(item.content);
        }
        return events;
    }

    std::vector<std::string> data_of(SseItem kind) const {
        std::vector<std::string> texts;
        for (const Item& item : items) {
            if (item.kind == kind) texts.push_back(item.content.data);
        }
        return texts;
    }
};

/// Feeds one piece from a block of exactly its size that is gone before anything else happens, so that a sanitizer sees
/// every byte read beside it and every view kept too long.
inline void feed_piece(SseParser& parser, std::string_view piece, Transcript& transcript) {
    std::unique_ptr<char[]> block{new char[piece.size()]};
    if (!piece.empty()) std::memcpy(block.get(), piece.data(), piece.size());
    parser.feed({block.get(), piece.size()});
    SseEventView view;
    while (parser.next(view)) transcript.items.push_back({view.kind, SseEvent{view}, view.truncated});
}

inline void conclude(const SseParser& parser, Transcript& transcript) {
    transcript.last_event_id = parser.last_event_id();
    transcript.retry = parser.retry();
    transcript.error = parser.error();
    transcript.skipped = parser.skipped();
    transcript.mid_event = parser.mid_event();
    transcript.mid_line = parser.mid_line();
}

inline Transcript parse_pieces(const std::vector<std::string>& pieces, const SseParserOptions& options = {},
                               std::string_view last_event_id = {}) {
    SseParser parser{options, last_event_id};
    Transcript transcript;
    for (const std::string& piece : pieces) feed_piece(parser, piece, transcript);
    conclude(parser, transcript);
    return transcript;
}

inline Transcript parse_whole(std::string_view stream, const SseParserOptions& options = {},
                              std::string_view last_event_id = {}) {
    return parse_pieces({std::string{stream}}, options, last_event_id);
}

inline std::vector<std::string> cut(std::string_view stream, std::size_t first, std::size_t step) {
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < stream.size();) {
        const std::size_t size = std::min(at == 0 ? first : step, stream.size() - at);
        pieces.emplace_back(stream.substr(at, size));
        at += size;
    }
    return pieces;
}

/// Calls `check(transcript, how)` for the stream whole, byte by byte, in twos, in threes and cut once at every place (of
/// the first 300).
template <class Check>
void for_each_cut(std::string_view stream, const SseParserOptions& options, Check check) {
    check(parse_whole(stream, options), std::string{"whole"});
    for (const std::size_t step : {1u, 2u, 3u}) {
        check(parse_pieces(cut(stream, step, step), options), "in pieces of " + std::to_string(step));
    }
    for (std::size_t at = 1; at < std::min<std::size_t>(stream.size(), 300); ++at) {
        check(parse_pieces(cut(stream, at, stream.size()), options), "cut at " + std::to_string(at));
    }
}

/// Everything on: what a test of invariants wants to see.
inline SseParserOptions report_all() {
    SseParserOptions options;
    options.comments = options.cursors = options.retries = options.fields = true;
    return options;
}

}  // namespace rejoin::test

#endif
