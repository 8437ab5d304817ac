#ifndef REJOIN_GATEWAY_GAP_EVENT_HPP
#define REJOIN_GATEWAY_GAP_EVENT_HPP

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <rejoin/gateway/detail/json_string.hpp>
#include <rejoin/sse/writer.hpp>

namespace rejoin {

/// The value of `SSE-Resume` for a client that came with `id` and misses `lost` events; 0: nobody knows how many. What can't
/// stand in a header is not named in one.
inline std::string gap_field(std::string_view id, std::uint64_t lost) {
    constexpr std::size_t longest = 1024;
    const bool fits = id.size() <= longest && std::none_of(id.begin(), id.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    });
    std::string text{"gap; from="};
    text += fits ? id : std::string_view{"unsendable"};
    text += "; lost=";
    text += lost > 0 ? std::to_string(lost) : std::string{"unknown"};
    return text;
}

/// What another gateway said of an id it was asked to go on behind, told to the client, who knows it as `id`.
inline std::string continuity_of(std::string_view said, std::string_view id) {
    if (!said.starts_with("gap;")) return std::string{said};
    constexpr std::string_view before = "lost=";
    const std::size_t at = said.rfind(before);
    std::uint64_t lost = 0;
    if (at != std::string_view::npos) std::from_chars(said.data() + at + before.size(), said.data() + said.size(), lost);
    return gap_field(id, lost);
}

/// Writes the in-band gap signal behind `out`: the frame of an event of type `type` without id, whose data is JSON:
/// `{"reason":...,"from":...,"lost":...}`. `from`: the id that continuity was lost behind; `lost`: null where it is 0: unknown.
/// Nothing is written for a type that is empty or has CR or LF.
inline void append_gap_event(std::string& out, std::string_view type, std::string_view reason, std::string_view from, std::uint64_t lost) {
    if (type.empty()) return;
    std::string data = "{\"reason\":";
    detail::append_json_string(data, reason);
    data += ",\"from\":";
    detail::append_json_string(data, from);
    data += ",\"lost\":";
    data += lost == 0 ? std::string{"null"} : std::to_string(lost);
    data += '}';
    SseEventView event;
    event.type = type;
    event.data = data;
    static_cast<void>(SseWriter{out}.event(event));  // refused: nothing was appended
}

}  // namespace rejoin

#endif
