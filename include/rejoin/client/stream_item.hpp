#ifndef REJOIN_CLIENT_STREAM_ITEM_HPP
#define REJOIN_CLIENT_STREAM_ITEM_HPP

#include <cstdint>
#include <system_error>

#include <rejoin/net/traits.hpp>
#include <rejoin/resume/end_reason.hpp>
#include <rejoin/resume/phase.hpp>
#include <rejoin/resume/resume_outcome.hpp>
#include <rejoin/sse/event.hpp>

namespace rejoin {

/// What a `ReconnectingStream` says, in the order in which it happened: events and the life of the connection in one
/// sequence. Views are valid until the next call on the stream.
///
/// An attempt that gets a stream is `opened`, and its end is `dropped`; one that fails before is neither, and is told by
/// the `error` and `phase` of the `waiting` or `finished` that follows.
struct StreamItem {
    enum class Kind : std::uint8_t {
        opened,    ///< A connection answered with an event stream.
        event,     ///< `event`.
        comment,   ///< `event.data` is its text; only where asked for.
        field,     ///< An unknown field: `event.type` is its name, `event.data` its value; only where asked for.
        retry,     ///< The server set its reconnection time: `delay`.
        dropped,   ///< The stream's connection ended: `end`, `error`, `incomplete`.
        waiting,   ///< The next attempt begins in `delay`; `error` and `phase`: what the last one failed with, and where.
        unsendable,///< The cursor, `event.last_event_id`, can't go out as `Last-Event-ID` and does not; told once for each.
        resumed,   ///< What the connection made of the cursor became clear: `outcome`, `gap`, `lost`.
        finished,  ///< No more will come: `error`, `phase`. The last item.
    };

    Kind kind = Kind::finished;
    SseEventView event;
    EndReason end = EndReason::complete;
    std::error_code error;
    Phase phase = Phase::body;
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
