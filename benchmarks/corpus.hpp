#ifndef REJOIN_BENCHMARKS_CORPUS_HPP
#define REJOIN_BENCHMARKS_CORPUS_HPP

// Event streams like those in the wild, made from nothing but integer arithmetic: the same bytes everywhere.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rejoin::bench {

class Dice {
public:
    explicit Dice(std::uint32_t seed) : state_{seed} {}
    std::uint32_t below(std::uint32_t bound) {
        state_ = state_ * 1664525 + 1013904223;
        return (state_ >> 8) % bound;
    }

private:
    std::uint32_t state_;
};

inline std::string words(Dice& dice, std::size_t count) {
    static constexpr std::array<std::string_view, 16> list = {
        " the", " stream", " of", " and",        " to",     " event", " is", " caf\xC3\xA9",
        ".",    ",",       "\\n", " \\\"so\\\"", " resume", " 42",    "ing", " \xE4\xBD\xA0"};
    std::string text;
    for (; count > 0; --count) text += list[dice.below(list.size())];
    return text;
}

/// What a language model sends: one JSON chunk of some 250 bytes an event, of which a few are text.
inline std::string token_event(Dice& dice, std::uint32_t n) {
    return "data: {\"id\":\"chatcmpl-" + std::to_string(100'000'000 + dice.below(800'000'000)) +
           "\",\"object\":\"chat.completion.chunk\",\"created\":" + std::to_string(1'700'000'000 + n) +
           ",\"model\":\"some-model-2024-08-06\",\"system_fingerprint\":\"fp_" +
           std::to_string(dice.below(100'000'000)) + "\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" +
           words(dice, 1) + "\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
}

/// Market data: short events with id and type.
inline std::string tick_event(Dice& dice, std::uint32_t n) {
    return "id: " + std::to_string(n) +
           "\nevent: tick\ndata: {\"s\":\"ACME\",\"p\":" + std::to_string(100 + dice.below(900)) + "." +
           std::to_string(10 + dice.below(90)) + ",\"q\":" + std::to_string(dice.below(999)) + "}\n\n";
}

/// JSON-RPC notifications with long ids.
inline std::string rpc_event(Dice& dice, std::uint32_t n) {
    return "id: " + std::to_string(1'000'000'000 + dice.below(1'000'000'000)) + "-" + std::to_string(n) +
           "\nevent: message\ndata: "
           "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progress\":" +
           std::to_string(dice.below(1000)) + ",\"message\":\"" + words(dice, dice.below(24)) + "\"}}\n\n";
}

/// Twenty data lines an event.
inline std::string multiline_event(Dice& dice, std::uint32_t n) {
    std::string event = "event: log\nid: " + std::to_string(n) + "\n";
    for (int line = 0; line < 20; ++line) event += "data: " + words(dice, 4 + dice.below(14)) + "\n";
    return event + "\n";
}

/// Mostly silence.
inline std::string keepalive_event(Dice& dice, std::uint32_t n) {
    if (n % 20 == 0) return tick_event(dice, n);
    static constexpr std::array<std::string_view, 4> comments = {": keep-alive\n\n", ":\n\n",
                                                                 ": ping 2024-01-01T00:00:00.000Z\n\n", ":hb\n"};
    return std::string{comments[dice.below(comments.size())]};
}

/// One data line of 64 KiB.
inline std::string large_event(Dice& dice, std::uint32_t) {
    std::string event = "data: ";
    while (event.size() < 65'534) event += static_cast<char>('0' + dice.below(75));
    return event + "\n\n";
}

struct Corpus {
    const char* name;
    std::string bytes;
};

inline Corpus make_corpus(const char* name, std::size_t size, std::string (*event)(Dice&, std::uint32_t)) {
    Corpus corpus{name, {}};
    corpus.bytes.reserve(size + 70'000);
    Dice dice{1};
    for (std::uint32_t n = 1; corpus.bytes.size() < size; ++n) corpus.bytes += event(dice, n);
    return corpus;
}

inline std::vector<Corpus> all_corpora(std::size_t size) {
    std::vector<Corpus> corpora;
    corpora.push_back(make_corpus("tokens", size, token_event));
    corpora.push_back(make_corpus("ticks", size, tick_event));
    corpora.push_back(make_corpus("rpc", size, rpc_event));
    corpora.push_back(make_corpus("multiline", size, multiline_event));
    corpora.push_back(make_corpus("keepalive", size, keepalive_event));
    corpora.push_back(make_corpus("large", size, large_event));
    return corpora;
}

}  // namespace rejoin::bench

#endif
