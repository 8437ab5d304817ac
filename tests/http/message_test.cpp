#include <string>
#include <string_view>

#include <rejoin/error.hpp>
#include <rejoin/http/chunk.hpp>
#include <rejoin/http/media_type.hpp>
#include <rejoin/http/message.hpp>
#include <rejoin/http/parser.hpp>

#include "support/catch.hpp"

using rejoin::Error;
using rejoin::HttpStep;
using rejoin::RequestHead;
using rejoin::ResponseHead;
using rejoin::write_head;

TEST_CASE("heads are written with exactly what is in them") {
    std::string out = "x";
    RequestHead request;
    CHECK_FALSE(write_head(out, request));
    CHECK(out == "xGET / HTTP/1.1\r\n\r\n");
    out.clear();
    request = {
        .method = "POST", .target = "/a?b", .minor = 0, .fields = {{"Host", "h"}, {"X", ""}, {"x", "\xC3\xA9 \t y"}}};
    CHECK_FALSE(write_head(out, request));
    CHECK(out == "POST /a?b HTTP/1.0\r\nHost: h\r\nX: \r\nx: \xC3\xA9 \t y\r\n\r\n");
    out.clear();
    CHECK_FALSE(write_head(out, ResponseHead{.status = 404, .reason = {}, .minor = 1, .fields = {{"A", "b"}}}));
    CHECK(out == "HTTP/1.1 404 Not Found\r\nA: b\r\n\r\n");
    out.clear();
    CHECK_FALSE(write_head(out, ResponseHead{.status = 299, .reason = "", .minor = 1, .fields = {}}));
    CHECK(out == "HTTP/1.1 299 \r\n\r\n");
    out.clear();
    CHECK_FALSE(write_head(out, ResponseHead{.status = 200, .reason = "Fine by me", .minor = 0, .fields = {}}));
    CHECK(out == "HTTP/1.0 200 Fine by me\r\n\r\n");
}

TEST_CASE("a head that could be taken for something else is not written") {
    std::string out = "kept";
    const auto refused = [&](const auto& head) {
        const std::error_code error = write_head(out, head);
        return error == Error::invalid_head && out == "kept";
    };
    const std::string nul(1, '\0');
    for (const std::string& text : {std::string{"a\r\nb"}, std::string{"a\rb"}, std::string{"a\nb"}, "a" + nul + "b",
                                    std::string{"a\x01"}, std::string{"a\x7F"}}) {
        CAPTURE(text);
        CHECK(refused(RequestHead{.method = text, .target = "/", .minor = 1, .fields = {}}));
        CHECK(refused(RequestHead{.method = "GET", .target = "/" + text, .minor = 1, .fields = {}}));
        CHECK(refused(RequestHead{.method = "GET", .target = "/", .minor = 1, .fields = {{"A", "b"}, {text, "b"}}}));
        CHECK(refused(RequestHead{.method = "GET", .target = "/", .minor = 1, .fields = {{"A", "b"}, {"C", text}}}));
        CHECK(refused(ResponseHead{.status = 200, .reason = text, .minor = 1, .fields = {}}));
        CHECK(refused(ResponseHead{.status = 200, .reason = "", .minor = 1, .fields = {{text, "b"}}}));
        CHECK(refused(ResponseHead{.status = 200, .reason = "", .minor = 1, .fields = {{"A", text}}}));
    }
    for (const std::string_view name : {"", "A ", " A", "A:", "A b", "\xC3\xA9", "A\t"}) {
        CHECK(refused(ResponseHead{.status = 200, .reason = "", .minor = 1, .fields = {{std::string{name}, "b"}}}));
    }
    for (const std::string_view target : {"", "/a b", "/#", "/\xC3\xA9", " /"}) {
        CHECK(refused(RequestHead{.method = "GET", .target = std::string{target}, .minor = 1, .fields = {}}));
    }
    CHECK(refused(RequestHead{.method = "", .target = "/", .minor = 1, .fields = {}}));
    CHECK(refused(RequestHead{.method = "GET", .target = "/", .minor = 2, .fields = {}}));
    CHECK(refused(ResponseHead{.status = 99, .reason = "", .minor = 1, .fields = {}}));
    CHECK(refused(ResponseHead{.status = 600, .reason = "", .minor = 1, .fields = {}}));
    CHECK(refused(ResponseHead{.status = 200, .reason = "", .minor = -1, .fields = {}}));
}

TEST_CASE("what is written is read back as it was") {
    const RequestHead request{.method = "PUT",
                              .target = "/x?y=%0D%0A",
                              .minor = 1,
                              .fields = {{"Host", "h:1"}, {"A", "b  c"}, {"a", ""}, {"Last-Event-ID", "\xE2\x80\xA6"}}};
    std::string wire;
    REQUIRE_FALSE(write_head(wire, request));
    rejoin::RequestParser parser;
    std::string_view input = wire;
    REQUIRE(parser.parse(input) == HttpStep::head);
    CHECK(parser.head() == request);

    const ResponseHead response{
        .status = 503, .reason = "Later", .minor = 0, .fields = {{"Retry-After", "1"}, {"B", "c"}}};
    wire.clear();
    REQUIRE_FALSE(write_head(wire, response));
    rejoin::ResponseParser responses;
    input = wire;
    REQUIRE(responses.parse(input) == HttpStep::head);
    CHECK(responses.head() == response);
}

TEST_CASE("which methods may be sent twice") {
    for (const std::string_view method : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})
        CHECK(rejoin::is_idempotent(method));
    for (const std::string_view method : {"POST", "PATCH", "CONNECT", "get", "", "FROB"})
        CHECK_FALSE(rejoin::is_idempotent(method));
}

TEST_CASE("chunks") {
    std::string out;
    rejoin::append_chunk(out, "hello");
    rejoin::append_chunk(out, "");
    rejoin::append_chunk(out, std::string(255, 'x'));
    out += rejoin::last_chunk;
    CHECK(out == "5\r\nhello\r\nff\r\n" + std::string(255, 'x') + "\r\n0\r\n\r\n");

    CHECK(rejoin::ChunkFraming{1}.head() == "1\r\n");
    CHECK(rejoin::ChunkFraming{1}.tail() == "\r\n");
    CHECK(rejoin::ChunkFraming{0x10}.head() == "10\r\n");
    CHECK(rejoin::ChunkFraming{0xFFFFFFFFFFFFFFFF}.head() == "ffffffffffffffff\r\n");
    CHECK(rejoin::ChunkFraming{0}.head().empty());
    CHECK(rejoin::ChunkFraming{0}.tail().empty());
}

TEST_CASE("event streams by their media type") {
    for (const std::string_view type :
         {"text/event-stream", "TEXT/Event-Stream", " text/event-stream\t", "text/event-stream;charset=utf-8",
          "text/event-stream ; charset=x; a=\"b,c\"", "text/event-stream;"}) {
        CAPTURE(type);
        CHECK(rejoin::is_event_stream(type));
    }
    for (const std::string_view type :
         {"", "text/event-streamx", "text/event", "xtext/event-stream", "text/html", "text/event-stream, text/html",
          "text/html;text/event-stream", "text /event-stream", "\"text/event-stream\"", "text/event-stream text/html",
          ";"}) {
        CAPTURE(type);
        CHECK_FALSE(rejoin::is_event_stream(type));
    }
    CHECK(rejoin::media_type_essence(" Application/JSON ; q=1") == "Application/JSON");
}
