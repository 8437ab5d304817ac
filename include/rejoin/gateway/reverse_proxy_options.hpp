#ifndef REJOIN_GATEWAY_REVERSE_PROXY_OPTIONS_HPP
#define REJOIN_GATEWAY_REVERSE_PROXY_OPTIONS_HPP

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <rejoin/client/reconnecting_stream.hpp>
#include <rejoin/gateway/client_writer.hpp>
#include <rejoin/gateway/live_stream.hpp>
#include <rejoin/gateway/stream_directory.hpp>

namespace rejoin {

/// What a client gets that comes back with an id which can't be continued from.
enum class GapPolicy {
    continue_live,  ///< 200, the gap named in `SSE-Resume`, and what comes from now on.
    oldest,         ///< 200, the gap named, and all that is still kept.
    gone,           ///< 410. A browser's EventSource then stops for good.
};

/// Options of a `ReverseProxySseManager`.
struct ReverseProxyOptions {
    /// Where requests go. Its path is put before the request's.
    Url upstream;
    SseHttpClientOptions client;
    SseLimits limits;
    HealthMonitorOptions health;
    /// Clients are cut when an outage lasts for `max_outage`. An empty policy stands for `resilient_retry_policy()`.
    ReconnectionOptions reconnection = {.max_outage = std::chrono::seconds{60}};
    EventTrackerOptions tracker;
    LiveStreamOptions stream;
    ClientWriterOptions writer;
    StreamDirectoryOptions directory;
    GapPolicy gap = GapPolicy::continue_live;
    /// Headers whose values tell principals apart.
    std::vector<std::string> principal = StreamIdentity::default_principal();
    /// Clients of one principal and target share one upstream stream; a client without an id joins it live.
    bool share = false;
    /// `retry:` given to clients, in place of the upstream's.
    std::optional<std::chrono::milliseconds> retry;
    /// Bound on silence in regular bodies, both ways; zero = none.
    Duration body_idle = std::chrono::seconds{60};
};

}  // namespace rejoin

#endif
