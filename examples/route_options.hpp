#ifndef REJOIN_EXAMPLES_ROUTE_OPTIONS_HPP
#define REJOIN_EXAMPLES_ROUTE_OPTIONS_HPP

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include <rejoin/gateway/reverse_proxy_options.hpp>

#include "route_config.hpp"

namespace examples {

namespace route_options_detail {

template <class To, class From>
void set(To& to, const std::optional<From>& from) {
    if (from) to = *from;
}

inline void set(std::chrono::milliseconds& to, const std::optional<Duration>& from) {
    if (from) to = std::chrono::ceil<std::chrono::milliseconds>(*from);
}

}  // namespace route_options_detail

/// What becomes of clients that don't keep up.
inline void set_slow_clients(rejoin::ReverseProxyOptions& options, RouteSlow slow) {
    options.stream.backpressure = slow == RouteSlow::backpressure;
    options.writer.slow = slow == RouteSlow::skip ? rejoin::SlowClients::skip : rejoin::SlowClients::disconnect;
}

/// A route's options: what the configuration says, over `base`.
inline rejoin::ReverseProxyOptions options_of(const RouteConfig& route, rejoin::ReverseProxyOptions base) {
    using route_options_detail::set;
    rejoin::ReverseProxyOptions options = std::move(base);
    options.upstream = route.upstreams.front();
    options.alternatives.assign(route.upstreams.begin() + 1, route.upstreams.end());
    set(options.cool_down, route.cool_down);

    set(options.stream.ids, route.ids);
    set(options.tracker.order, route.id_order);
    set(options.stream.seal_wide_ids, route.seal_wide_ids);
    if (route.principal) {
        options.principal = route.principal->headers;
        options.principal_cookies = route.principal->cookies;
    }
    set(options.sharing, route.sharing);
    set(options.gap, route.gap);
    set(options.post, route.post);
    set(options.post_linger, route.post_linger);
    set(options.stream.gap_event, route.gap_event);
    set(options.writer.gap_event, route.gap_event);
    set(options.stream.forward_comments, route.forward_comments);
    if (route.slow_clients) set_slow_clients(options, *route.slow_clients);

    set(options.reconnection.backoff.base, route.backoff_base);
    set(options.reconnection.backoff.cap, route.backoff_cap);
    set(options.reconnection.max_outage, route.max_outage);
    set(options.client.connect.connect_timeout, route.connect_timeout);
    set(options.client.response_timeout, route.response_timeout);
    set(options.health.idle, route.idle_timeout);
    set(options.health.resumed, route.resume_silence);
    set(options.health.stalled, route.stall_timeout);
    set(options.limits.line, route.max_line);
    set(options.limits.event, route.max_event);

    set(options.writer.heartbeat, route.heartbeat);
    set(options.writer.write_deadline, route.write_deadline);
    if (route.retry) options.retry = std::chrono::ceil<std::chrono::milliseconds>(*route.retry);

    set(options.stream.log.events, route.log_events);
    set(options.stream.log.bytes, route.log_bytes);
    set(options.stream.log.age, route.log_age);
    set(options.detached_log.events, route.log_events);
    set(options.detached_log.bytes, route.log_bytes);
    set(options.detached_log.age, route.log_age);
    set(options.directory.linger, route.linger);
    set(options.directory.bytes, route.log_bytes_total);
    set(options.directory.streams, route.max_streams);
    return options;
}

}  // namespace examples

#endif
