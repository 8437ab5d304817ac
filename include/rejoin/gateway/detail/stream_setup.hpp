#ifndef REJOIN_GATEWAY_DETAIL_STREAM_SETUP_HPP
#define REJOIN_GATEWAY_DETAIL_STREAM_SETUP_HPP

#include <string>
#include <utility>
#include <vector>

#include <rejoin/gateway/detail/journey.hpp>
#include <rejoin/gateway/resume_request.hpp>
#include <rejoin/gateway/reverse_proxy_options.hpp>

namespace rejoin::detail {

// The way of a request upstream. `upstream_id`: what it is to go on behind, as the upstream knows it; empty for none.
// `legible`: a stream that answers it must not be coded.
inline Journey make_journey(const ReverseProxyOptions& options, const RequestHead& request, const std::string& client_address,
                            const ResumeRequest& resume, const StreamIdentity& identity, std::string upstream_id, bool legible) {
    const ForwardingContext context{client_address, "http"};
    const bool get = request.method == "GET";
    Journey journey{identity, upstream_request(request, options.upstream, request.target, context), HttpRequest{options.upstream, request.method}, {}};
    journey.resume_target = resume.target;
    // Some upstreams look for the id in the query only.
    journey.target = get && resume.id && upstream_id != *resume.id ? resume.target : request.target;
    if (!get) journey.post = post_streams_of(options.post, request);
    journey.returning = get && resume.id;
    journey.head.fields.erase("Last-Event-ID");
    if (!upstream_id.empty()) journey.head.fields.set("Last-Event-ID", std::move(upstream_id));
    if (legible) journey.head.fields.set("Accept-Encoding", "identity");
    journey.origin.headers = journey.head.fields;
    if (get) drop_body(journey.origin);
    journey.origin.headers.erase("Host");  // that of whichever upstream is asked
    return journey;
}

// How the stream that answers a request is read from its upstream, from there on.
inline ReconnectingStreamOptions upstream_options(const ReverseProxyOptions& proxy, const Journey& journey) {
    ReconnectingStreamOptions options;
    options.client = proxy.client;
    options.parser.limits = proxy.limits;
    options.parser.utf8 = Utf8Mode::pass;
    options.parser.comments = proxy.stream.forward_comments;
    options.tracker = proxy.tracker;
    options.health = proxy.health;
    options.reconnection = proxy.reconnection;
    options.error_body = 0;
    options.cool_down = proxy.cool_down;
    // It prefers the one where it began, then those before it in order.
    std::vector<Url> servers{proxy.upstream};
    servers.insert(servers.end(), proxy.alternatives.begin(), proxy.alternatives.end());
    for (const Url& server : servers) {
        if (server == journey.server) continue;
        Url& other = options.alternatives.emplace_back(server);
        other.target = upstream_target(server, journey.resume_target);
    }
    if (journey.origin.method != "GET") set_post_stream(options, journey.post);
    else if (!options.reconnection.policy) options.reconnection.policy = resilient_retry_policy();
    return options;
}

// How it is logged and handed to its clients.
inline LiveStreamOptions live_stream_options(const ReverseProxyOptions& proxy, const Journey& journey) {
    LiveStreamOptions options = proxy.stream;
    if (journey.origin.method == "GET") return options;
    options.lingers = options.fill_in_ids = keeps_for_return(journey.post);
    options.farewell = journey.farewell;
    if (journey.post == PostStreams::detach) {
        options.ids = IdMode::minted;
        options.log = proxy.detached_log;
        options.backpressure = false;
    }
    return options;
}

}  // namespace rejoin::detail

#endif
