#ifndef REJOIN_GATEWAY_EVENT_FRAMER_HPP
#define REJOIN_GATEWAY_EVENT_FRAMER_HPP

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <rejoin/gateway/event_log.hpp>
#include <rejoin/gateway/minted_id.hpp>
#include <rejoin/sse/writer.hpp>

namespace rejoin {

/// Where the ids that clients see come from.
enum class IdMode {
    passthrough,  ///< The upstream's; the gateway's own as long as the upstream has sent none, not even an empty one.
    minted,       ///< Always the gateway's own. The upstream's stay between it and the gateway.
};

/// Frames events into a log: once, as the bytes that every client will be sent.
///
/// Frames have LF line ends, `retry:` only inside a real event, and `id:` last: widespread clients take the id over before
/// the event is complete, and fire an empty event at every blank line.
class EventFramer {
public:
    EventFramer(IdMode mode, std::uint64_t epoch) : mode_{mode}, epoch_{epoch} {}

    std::uint64_t epoch() const noexcept { return epoch_; }

    /// A reconnection time to pass on inside the next event; a negative one counts as 0.
    void retry(std::chrono::milliseconds time) { retry_ = std::max(time, std::chrono::milliseconds::zero()); }

    /// Appends the frame of `event` to `log`. False, and nothing appended, for an event that can't be framed.
    bool append(EventLog& log, SseEventView event, std::chrono::steady_clock::time_point now) {
        upstream_has_ids_ = upstream_has_ids_ || event.has_id || !event.last_event_id.empty();
        if (mode_ == IdMode::minted || !upstream_has_ids_) {
            id_.clear();
            MintedId{epoch_, log.last() + 1}.append_to(id_);
            event.has_id = true;
            event.id = id_;
        }
        frame_.clear();
        if (SseWriter{frame_}.event(event, retry_)) return false;
        retry_.reset();
        log.append(frame_, event.has_id ? std::optional{event.id} : std::nullopt, now);
        return true;
    }

    /// Appends the in-band gap signal: an event of type `type` without id, whose data is JSON:
    /// `{"reason":...,"from":...,"lost":...}`, `lost` being null where it is 0: unknown. Nothing is appended for a type with
    /// CR or LF.
    void append_gap(EventLog& log, std::string_view type, std::string_view reason, std::string_view from, std::uint64_t lost,
                    std::chrono::steady_clock::time_point now) {
        data_ = "{\"reason\":\"";
        append_json(data_, reason);
        data_ += "\",\"from\":\"";
        append_json(data_, from);
        data_ += "\",\"lost\":";
        data_ += lost == 0 ? std::string{"null"} : std::to_string(lost);
        data_ += '}';
        SseEventView event;
        event.type = type;
        event.data = data_;
        frame_.clear();
        if (SseWriter{frame_}.event(event)) return;
        log.append(frame_, std::nullopt, now);
    }

private:
    static void append_json(std::string& out, std::string_view text) {
        constexpr std::string_view digits = "0123456789abcdef";
        for (const char c : text) {
            const auto byte = static_cast<unsigned char>(c);
            if (c == '"' || c == '\\') {
                out += '\\';
                out += c;
            } else if (byte < 0x20) {
                out += "\\u00";
                out += digits[byte >> 4];
                out += digits[byte & 15];
            } else {
                out += c;
            }
        }
    }

    IdMode mode_;
    std::uint64_t epoch_;
    bool upstream_has_ids_ = false;
    std::optional<std::chrono::milliseconds> retry_;
    std::string frame_;
    std::string id_;
    std::string data_;
};

}  // namespace rejoin

#endif
