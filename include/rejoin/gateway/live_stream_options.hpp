#ifndef REJOIN_GATEWAY_LIVE_STREAM_OPTIONS_HPP
#define REJOIN_GATEWAY_LIVE_STREAM_OPTIONS_HPP

#include <string>
#include <vector>

#include <rejoin/gateway/event_framer.hpp>
#include <rejoin/gateway/event_log.hpp>

namespace rejoin {

struct LiveStreamOptions {
    EventLogOptions log;
    IdMode ids = IdMode::passthrough;
    /// See `FramerOptions`.
    bool seal_wide_ids = false;
    bool fill_in_ids = true;
    /// Type of the in-band gap signal; empty: none is sent.
    std::string gap_event = "sse-gap";
    /// Pass the upstream's `retry:` on.
    bool forward_retry = true;
    /// Pass the upstream's comments on to the clients that are attached and have taken all events before them.
    bool forward_comments = true;
    /// With one client: read no faster than it takes the events, so that it never falls out of the log; with none: hold
    /// what came after the last one left. Otherwise, and always with several clients, the slow fall out.
    bool backpressure = true;
    /// It goes on being read when its last client has left. False: it ends at once.
    bool lingers = true;
    /// Data of events that precede the cut of a stream that did not come to its end; none as a rule.
    std::vector<std::string> farewell = {};
};

}  // namespace rejoin

#endif
