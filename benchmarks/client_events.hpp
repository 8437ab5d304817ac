#ifndef REJOIN_BENCHMARKS_CLIENT_EVENTS_HPP
#define REJOIN_BENCHMARKS_CLIENT_EVENTS_HPP

// The events of the client benchmark: about what a language model's server sends for each token, with an id. All have the
// same length, so that bytes tell their number.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace rejoin::bench {

inline std::string token_event(std::uint64_t id) {
    static constexpr std::array<std::string_view, 8> words{"A stream", " of word", "s, which", " is a lo", "ng answe", "r, one t", "oken aft", "er next."};
    std::array<char, 24> number{};
    std::snprintf(number.data(), number.size(), "%010llu", static_cast<unsigned long long>(id % 10'000'000'000U));
    std::string event = "id: ";
    event.append(number.data()).append("\ndata: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"");
    event.append(words[id % words.size()]).append("\"}}]}\n\n");
    return event;
}

inline std::size_t token_event_bytes() { return token_event(1).size(); }

/// The event as a chunk of its own.
inline void append_chunk_of(std::string& out, std::string_view bytes) {
    std::array<char, 24> size{};
    std::snprintf(size.data(), size.size(), "%zx\r\n", bytes.size());
    out.append(size.data()).append(bytes).append("\r\n");
}

}  // namespace rejoin::bench

#endif
