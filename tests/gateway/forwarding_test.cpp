#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rejoin/error.hpp>
#include <rejoin/gateway/forwarding.hpp>

#include "support/catch.hpp"

using rejoin::client_response;
using rejoin::Error;
using rejoin::ForwardingContext;
using rejoin::HttpFields;
using rejoin::origin_form;
using rejoin::RequestHead;
using rejoin::ResponseHead;
using rejoin::stream_response;
using rejoin::upstream_request;
using rejoin::upstream_target;
using rejoin::Url;

namespace {

using Values = std::vector<std::string>;

Url url(std::string_view text) { return Url::parse(text).value(); }

Values values(const HttpFields& fields, std::string_view name) {
    Values out;
    fields.for_each_value(name, [&out](std::string_view value) { out.emplace_back(value); });
    return out;
}

RequestHead request(HttpFields fields, std::string method = "GET", int minor = 1) {
    RequestHead head;
    head.method = std::move(method);
    head.target = "/s";
    head.minor = minor;
    head.fields = std::move(fields);
    return head;
}

RequestHead forwarded(const RequestHead& client, const ForwardingContext& context = {"192.0.2.7", "http"}) {
    return upstream_request(client, url("http://up.example:8080/"), client.target, context);
}

RequestHead forwarded(HttpFields fields, std::string method = "GET") { return forwarded(request(std::move(fields), std::move(method))); }

ResponseHead response(HttpFields fields, int status = 200, int minor = 1) {
    ResponseHead head;
    head.status = status;
    head.minor = minor;
    head.fields = std::move(fields);
    return head;
}

}  // namespace

// --- targets ---

TEST_CASE("forwarding: a target's origin form") {
    for (const char* same : {"/", "/a/b?c=d", "*", "//host/path", "/a%20b", "/../x"}) {
        CAPTURE(same);
        CHECK(origin_form(same).value() == same);
    }
    CHECK(origin_form("http://a.example/b?c=d").value() == "/b?c=d");
    CHECK(origin_form("HTTP://a.example:81").value() == "/");
    CHECK(origin_form("http://a.example?c").value() == "/?c");
    CHECK(origin_form("https://[::1]:4/x").value() == "/x");
    for (const char* bad : {"", "a", "a/b", "a.example:80", "?a", "**", "http://", "http:/a", "ftp://a/", "javascript:alert(1)"}) {
        CAPTURE(bad);
        const auto form = origin_form(bad);
        CHECK_FALSE(form.has_value());
        CHECK(form.error() == Error::bad_message);
    }
}

TEST_CASE("forwarding: the upstream's path is put before the target") {
    CHECK(upstream_target(url("http://up"), "/a?b") == "/a?b");
    CHECK(upstream_target(url("http://up/"), "/") == "/");
    CHECK(upstream_target(url("http://up/base"), "/a") == "/base/a");
    CHECK(upstream_target(url("http://up/base/"), "/a") == "/base/a");
    CHECK(upstream_target(url("http://up/base//"), "/a") == "/base/a");
    CHECK(upstream_target(url("http://up/base"), "/") == "/base/");
    CHECK(upstream_target(url("http://up/base/x?q=1"), "/a?b") == "/base/x/a?b");  // the base's query is not the client's
    CHECK(upstream_target(url("http://up/base"), "//a") == "/base//a");
    CHECK(upstream_target(url("http://up/base"), "*") == "*");
}

// --- requests ---

TEST_CASE("forwarding: method, target and end-to-end fields go on") {
    RequestHead client = request({{"Host", "front.example"},
                                  {"Authorization", "secret"},
                                  {"Cookie", "a=1"},
                                  {"Cookie", "b=2"},
                                  {"Last-Event-ID", "5"},
                                  {"Expect", "100-continue"},
                                  {"Content-Type", "text/plain"},
                                  {"Content-Length", "3"},
                                  {"traceparent", "00-x"}},
                                 "PATCH");
    client.target = "/not-this";
    const RequestHead head = upstream_request(client, url("http://up.example/base/"), "/s?x=1", {"192.0.2.7", "http"});
    CHECK(head.method == "PATCH");
    CHECK(head.target == "/base/s?x=1");
    CHECK(head.minor == 1);
    CHECK(values(head.fields, "Host") == Values{"up.example"});
    CHECK(values(head.fields, "Cookie") == Values{"a=1", "b=2"});
    CHECK(head.fields.get("Authorization") == "secret");
    CHECK(head.fields.get("Last-Event-ID") == "5");
    CHECK(head.fields.get("Expect") == "100-continue");
    CHECK(head.fields.get("Content-Length") == "3");
    CHECK(head.fields.get("traceparent") == "00-x");
    CHECK_FALSE(head.fields.contains("Transfer-Encoding"));
}

TEST_CASE("forwarding: Host is the upstream's") {
    CHECK(values(forwarded(HttpFields{{"Host", "front"}}).fields, "host") == Values{"up.example:8080"});
    CHECK(values(forwarded(HttpFields{}).fields, "host") == Values{"up.example:8080"});
    const RequestHead client = request({{"Host", "front"}});
    CHECK(upstream_request(client, url("https://[2001:db8::1]/"), "/", {}).fields.get("Host") == "[2001:db8::1]");
}

TEST_CASE("forwarding: what belongs to the client's connection stays there") {
    const RequestHead head = forwarded(HttpFields{{"Host", "front"},
                                                  {"Connection", "keep-alive, X-Mine"},
                                                  {"connection", "Other"},
                                                  {"Keep-Alive", "timeout=5"},
                                                  {"Proxy-Connection", "keep-alive"},
                                                  {"Proxy-Authorization", "p"},
                                                  {"TE", "trailers"},
                                                  {"Trailer", "X"},
                                                  {"Upgrade", "websocket"},
                                                  {"X-Mine", "1"},
                                                  {"other", "2"},
                                                  {"X-Kept", "3"}});
    for (const char* gone : {"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "TE", "Trailer", "Upgrade",
                             "Transfer-Encoding", "X-Mine", "Other"}) {
        CAPTURE(gone);
        CHECK_FALSE(head.fields.contains(gone));
    }
    CHECK(head.fields.get("X-Kept") == "3");
}

TEST_CASE("forwarding: a client can't have what was added taken out") {
    const RequestHead head = forwarded(HttpFields{
        {"Connection", "Host, Via, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Content-Length, Authorization, Accept-Encoding"},
        {"Host", "front"},
        {"Accept", "text/event-stream"},
        {"Authorization", "secret"},
        {"Content-Length", "3"}});
    CHECK(head.fields.get("Host") == "up.example:8080");
    CHECK(head.fields.get("Via") == "1.1 rejoin");
    CHECK(head.fields.get("X-Forwarded-For") == "192.0.2.7");
    CHECK(head.fields.get("X-Forwarded-Proto") == "http");
    CHECK(head.fields.get("X-Forwarded-Host") == "front");
    CHECK(head.fields.get("Accept-Encoding") == "identity");
    CHECK(head.fields.get("Authorization") == "secret");
    CHECK(head.fields.get("Content-Length") == "3");
}

TEST_CASE("forwarding: the body's framing is kept") {
    const RequestHead chunked = forwarded(HttpFields{{"Transfer-Encoding", "Chunked"}}, "POST");
    CHECK(values(chunked.fields, "Transfer-Encoding") == Values{"chunked"});
    CHECK_FALSE(chunked.fields.contains("Content-Length"));

    const RequestHead named = forwarded(HttpFields{{"Transfer-Encoding", "chunked"}, {"Connection", "Transfer-Encoding"}}, "POST");
    CHECK(values(named.fields, "Transfer-Encoding") == Values{"chunked"});

    const RequestHead sized = forwarded(HttpFields{{"Content-Length", "0"}}, "POST");
    CHECK(values(sized.fields, "Content-Length") == Values{"0"});
    CHECK_FALSE(sized.fields.contains("Transfer-Encoding"));

    const RequestHead bare = forwarded(HttpFields{});
    CHECK_FALSE(bare.fields.contains("Content-Length"));
    CHECK_FALSE(bare.fields.contains("Transfer-Encoding"));
}

TEST_CASE("forwarding: X-Forwarded-For grows by one hop") {
    CHECK(values(forwarded(HttpFields{}).fields, "X-Forwarded-For") == Values{"192.0.2.7"});
    CHECK(values(forwarded(HttpFields{{"x-forwarded-for", "10.1.1.1"}}).fields, "X-Forwarded-For") == Values{"10.1.1.1, 192.0.2.7"});
    // Several lines are one list (RFC 9110 5.3): none may be lost.
    const RequestHead many = forwarded(HttpFields{{"X-Forwarded-For", "10.1.1.1, 10.2.2.2"}, {"A", "b"}, {"X-Forwarded-For", "10.3.3.3"}});
    CHECK(values(many.fields, "X-Forwarded-For") == Values{"10.1.1.1, 10.2.2.2, 10.3.3.3, 192.0.2.7"});
    CHECK(values(forwarded(HttpFields{{"X-Forwarded-For", ""}}).fields, "X-Forwarded-For") == Values{"192.0.2.7"});

    const ForwardingContext unknown{"", "http"};
    CHECK_FALSE(forwarded(request({}), unknown).fields.contains("X-Forwarded-For"));
    CHECK(forwarded(request({{"X-Forwarded-For", "10.1.1.1"}}), unknown).fields.get("X-Forwarded-For") == "10.1.1.1");
}

TEST_CASE("forwarding: host and scheme that the client used") {
    const RequestHead first = forwarded(request({{"Host", "front.example:81"}}), {"192.0.2.7", "https"});
    CHECK(values(first.fields, "X-Forwarded-Host") == Values{"front.example:81"});
    CHECK(values(first.fields, "X-Forwarded-Proto") == Values{"https"});

    // What a proxy before this one said is nearer to the truth.
    const RequestHead second = forwarded(HttpFields{{"Host", "middle"}, {"X-Forwarded-Host", "front"}, {"X-Forwarded-Proto", "https"}});
    CHECK(values(second.fields, "X-Forwarded-Host") == Values{"front"});
    CHECK(values(second.fields, "X-Forwarded-Proto") == Values{"https"});

    CHECK_FALSE(forwarded(HttpFields{}).fields.contains("X-Forwarded-Host"));
}

TEST_CASE("forwarding: Via names the protocol the message came with") {
    CHECK(values(forwarded(request({})).fields, "Via") == Values{"1.1 rejoin"});
    CHECK(values(forwarded(request({}, "GET", 0)).fields, "Via") == Values{"1.0 rejoin"});
    CHECK(values(forwarded(HttpFields{{"Via", "1.0 fred"}}).fields, "via") == Values{"1.0 fred", "1.1 rejoin"});
    CHECK(values(client_response(response({{"Via", "1.1 origin"}}), false).fields, "Via") == Values{"1.1 origin", "1.1 rejoin"});
    CHECK(values(client_response(response({}, 200, 0), false).fields, "Via") == Values{"1.0 rejoin"});
}

TEST_CASE("forwarding: no content coding where the answer may be a stream") {
    const auto coding = [](HttpFields fields, std::string method = "GET") {
        fields.add("Accept-Encoding", "gzip");
        fields.add("accept-encoding", "br");
        return values(forwarded(std::move(fields), std::move(method)).fields, "Accept-Encoding");
    };
    const Values identity{"identity"};
    const Values as_sent{"gzip", "br"};
    CHECK(coding({{"Accept", "text/event-stream"}}) == identity);
    CHECK(coding({{"Accept", "application/json, text/event-stream"}}) == identity);
    CHECK(coding({{"Accept", "Text/Event-Stream;q=0.9"}}) == identity);
    CHECK(coding({{"Accept", "application/json"}, {"Accept", "text/event-stream"}}) == identity);
    CHECK(coding({{"accept", "application/json;q=1 , text/event-stream ; q=0.5"}}) == identity);
    CHECK(coding({{"Accept", "application/json"}}, "POST") == identity);  // clients of language models ask so for streams
    CHECK(coding({}, "POST") == identity);
    CHECK(coding({{"Accept", "text/html"}}) == as_sent);
    CHECK(coding({{"Accept", "*/*"}}) == as_sent);
    CHECK(coding({{"Accept", "text/event-streamx"}}) == as_sent);
    CHECK(coding({}) == as_sent);
    CHECK_FALSE(forwarded(HttpFields{{"Accept", "text/html"}}).fields.contains("Accept-Encoding"));
    CHECK(forwarded(HttpFields{{"Accept", "text/event-stream"}}).fields.get("Accept-Encoding") == "identity");
}

// --- regular responses ---

TEST_CASE("forwarding: a regular response goes on as it is") {
    ResponseHead upstream = response({{"Content-Type", "text/html"},
                                      {"Content-Length", "12"},
                                      {"Content-Encoding", "gzip"},
                                      {"Set-Cookie", "a=1"},
                                      {"Set-Cookie", "b=2"},
                                      {"ETag", "\"x\""},
                                      {"Cache-Control", "no-transform"},
                                      {"X-Accel-Buffering", "no"}},
                                     203);
    upstream.reason = "Quite";
    const ResponseHead head = client_response(upstream, false);
    CHECK(head.status == 203);
    CHECK(head.reason == "Quite");
    CHECK(head.minor == 1);
    CHECK(values(head.fields, "Set-Cookie") == Values{"a=1", "b=2"});
    CHECK(head.fields.size() == upstream.fields.size() + 1);
    for (const auto& field : upstream.fields) {
        CAPTURE(field.name);
        CHECK(head.fields.contains(field.name));
    }
    CHECK(head.fields.get("Content-Length") == "12");
    CHECK_FALSE(head.fields.contains("Transfer-Encoding"));
}

TEST_CASE("forwarding: what belongs to the upstream's connection stays there") {
    const ResponseHead head = client_response(response({{"Connection", "close, X-Mine"},
                                                        {"Keep-Alive", "timeout=5"},
                                                        {"Proxy-Authenticate", "Basic"},
                                                        {"Transfer-Encoding", "chunked"},
                                                        {"Trailer", "X"},
                                                        {"Upgrade", "h2c"},
                                                        {"X-Mine", "1"},
                                                        {"X-Kept", "2"}}),
                                              false);
    CHECK(head.fields == HttpFields{{"X-Kept", "2"}, {"Via", "1.1 rejoin"}});
}

TEST_CASE("forwarding: a body in chunks has no length") {
    const ResponseHead head = client_response(response({{"Content-Length", "12"}, {"Transfer-Encoding", "chunked"}}), true);
    CHECK(values(head.fields, "Transfer-Encoding") == Values{"chunked"});
    CHECK_FALSE(head.fields.contains("Content-Length"));
}

TEST_CASE("forwarding: the length of a body that is not sent is kept") {
    CHECK(client_response(response({{"Content-Length", "12"}}, 304), false).fields.get("Content-Length") == "12");
    CHECK_FALSE(client_response(response({}, 204), false).fields.contains("Content-Length"));
}

// --- streams ---

TEST_CASE("forwarding: the head of a stream held open before its upstream answered") {
    const ResponseHead head = stream_response(nullptr, true);
    CHECK(head.status == 200);
    CHECK(head.fields == HttpFields{{"Content-Type", "text/event-stream"},
                                    {"Via", "1.1 rejoin"},
                                    {"Cache-Control", "no-cache, no-transform"},
                                    {"X-Accel-Buffering", "no"},
                                    {"Transfer-Encoding", "chunked"}});
    CHECK_FALSE(stream_response(nullptr, false).fields.contains("Transfer-Encoding"));
}

TEST_CASE("forwarding: the head of a stream has the upstream's end-to-end fields") {
    const ResponseHead upstream = response({{"Content-Type", "text/event-stream;charset=UTF-8"},
                                            {"Cache-Control", "max-age=60"},
                                            {"Cache-Control", "public"},
                                            {"X-Accel-Buffering", "yes"},
                                            {"Content-Length", "100"},
                                            {"Content-Encoding", "identity"},
                                            {"Accept-Ranges", "bytes"},
                                            {"ETag", "\"x\""},
                                            {"Last-Modified", "Thu, 01 Jan 1970 00:00:00 GMT"},
                                            {"SSE-Resume", "exact"},
                                            {"Connection", "keep-alive, X-Mine"},
                                            {"Keep-Alive", "timeout=5"},
                                            {"Transfer-Encoding", "chunked"},
                                            {"X-Mine", "1"},
                                            {"Mcp-Session-Id", "m"},
                                            {"Access-Control-Allow-Origin", "*"}});
    for (const bool chunked : {true, false}) {
        CAPTURE(chunked);
        const ResponseHead head = stream_response(&upstream, chunked);
        CHECK(head.status == 200);
        CHECK(values(head.fields, "Content-Type") == Values{"text/event-stream;charset=UTF-8"});
        CHECK(values(head.fields, "Cache-Control") == Values{"no-cache, no-transform"});
        CHECK(values(head.fields, "X-Accel-Buffering") == Values{"no"});
        CHECK(values(head.fields, "Transfer-Encoding") == (chunked ? Values{"chunked"} : Values{}));
        CHECK(values(head.fields, "Via") == Values{"1.1 rejoin"});
        CHECK(head.fields.get("Mcp-Session-Id") == "m");
        CHECK(head.fields.get("Access-Control-Allow-Origin") == "*");
        for (const char* gone : {"Content-Length", "Content-Encoding", "Accept-Ranges", "ETag", "Last-Modified", "SSE-Resume",
                                 "Connection", "Keep-Alive", "X-Mine"}) {
            CAPTURE(gone);
            CHECK_FALSE(head.fields.contains(gone));
        }
        std::string wire;
        CHECK_FALSE(write_head(wire, head));
    }
}

TEST_CASE("forwarding: a refusal met while resuming does not show in a stream's head") {
    // For an EventSource another content type is the end for good.
    const ResponseHead refusal = response({{"Content-Type", "text/html"}, {"Retry-After", "5"}, {"Set-Cookie", "a"}}, 503);
    CHECK(stream_response(&refusal, true) == stream_response(nullptr, true));
    CHECK(stream_response(&refusal, true, true) == stream_response(nullptr, true));
    const ResponseHead typed = response({{"Content-Type", "text/event-stream"}, {"Retry-After", "5"}}, 503);
    CHECK(stream_response(&typed, true) == stream_response(nullptr, true));
    const ResponseHead untyped = response({{"X-Error", "1"}});
    CHECK(stream_response(&untyped, true) == stream_response(nullptr, true));
}

TEST_CASE("forwarding: cookies are for the client they were set for") {
    const ResponseHead upstream = response({{"Content-Type", "text/event-stream"}, {"Set-Cookie", "session=1"}, {"set-cookie", "b=2"}});
    CHECK(values(stream_response(&upstream, true, true).fields, "Set-Cookie") == Values{"session=1", "b=2"});
    CHECK_FALSE(stream_response(&upstream, true, false).fields.contains("Set-Cookie"));
    CHECK_FALSE(stream_response(&upstream, true).fields.contains("Set-Cookie"));
}
