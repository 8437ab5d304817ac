#ifndef REJOIN_GATEWAY_REVERSE_PROXY_OPTIONS_HPP
#define REJOIN_GATEWAY_REVERSE_PROXY_OPTIONS_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <rejoin/client/reconnecting_stream.hpp>
#include <rejoin/gateway/client_writer.hpp>
#include <rejoin/gateway/id_keys.hpp>
#include <rejoin/gateway/live_stream.hpp>
#include <rejoin/gateway/post_streams.hpp>
#include <rejoin/gateway/stream_directory.hpp>

namespace rejoin {

/// What a client gets that comes back with an id which can't be continued from.
enum class GapPolicy {
    continue_live,  ///< 200, the gap named in `SSE-Resume`, and what comes from now on.
    oldest,         ///< 200, the gap named, and all that is still kept.
    gone,           ///< 410. A browser's EventSource then stops for good.
};

/// Which clients of one principal and target read the same upstream stream.
enum class Sharing {
    own,        ///< Each client has its own; one that comes back with an id goes on with the one it left.
    exclusive,  ///< There is one, for one client: the newest connection takes it over. One without an id begins anew.
    shared,     ///< There is one, for any number of clients; one without an id joins it live.
};

/// Options of a `ReverseProxySseManager`.
struct ReverseProxyOptions {
    /// Where requests go. Its path is put before the request's.
    Url upstream;
    /// Equal upstreams, which know the same ids: asked while those before them have failed lately.
    std::vector<Url> alternatives = {};
    /// How long an upstream that failed is passed over, milliseconds.
    std::chrono::milliseconds cool_down{30'000};
    /// Of each upstream origin's circuit breaker. Off by default: an upstream that refuses costs little, and while a breaker
    /// is open, one that is back is not used.
    CircuitBreakerOptions breaker = {.failures = 0, .open_for = std::chrono::seconds{1}};
    /// Connections kept idle for each upstream; zero = none.
    std::size_t idle_connections = 32;
    SseHttpClientOptions client;
    SseLimits limits;
    HealthMonitorOptions health = {.resumed = std::chrono::seconds{3}};
    /// Clients are cut when an outage lasts for `max_outage`. An empty policy stands for `resilient_retry_policy()`.
    ReconnectionOptions reconnection = {.max_outage = std::chrono::seconds{60}};
    EventTrackerOptions tracker;
    LiveStreamOptions stream;
    ClientWriterOptions writer;
    StreamDirectoryOptions directory;
    GapPolicy gap = GapPolicy::continue_live;
    /// Headers whose values tell principals apart, and names of cookies that do where `Cookie` is none of the headers.
    std::vector<std::string> principal = StreamIdentity::default_principal();
    std::vector<std::string> principal_cookies = {};
    /// What event ids are authenticated with. Null: a key of chance, which dies with the gateway, and sealed ids with it.
    std::shared_ptr<const IdKeys> keys = nullptr;
    Sharing sharing = Sharing::own;
    /// What becomes of streams that answer requests with side effects.
    PostStreams post = PostStreams::resume;
    /// With `PostStreams::mcp` and `detach`: how long such a stream goes on without its client.
    Duration post_linger = std::chrono::minutes{5};
    /// With `PostStreams::detach`: the log of an answer, which nobody may be reading.
    EventLogOptions detached_log = {.events = 16'384, .bytes = 8 * 1024 * 1024};
    /// With `PostStreams::mcp`: bytes kept of a request's body, for the error response where its stream is lost.
    std::size_t request_copy = 64 * 1024;
    /// `retry:` given to clients, in place of the upstream's.
    std::optional<std::chrono::milliseconds> retry;
    /// Bound on silence in regular bodies, both ways; zero = none.
    Duration body_idle = std::chrono::seconds{60};
};

/// `options` as a gateway goes by them. Throws `std::system_error` (`invalid_option`) for what is out of its domain.
inline ReverseProxyOptions checked(ReverseProxyOptions options) {
    options.stream.forward_retry = options.stream.forward_retry && !options.retry;
    const auto is_session = [](const std::string& name) { return detail::iequals(name, "Mcp-Session-Id"); };
    const bool by_session = std::any_of(options.principal.begin(), options.principal.end(), is_session);
    if (options.post == PostStreams::mcp && !by_session) options.principal.push_back("Mcp-Session-Id");
    const EventLog log{options.stream.log};
    const bool one_line = options.stream.gap_event.find_first_of("\r\n") == std::string::npos &&
                          options.writer.gap_event.find_first_of("\r\n") == std::string::npos;
    if (options.directory.streams == 0 || !one_line) throw std::system_error{make_error_code(Error::invalid_option), "ReverseProxyOptions"};
    return options;
}

/// How often clients and logs are looked after.
inline Duration tick_interval(const ReverseProxyOptions& options) {
    Duration interval = std::chrono::seconds{1};
    for (const Duration due : {options.writer.heartbeat, options.writer.write_deadline, options.directory.linger}) {
        if (due > Duration::zero()) interval = std::min(interval, due / 4);
    }
    return std::max<Duration>(interval, std::chrono::milliseconds{10});
}

}  // namespace rejoin

#endif
