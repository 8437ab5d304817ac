#ifndef REJOIN_CLIENT_STREAM_ITEM_HPP
#define REJOIN_CLIENT_STREAM_ITEM_HPP

#include <cstdint>
#include <system_error>

#include <rejoin/net/traits.hpp>
#include <rejoin/resume/end_reason.hpp>
#include <rejoin/resume/resume_outcome.hpp>
#include <rejoin/sse/event.hpp>

namespace rejoin {

/// What a `ReconnectingStream` says, in the order in which it happened: events and the life of the connection in one
/// sequence. Views are valid until the next call on the stream.
struct StreamItem {
    enum class Kind : std::uint8_t {
        opened,    ///< A connection answered with an event stream.
        event,     ///< `event`.
        comment,   ///< `event.data` is its text; only where asked for.
        retry,     ///< The server set its reconnection time: `delay`.
        dropped,   ///< The connection ended: `end`, `error`, `incomplete`.
        waiting,   ///< The next attempt begins in `delay`.
        unsendable,///< The cursor, `event.last_event_id`, can't go out as `Last-Event-ID` and does not; told once for each.
        resumed,   ///< What the connection made of the cursor became clear: `outcome`, `gap`, `lost`.
        finished,  ///< No more will come: `error`. The last item.
    };

    Kind kind = Kind::finished;
    SseEventView event;
    EndReason end = EndReason::complete;
    std::error_code error;
    Duration delay{};
    ResumeOutcome outcome = ResumeOutcome::none;
    /// With `resumed`: continuity can't be claimed; `event.last_event_id` is the cursor it was lost behind.
    bool gap = false;
    /// With a `gap`: how many events are missing; 0 when nothing tells.
    std::uint64_t lost = 0;
    /// With `event`: its id was seen before with other content.
    bool edited = false;
    /// With `dropped`: the stream broke off within an event, which was discarded.
    bool incomplete = false;
};

}  // namespace rejoin

#endif
