#ifndef REJOIN_CLIENT_HTTP_REQUEST_HPP
#define REJOIN_CLIENT_HTTP_REQUEST_HPP

#include <memory>
#include <string>
#include <utility>

#include <rejoin/client/body_source.hpp>
#include <rejoin/http/fields.hpp>
#include <rejoin/http/message.hpp>
#include <rejoin/http/url.hpp>

namespace rejoin {

/// A request as its sender thinks of it. What HTTP needs beside it (Host, Content-Length) and what an event stream asks for
/// (Accept, Accept-Encoding, Cache-Control) is added when it is sent, unless a field of that name is there.
struct HttpRequest {
    explicit HttpRequest(Url url_, std::string method_ = "GET") : url{std::move(url_)}, method{std::move(method_)} {}

    Url url;
    std::string method;
    HttpFields headers;
    std::string body;
    /// The body in place of `body`, for what is not a string in memory.
    std::shared_ptr<BodySource> source = nullptr;
};

/// Makes a request without a body of one with: what described the body goes with it.
inline void drop_body(HttpRequest& request) {
    request.body.clear();
    request.source.reset();
    for (const char* name : {"Content-Type", "Content-Length", "Content-Encoding", "Content-Language", "Content-Location",
                             "Transfer-Encoding", "Expect"}) {
        request.headers.erase(name);
    }
}

/// The head that goes over the wire for `request`. Pure; used for every attempt anew.
inline RequestHead make_request_head(const HttpRequest& request) {
    RequestHead head;
    head.method = request.method;
    head.target = request.url.target;
    if (!request.headers.contains("Host")) head.fields.add("Host", request.url.host_header());
    if (!request.headers.contains("Accept")) head.fields.add("Accept", "text/event-stream");
    // Without it any coding would be welcome (RFC 9110 12.5.3), and one that buffers holds events back.
    if (!request.headers.contains("Accept-Encoding")) head.fields.add("Accept-Encoding", "identity");
    if (!request.headers.contains("Cache-Control")) head.fields.add("Cache-Control", "no-cache");
    for (const HttpField& field : request.headers) head.fields.add(field.name, field.value);
    if (request.source) {
        head.fields.erase("Content-Length");
        head.fields.erase("Transfer-Encoding");
        const auto size = request.source->size();
        if (size) head.fields.set("Content-Length", std::to_string(*size));
        else head.fields.set("Transfer-Encoding", "chunked");
        return head;
    }
    const bool has_body = !request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
    if (has_body) head.fields.set("Content-Length", std::to_string(request.body.size()));
    return head;
}

}  // namespace rejoin

#endif
