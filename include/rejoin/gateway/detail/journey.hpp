#ifndef REJOIN_GATEWAY_DETAIL_JOURNEY_HPP
#define REJOIN_GATEWAY_DETAIL_JOURNEY_HPP

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <rejoin/client/http_request.hpp>
#include <rejoin/gateway/forwarding.hpp>
#include <rejoin/gateway/gap_event.hpp>
#include <rejoin/gateway/post_streams.hpp>
#include <rejoin/gateway/stream_identity.hpp>

namespace rejoin::detail {

// What one request needs on its way upstream, and what its stream will be reconnected with.
struct Journey {
    StreamIdentity identity;
    RequestHead head;
    HttpRequest origin;
    std::string continuity;
    std::string notice = {};         // the same in band
    std::string seen = {};           // the id the client came with, where the upstream is asked for what follows
    std::string doubtful = {};       // the same, where only another gateway can know it
    std::shared_ptr<void> opening = nullptr;  // others wait for what becomes of it
    std::string target = {};         // the client's, as it goes upstream with this request
    std::string resume_target = {};  // and with those that resume its stream
    std::vector<std::string> farewell = {};
    PostStreams post = PostStreams::cut;
    std::optional<RequestHead> asked = {};  // as the client put it, where its answer may begin a session
    bool returning = false;
    bool exclusive = false;
    Url server = {};

    // The client's stream begins anew, and it is told so: nothing upstream can know its id.
    void begin_anew(std::string id, std::string_view gap_event) {
        continuity = gap_field(id, 0);
        append_gap_event(notice, gap_event, "unknown_id", id, 0);
        head.fields.erase("Last-Event-ID");
        origin.headers.erase("Last-Event-ID");
        doubtful.clear();
        seen.clear();
    }

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
