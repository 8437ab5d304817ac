#ifndef REJOIN_TESTS_HTTP_TRANSCRIPT_HPP
#define REJOIN_TESTS_HTTP_TRANSCRIPT_HPP

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <rejoin/http/parser.hpp>

// A parser's life as text, so that a table of cases can say what is expected and two ways of feeding can be compared.
namespace transcript {

inline std::string describe(const rejoin::RequestHead& head) {
    return head.method + " " + head.target + " 1." + std::to_string(head.minor);
}

inline std::string describe(const rejoin::ResponseHead& head) {
    return std::to_string(head.status) + " '" + head.reason + "' 1." + std::to_string(head.minor);
}

inline std::string describe(rejoin::HttpFraming framing) {
    switch (framing) {
    case rejoin::HttpFraming::none: return "none";
    case rejoin::HttpFraming::content_length: return "length";
    case rejoin::HttpFraming::chunked: return "chunked";
    case rejoin::HttpFraming::until_close: return "close";
    }
    return "?";
}

inline std::string describe(std::error_code error) {
    if (error == rejoin::Error::bad_message) return "bad";
    if (error == rejoin::Error::truncated) return "truncated";
    return error.message();
}

inline std::size_t broken_promises = 0;

// Feeds the pieces, then the peer's close. Every message that is complete is followed by a reset, so pipelined
// messages come out one after the other. One line for each thing that happened:
//   head: <start line> [name=value]... <framing> keep|close      body: <all of it>      complete      error: <what>
//   clean (closed between messages)
//   broken: <a promise of the parser that was not kept>
// Each piece lies in a block of its own size, so that a sanitizer sees a read past its end.
template <class Parser>
std::string of(Parser& parser, const std::vector<std::string_view>& pieces) {
    std::string out;
    std::string body;
    const auto end_body = [&] {
        if (!body.empty()) out.append("body: ").append(body).append("\n");
        body.clear();
    };
    const auto promise = [&out](bool kept, std::string_view what) {
        if (kept) return;
        ++broken_promises;
        out.append("broken: ").append(what).append("\n");
    };
    const auto take = [&](rejoin::HttpStep step) {
        if (step == rejoin::HttpStep::body) {
            promise(!parser.body().empty(), "a piece of body has bytes");
            body.append(parser.body());
            return true;
        }
        if (step == rejoin::HttpStep::need_more) return false;
        end_body();
        if (step == rejoin::HttpStep::complete) {
            out += "complete\n";
            promise(parser.complete(), "complete() at its step");
            parser.reset();
            return true;
        }
        if (step == rejoin::HttpStep::error) {
            promise(static_cast<bool>(parser.error()), "error() at its step");
            promise(!parser.reason().empty(), "a refusal has a reason");
            promise(!parser.keep_alive(), "no connection is kept after an error");
            out += "error: " + describe(parser.error()) + "\n";
            return false;
        }
        out += "head: " + describe(parser.head());
        for (const rejoin::HttpField& field : parser.head().fields) out += " [" + field.name + "=" + field.value + "]";
        out += " " + describe(parser.framing()) + (parser.keep_alive() ? " keep\n" : " close\n");
        return true;
    };
    for (const std::string_view piece : pieces) {
        const std::unique_ptr<char[]> block{new char[piece.size()]};
        piece.copy(block.get(), piece.size());
        std::string_view input{block.get(), piece.size()};
        while (take(parser.parse(input))) {}
        if (parser.error()) return out;
        promise(input.empty(), "all input is consumed when more is needed");
    }
    const rejoin::HttpStep last = parser.finish();
    if (last == rejoin::HttpStep::need_more) {
        end_body();
        return out + "clean\n";
    }
    take(last);
    return out;
}

inline std::vector<std::string_view> in_pieces_of(std::string_view bytes, std::size_t size) {
    std::vector<std::string_view> pieces;
    for (; !bytes.empty(); bytes.remove_prefix(std::min(size, bytes.size()))) pieces.push_back(bytes.substr(0, size));
    return pieces;
}

template <class Parser>
std::string whole(std::string_view bytes, Parser parser = Parser{}) {
    return of(parser, {bytes});
}

// The transcript of the bytes fed whole, or how another way of feeding differs: byte by byte, 7 bytes at a time with
// empty pieces between, and every cut in two.
template <class Parser>
std::string any_split(std::string_view bytes, const Parser& parser = Parser{}) {
    const std::string expected = whole(bytes, parser);
    std::vector<std::vector<std::string_view>> ways{in_pieces_of(bytes, 1), {}};
    for (const std::string_view piece : in_pieces_of(bytes, 7)) {
        ways[1].push_back(piece);
        ways[1].push_back({});
    }
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) ways.push_back({bytes.substr(0, cut), bytes.substr(cut)});
    for (const auto& pieces : ways) {
        Parser fresh = parser;
        const std::string got = of(fresh, pieces);
        if (got == expected) continue;
        return "whole:\n" + expected + std::to_string(pieces.size()) + " pieces, the first of " +
               std::to_string(pieces.front().size()) + ":\n" + got;
    }
    return expected;
}

}  // namespace transcript

#endif
