#ifndef REJOIN_GATEWAY_DETAIL_JOURNEY_HPP
#define REJOIN_GATEWAY_DETAIL_JOURNEY_HPP

#include <string>
#include <vector>

#include <rejoin/client/http_request.hpp>
#include <rejoin/gateway/forwarding.hpp>
#include <rejoin/gateway/post_streams.hpp>
#include <rejoin/gateway/stream_identity.hpp>

namespace rejoin::detail {

// What one request needs on its way upstream, and what its stream will be reconnected with.
struct Journey {
    StreamIdentity identity;
    RequestHead head;
    HttpRequest origin;
    std::string continuity;
    std::string target = {};         // the client's, as it goes upstream with this request
    std::string resume_target = {};  // and with those that resume its stream
    std::vector<std::string> farewell = {};
    PostStreams post = PostStreams::cut;
    bool returning = false;
    Url server = {};

    // Makes it a request to one of the upstreams.
    void aim(const Url& to) {
        server = to;
        head.target = upstream_target(to, target);
        head.fields.set("Host", to.host_header());
        origin.url = to;
        origin.url.target = upstream_target(to, resume_target);
    }
};

}  // namespace rejoin::detail

#endif
