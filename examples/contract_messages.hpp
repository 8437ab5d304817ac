#ifndef REJOIN_EXAMPLES_CONTRACT_MESSAGES_HPP
#define REJOIN_EXAMPLES_CONTRACT_MESSAGES_HPP

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include <rejoin/client/reconnecting_stream.hpp>

namespace examples {

/// What the client says, as the harness wants to hear it: events, comments, and one error for each connection that dropped
/// or attempt that failed. A reconnect by command and an end by 204 are no errors.
class ContractMessages {
public:
    /// The JSON to send for `item`, if it is one that the harness is told of.
    std::optional<std::string> tell(const rejoin::StreamItem& item, const rejoin::ReconnectingStream& stream) {
        using Kind = rejoin::StreamItem::Kind;
        switch (item.kind) {
        case Kind::event: return event(item.event);
        case Kind::comment: return text("comment", item.event.data);
        case Kind::dropped:
            if (item.end == rejoin::EndReason::closed) return std::nullopt;
            drop_told_ = true;
            return text("error", dropped(item));
        case Kind::waiting:
        case Kind::finished:
            // Behind a drop they tell what follows from it, otherwise how an attempt failed.
            if (std::exchange(drop_told_, false)) return std::nullopt;
            if (item.kind == Kind::finished && (stream.ended_complete() || item.error == rejoin::Error::closed)) return std::nullopt;
            return text("error", refused(item, stream));
        default: return std::nullopt;
        }
    }

private:
    static std::string event(const rejoin::SseEventView& view) {
        nlohmann::json message;
        message["kind"] = "event";
        auto& event = message["event"];
        event["type"] = view.type;
        event["data"] = view.data;
        event["id"] = view.last_event_id;
        return written(message);
    }

    static std::string text(const char* kind, std::string_view text) {
        nlohmann::json message;
        message["kind"] = kind;
        message[kind] = text;
        return written(message);
    }

    // What is not UTF-8 was replaced by the stream's parser; `replace` is for the system's error texts.
    static std::string written(const nlohmann::json& message) {
        return message.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    }

    static std::string dropped(const rejoin::StreamItem& item) {
        std::string told = "the stream ended: " + std::string{to_string(item.end)};
        if (item.error) told += ": " + item.error.message();
        if (item.incomplete) told += ", within an event";
        return told;
    }

    static std::string refused(const rejoin::StreamItem& item, const rejoin::ReconnectingStream& stream) {
        std::string told = "no stream: " + item.error.message();
        const bool by_answer = item.error == rejoin::Error::bad_status || item.error == rejoin::Error::bad_content_type ||
                               item.error == rejoin::Error::bad_content_encoding;
        if (by_answer && stream.response() != nullptr) told += ", status " + std::to_string(stream.response()->status);
        return told;
    }

    bool drop_told_ = false;  // and what comes of it is still to be said
};

}  // namespace examples

#endif
