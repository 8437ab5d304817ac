#ifndef REJOIN_GATEWAY_FORWARDING_HPP
#define REJOIN_GATEWAY_FORWARDING_HPP

#include <string>
#include <string_view>
#include <utility>

#include <rejoin/error.hpp>
#include <rejoin/http/hop_by_hop.hpp>
#include <rejoin/http/media_type.hpp>
#include <rejoin/http/message.hpp>
#include <rejoin/http/url.hpp>
#include <rejoin/result.hpp>

namespace rejoin {

/// What a proxy knows of the client beside its request.
struct ForwardingContext {
    std::string client_address;       ///< for X-Forwarded-For; empty: unknown, nothing is added
    std::string scheme = "http";      ///< that the client used, for X-Forwarded-Proto
};

/// What a message that came as HTTP/1.`minor` gets as its `Via` (RFC 9110 7.6.3).
constexpr std::string_view via_value(int minor) noexcept { return minor == 0 ? "1.0 rejoin" : "1.1 rejoin"; }

/// Whether a response came through such a proxy as this one.
inline bool came_through_gateway(const HttpFields& fields) {
    bool found = false;
    fields.for_each_token("Via", [&found](std::string_view hop) { found = found || hop.ends_with(" rejoin"); });
    return found;
}

/// Whether a request names `text/event-stream` as a type it takes. Wildcards don't count: every client sends those.
inline bool accepts_event_stream(const HttpFields& fields) {
    bool found = false;
    fields.for_each_token("Accept", [&](std::string_view range) { found = found || is_event_stream(range); });
    return found;
}

/// The origin-form of a request's target: an absolute-form target (RFC 9112 3.2.2) loses scheme and authority, `*` stays.
/// `Error::bad_message` for anything else.
inline Result<std::string> origin_form(std::string_view target) {
    if (target.starts_with('/') || target == "*") return std::string{target};
    auto url = Url::parse(target);
    if (!url) return Error::bad_message;
    return std::move(url->target);
}

/// Whether a target's path has a segment `..` in any spelling: behind an upstream's own path it would lead out of that.
inline bool climbs(std::string_view target) {
    std::string_view path = target.substr(0, target.find('?'));
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        std::string_view segment = path.substr(0, slash);
        path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
        int dots = 0;
        while (!segment.empty()) {
            const bool encoded = segment.size() >= 3 && detail::iequals(segment.substr(0, 3), "%2e");
            if (!encoded && segment.front() != '.') break;
            segment.remove_prefix(encoded ? 3 : 1);
            ++dots;
        }
        if (dots == 2 && segment.empty()) return true;
    }
    return false;
}

/// The upstream's target for the client's: the upstream URL's path is put before it.
inline std::string upstream_target(const Url& upstream, std::string_view target) {
    std::string_view base = upstream.target;
    base = base.substr(0, base.find('?'));
    while (base.ends_with('/')) base.remove_suffix(1);
    if (target == "*") return std::string{target};
    return std::string{base} + std::string{target};
}

/// The request as it goes upstream: hop-by-hop fields removed, Host set to the upstream's, Via and X-Forwarded-* added.
/// Content codings are refused beforehand where the answer may be an event stream, since an encoded stream can't be
/// continued (RFC 9110 12.5.3). Framing of the body is kept: Content-Length, or chunked.
inline RequestHead upstream_request(const RequestHead& client, const Url& upstream, std::string_view target,
                                    const ForwardingContext& context) {
    RequestHead head;
    head.method = client.method;
    head.target = upstream_target(upstream, target);
    head.fields = client.fields;
    const bool chunked = client.fields.has_token("Transfer-Encoding", "chunked");
    const bool may_stream = client.method != "GET" || accepts_event_stream(client.fields);
    const std::string host{client.fields.get("Host").value_or("")};
    remove_hop_by_hop(head.fields);
    head.fields.set("Host", upstream.host_header());
    if (chunked) head.fields.set("Transfer-Encoding", "chunked");
    if (may_stream) head.fields.set("Accept-Encoding", "identity");
    std::string hops;
    const auto add_hop = [&hops](std::string_view hop) {
        if (hop.empty()) return;
        if (!hops.empty()) hops += ", ";
        hops += hop;
    };
    head.fields.for_each_value("X-Forwarded-For", add_hop);
    add_hop(context.client_address);
    if (!hops.empty()) head.fields.set("X-Forwarded-For", hops);
    if (!head.fields.contains("X-Forwarded-Host") && !host.empty()) head.fields.set("X-Forwarded-Host", host);
    if (!head.fields.contains("X-Forwarded-Proto")) head.fields.set("X-Forwarded-Proto", context.scheme);
    head.fields.add("Via", via_value(client.minor));
    return head;
}

/// A regular response as it goes to the client. `chunked`: the body will be framed in chunks.
inline ResponseHead client_response(const ResponseHead& upstream, bool chunked) {
    ResponseHead head;
    head.status = upstream.status;
    head.reason = upstream.reason;
    head.fields = upstream.fields;
    remove_hop_by_hop(head.fields);
    head.fields.add("Via", via_value(upstream.minor));
    if (chunked) {
        head.fields.erase("Content-Length");
        head.fields.set("Transfer-Encoding", "chunked");
    }
    return head;
}

/// The head of an event stream as it goes to a client: the upstream's end-to-end fields, with what keeps caches and
/// buffering proxies from spoiling a stream. `upstream` is absent for a stream held open before its upstream answered; one
/// that is no event stream (a refusal while the stream is being resumed) counts as absent.
///
/// `opener`: the client is the one whose request `upstream` answers. Only it is given the cookies set there.
inline ResponseHead stream_response(const ResponseHead* upstream, bool chunked, bool opener = false) {
    ResponseHead head;
    if (upstream && upstream->status == 200 && is_event_stream(upstream->fields.get("Content-Type").value_or(""))) {
        head.fields = upstream->fields;
        remove_hop_by_hop(head.fields);
        for (const char* name : {"Content-Length", "Content-Encoding", "Accept-Ranges", "ETag", "Last-Modified", "SSE-Resume"}) {
            head.fields.erase(name);
        }
        if (!opener) head.fields.erase("Set-Cookie");
        head.fields.add("Via", via_value(upstream->minor));
    } else {
        head.fields.set("Content-Type", "text/event-stream");
        head.fields.set("Via", via_value(1));
    }
    head.fields.set("Cache-Control", "no-cache, no-transform");
    head.fields.set("X-Accel-Buffering", "no");
    if (chunked) head.fields.set("Transfer-Encoding", "chunked");
    return head;
}

}  // namespace rejoin

#endif
