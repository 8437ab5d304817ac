#ifndef REJOIN_SSE_EVENT_HPP
#define REJOIN_SSE_EVENT_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <rejoin/version.hpp>

namespace rejoin {

/// What an `SseEventView` holds. Only `event` is dispatched by the standard; the rest is reported on request
/// (`SseParserOptions`), for health checks, cursors and pass-through proxies.
enum class SseItem : std::uint8_t {
    event,    ///< A block with at least one `data` field.
    comment,  ///< A line that begins with a colon: proof of life, never an event.
    cursor,   ///< A block that fires no event but carried an id: the last event id moved.
    retry,    ///< A valid `retry` line; `SseParser::retry()` holds the number.
    field,    ///< A line with a name that the standard does not know.
};

/// One item of an event stream, as views.
///
/// *Lifetime*: what `SseParser::next()` filled in is valid until the next call of `next()`, `feed()` or `reset()` on that
/// parser, and as long as the bytes last fed live. `SseEvent` owns a copy.
struct SseEventView {
    SseItem kind = SseItem::event;
    /// The event type; "message" where the stream gave none. For a `field`: its name.
    std::string_view type = "message";
    /// The data, lines joined by one LF. For a `comment`: everything behind the colon, a leading space included.
    /// For `retry` and `field`: the value.
    std::string_view data = {};
    /// The event's own id; meaningful only where `has_id` says so, and then possibly empty (which clears the cursor).
    std::string_view id = {};
    /// The last event id in force at this item: the own id, else the one inherited from earlier events.
    std::string_view last_event_id = {};
    /// An `id` line (without NUL) stood in this block.
    bool has_id = false;
    /// A comment or unknown field was longer than `SseLimits::comment`; `type` and `data` hold its beginning.
    bool truncated = false;
};

/// An event that owns its strings.
struct SseEvent {
    std::string type = "message";
    std::string data;
    /// The event's own id, if it had one. An event without own id inherits `last_event_id` and must not be identified by it.
    std::optional<std::string> id;
    /// The last event id in force at this event.
    std::string last_event_id;

    SseEvent() = default;

    /// Copies what the view holds.
    explicit SseEvent(const SseEventView& view) : type{view.type}, data{view.data}, last_event_id{view.last_event_id} {
        if (view.has_id) id.emplace(view.id);
    }

    /// Copies what the view holds over this event, in the memory it already has: for a loop that keeps one event.
    SseEvent& operator=(const SseEventView& view) {
        type = view.type;
        data = view.data;
        last_event_id = view.last_event_id;
        if (!view.has_id) {
            id.reset();
        } else if (id) {
            id->assign(view.id);
        } else {
            id.emplace(view.id);
        }
        return *this;
    }

    /// A view of this event, valid as long as it lives unchanged.
    SseEventView view() const noexcept {
        SseEventView view;
        view.type = type;
        view.data = data;
        view.last_event_id = last_event_id;
        view.has_id = id.has_value();
        if (id) view.id = *id;
        return view;
    }

    friend bool operator==(const SseEvent&, const SseEvent&) = default;
};

}  // namespace rejoin

#endif
