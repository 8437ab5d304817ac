// sse-to-json: raw event-stream bytes in, one JSON object a line out. Shows SseParser at work at any chunking.

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <istream>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <rejoin/sse.hpp>

namespace {

constexpr const char* usage_text = R"(Usage: sse-to-json [OPTIONS] [MODE]
       sse-to-json [OPTIONS] batch

Reads a text/event-stream from stdin, feeds it to a parser in pieces and prints one JSON object a line:
  {"event":TYPE,"data":TEXT,"id":ID,"retry":MS,"at":BYTES}   an event; id: the last event id in force, "" if never set;
                        retry: the reconnection time in force, null if never set; at: input bytes fed when it came out
  {"comment":TEXT}      a comment: everything behind its colon, a leading space included
  {"error":TEXT}        the parser gave up; nothing is fed any more
  {"end":true,"id":ID,"retry":MS}   always last: the state after the last byte

MODE says how large the pieces are:
  whole          everything at once (default)
  N              N bytes each
  random:SEED    1 to 16 bytes each, the same for the same seed
  sizes:A,B,...  these sizes, then the rest at once; 0 feeds an empty piece
  batch          many runs: until EOF, a line "MODE LENGTH" and then LENGTH raw bytes; a fresh parser for each, output
                 flushed behind each end line

Options:
  --max-line N    give up at a field line of more than N bytes (default 0: no limit)
  --max-event N   give up at an event with more than N bytes of data (default 0: no limit)
  --oversize fail|skip   what a limit does (default fail): give up, or leave that event out
  --help

Bytes that are not UTF-8 become U+FFFD. Comments longer than 1 MiB are cut.
Exit status: 0 done, 1 wrong usage.
)";

/// How the input is cut.
class Pieces {
public:
    static std::optional<Pieces> parse(std::string_view mode) {
        Pieces pieces;
        if (mode == "whole") return pieces;
        if (mode.substr(0, 7) == "random:") {
            const auto seed = number(mode.substr(7));
            if (!seed) return std::nullopt;
            pieces.random_.emplace(*seed);
            return pieces;
        }
        if (mode.substr(0, 6) == "sizes:") {
            mode.remove_prefix(6);
            while (!mode.empty()) {
                const std::size_t comma = mode.find(',');
                const auto size = number(mode.substr(0, comma));
                if (!size || comma + 1 == mode.size()) return std::nullopt;
                pieces.sizes_.push_back(static_cast<std::size_t>(*size));
                mode.remove_prefix(comma == mode.npos ? mode.size() : comma + 1);
            }
            return pieces;
        }
        const auto size = number(mode);
        if (!size || *size == 0) return std::nullopt;
        pieces.each_ = static_cast<std::size_t>(*size);
        return pieces;
    }

    static std::optional<std::uint64_t> number(std::string_view text) {
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
        return value;
    }

    /// The size of the next piece; nothing: all the rest.
    std::optional<std::size_t> next() {
        if (each_ != 0) return each_;
        if (random_) return 1 + (*random_)() % 16;
        if (given_ < sizes_.size()) return sizes_[given_++];
        return std::nullopt;
    }

private:
    std::size_t each_ = 0;
    std::optional<std::mt19937_64> random_;
    std::vector<std::size_t> sizes_;
    std::size_t given_ = 0;
};

/// Bytes from a stream, at most `left` of them.
class Input {
public:
    Input(std::istream& stream, std::uint64_t left) : stream_{stream}, left_{left} {}

    /// The next `size` bytes, fewer at the end of the input.
    std::string_view read(std::optional<std::size_t> size) {
        constexpr std::size_t step = 1 << 20;
        piece_.clear();
        // Grown as bytes come, so that a great number asked for costs nothing.
        while (left_ > 0 && (!size || piece_.size() < *size)) {
            std::uint64_t wanted = std::min<std::uint64_t>(step, left_);
            if (size) wanted = std::min<std::uint64_t>(wanted, *size - piece_.size());
            const std::size_t have = piece_.size();
            piece_.resize(have + static_cast<std::size_t>(wanted));
            stream_.read(piece_.data() + have, static_cast<std::streamsize>(wanted));
            const auto got = static_cast<std::size_t>(stream_.gcount());
            piece_.resize(have + got);
            left_ -= got;
            if (got < wanted) break;
        }
        return piece_;
    }

    /// Whether the next byte may be long in coming.
    bool may_wait() const { return left_ > 0 && stream_.rdbuf()->in_avail() <= 0; }
    bool at_end() const { return left_ == 0 || stream_.peek() == std::istream::traits_type::eof(); }
    std::uint64_t left() const { return left_; }

private:
    std::istream& stream_;
    std::uint64_t left_;
    std::string piece_;
};

void put_string(std::string& out, std::string_view text) {
    out += '"';
    for (const char c : text) {
        switch (c) {
        case '"': out += "\\\""; break;
        case '\\': out += "\\\\"; break;
        case '\n': out += "\\n"; break;
        case '\r': out += "\\r"; break;
        case '\t': out += "\\t"; break;
        default:
            if (static_cast<unsigned char>(c) < 0x20) {
                constexpr const char* hex = "0123456789abcdef";
                out += "\\u00";
                out += hex[static_cast<unsigned char>(c) >> 4];
                out += hex[static_cast<unsigned char>(c) & 15];
            } else {
                out += c;
            }
        }
    }
    out += '"';
}

void put_state(std::string& out, const rejoin::SseParser& parser, std::string_view id) {
    out += ",\"id\":";
    put_string(out, id);
    out += ",\"retry\":";
    out += parser.retry() ? std::to_string(parser.retry()->count()) : "null";
}

void put_item(std::string& out, const rejoin::SseParser& parser, const rejoin::SseEventView& item, std::uint64_t at) {
    if (item.kind == rejoin::SseItem::comment) {
        out += "{\"comment\":";
        put_string(out, item.data);
    } else {
        out += "{\"event\":";
        put_string(out, item.type);
        out += ",\"data\":";
        put_string(out, item.data);
        put_state(out, parser, item.last_event_id);
        out += ",\"at\":" + std::to_string(at);
    }
    out += "}\n";
}

/// One stream, one fresh parser.
void run(Input& input, Pieces pieces, const rejoin::SseParserOptions& options) {
    rejoin::SseParser parser{options};
    rejoin::SseEventView item;
    std::string out;
    std::uint64_t fed = 0;
    const auto flush = [&] {
        std::cout.write(out.data(), static_cast<std::streamsize>(out.size()));
        std::cout.flush();
        out.clear();
    };
    while (!parser.error() && !input.at_end()) {
        const std::string_view piece = input.read(pieces.next());
        fed += piece.size();
        parser.feed(piece);
        while (parser.next(item)) {
            put_item(out, parser, item, fed);
            if (out.size() > 1 << 16) flush();
        }
        if (!out.empty() && input.may_wait()) flush();
    }
    if (parser.error()) {
        out += "{\"error\":";
        put_string(out, parser.error().message());
        out += "}\n";
    }
    out += "{\"end\":true";
    put_state(out, parser, parser.last_event_id());
    out += "}\n";
    flush();
    while (!input.at_end()) input.read(1 << 20);  // what the parser was not given any more
}

int wrong_usage(const std::string& what) {
    std::cerr << "sse-to-json: " << what << "\nTry 'sse-to-json --help'.\n";
    return 1;
}

int run_batch(const rejoin::SseParserOptions& options) {
    std::string line;
    while (std::getline(std::cin, line)) {
        const std::size_t space = line.rfind(' ');
        const auto length =
            space == line.npos ? std::nullopt : Pieces::number(std::string_view{line}.substr(space + 1));
        const auto pieces = Pieces::parse(std::string_view{line}.substr(0, space));
        if (!length || !pieces) return wrong_usage("batch: expected 'MODE LENGTH', got '" + line + "'");
        Input input{std::cin, *length};
        run(input, *pieces, options);
        if (input.left() != 0)
            return wrong_usage("batch: the input ended " + std::to_string(input.left()) + " bytes early");
    }
    return 0;
}

}  // namespace

int main(int argc, char* argv[]) {
    std::ios::sync_with_stdio(false);
    std::cin.tie(nullptr);

    rejoin::SseParserOptions options;
    options.comments = true;
    options.utf8 = rejoin::Utf8Mode::replace;
    options.limits = {.line = 0, .event = 0, .comment = 1 << 20};

    std::optional<std::string> mode;
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        if (argument == "--help" || argument == "-h") {
            std::cout << usage_text;
            return 0;
        }
        if (argument == "--max-line" || argument == "--max-event" || argument == "--oversize") {
            if (++i == argc) return wrong_usage(argument + " needs a value");
            const std::string value = argv[i];
            if (argument == "--oversize") {
                if (value != "fail" && value != "skip")
                    return wrong_usage("--oversize is 'fail' or 'skip', not '" + value + "'");
                options.limits.mode = value == "fail" ? rejoin::OversizeMode::fail : rejoin::OversizeMode::skip;
                continue;
            }
            const auto number = Pieces::number(value);
            if (!number) return wrong_usage(argument + " needs a number of bytes, not '" + value + "'");
            (argument == "--max-line" ? options.limits.line : options.limits.event) = static_cast<std::size_t>(*number);
            continue;
        }
        if (argument.starts_with('-')) return wrong_usage("unknown option '" + argument + "'");
        if (mode) return wrong_usage("more than one MODE: '" + *mode + "' and '" + argument + "'");
        mode = argument;
    }

    if (mode == "batch") return run_batch(options);
    const auto pieces = Pieces::parse(mode.value_or("whole"));
    if (!pieces) {
        return wrong_usage("MODE is whole, N (at least 1), random:SEED, sizes:A,B,... or batch, not '" + *mode + "'");
    }
    Input input{std::cin, UINT64_MAX};
    run(input, *pieces, options);
    return 0;
}
