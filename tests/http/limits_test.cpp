#include <cstddef>
#include <string>
#include <string_view>

#include <rejoin/http/parser.hpp>

#include "http/transcript.hpp"
#include "support/catch.hpp"

using rejoin::Error;
using rejoin::HttpLimits;
using rejoin::HttpStep;
using rejoin::RequestParser;
using rejoin::ResponseParser;

namespace {

// What becomes of the bytes: the same whole, byte by byte and at every cut.
template <class Parser>
std::string verdict(std::string_view bytes, const HttpLimits& limits) {
    const std::string all = transcript::any_split(bytes, Parser{limits});
    const std::size_t at = all.rfind("error: ");
    return at == std::string::npos ? "" : all.substr(at + 7, all.size() - at - 8);
}

const std::string header_error = make_error_code(Error::header_too_large).message();
const std::string target_error = make_error_code(Error::target_too_long).message();

}  // namespace

TEST_CASE("header bytes at the bound") {
    const std::string request = "\r\nGET / HTTP/1.1\r\nHost: h\r\nA: bcd\r\n\r\n";
    HttpLimits limits;
    limits.header_bytes = request.size();
    CHECK(verdict<RequestParser>(request, limits) == "");
    CHECK(verdict<RequestParser>(request + request, limits) == "");
    limits.header_bytes = request.size() - 1;
    CHECK(verdict<RequestParser>(request, limits) == header_error);
    limits.header_bytes = 0;
    CHECK(verdict<RequestParser>(request, limits) == "");

    const std::string response = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    limits.header_bytes = response.size();
    CHECK(verdict<ResponseParser>(response + "hello", limits) == "");
    limits.header_bytes = response.size() - 1;
    CHECK(verdict<ResponseParser>(response + "hello", limits) == header_error);
}

TEST_CASE("header bytes include the trailers but not the chunks") {
    const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    const std::string trailer = "T: v\r\n\r\n";
    const std::string bytes = head + "5\r\nhello\r\n0\r\n" + trailer;
    HttpLimits limits;
    limits.header_bytes = head.size() + trailer.size();
    CHECK(verdict<ResponseParser>(bytes, limits) == "");
    limits.header_bytes -= 1;
    CHECK(verdict<ResponseParser>(bytes, limits) == header_error);
    limits.header_bytes = head.size() + 1;
    CHECK(verdict<ResponseParser>(head + "0\r\n\r\n", limits) == header_error);
}

TEST_CASE("header count at the bound, trailers included") {
    const std::string bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n0\r\nC: d\r\n\r\n";
    HttpLimits limits;
    limits.header_count = 3;
    CHECK(verdict<ResponseParser>(bytes, limits) == "");
    limits.header_count = 2;
    CHECK(verdict<ResponseParser>(bytes, limits) == header_error);
    limits.header_count = 1;
    CHECK(verdict<ResponseParser>(bytes, limits) == header_error);
    limits.header_count = 0;
    CHECK(verdict<ResponseParser>(bytes, limits) == "");
}

TEST_CASE("request target at the bound") {
    HttpLimits limits;
    limits.target = 5;
    CHECK(verdict<RequestParser>("GET /1234 HTTP/1.1\r\nHost: h\r\n\r\n", limits) == "");
    CHECK(verdict<RequestParser>("GET /12345 HTTP/1.1\r\nHost: h\r\n\r\n", limits) == target_error);
    limits.target = 0;
    CHECK(verdict<RequestParser>("GET /12345 HTTP/1.1\r\nHost: h\r\n\r\n", limits) == "");
}

TEST_CASE("chunk-size line at the bound") {
    const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    HttpLimits limits;
    limits.chunk_line = 6;
    CHECK(verdict<ResponseParser>(head + "5;a=bc\r\nhello\r\n000000\r\n\r\n", limits) == "");
    CHECK(verdict<ResponseParser>(head + "5;a=bcd\r\nhello\r\n0\r\n\r\n", limits) == "bad");
    CHECK(verdict<ResponseParser>(head + "5\r\nhello\r\n0000000\r\n\r\n", limits) == "bad");
    limits.chunk_line = 0;
    CHECK(verdict<ResponseParser>(head + "5;a=bcd\r\nhello\r\n0000000\r\n\r\n", limits) == "");
}

TEST_CASE("the defaults at their bounds") {
    const auto request = [](std::size_t target, std::size_t fields, std::size_t total) {
        std::string bytes = "GET /" + std::string(target - 1, 'x') + " HTTP/1.1\r\nHost: h\r\n";
        for (std::size_t i = 1; i < fields; ++i) bytes += "A: b\r\n";
        const std::string_view pad = "P: ";
        const std::size_t rest = pad.size() + 4;
        const std::size_t size = bytes.size() + rest;
        if (total > size) bytes.append(pad).append(total - size, 'p').append("\r\n");
        return bytes + "\r\n";
    };
    const auto fate = [](std::string_view bytes) {
        RequestParser parser;
        const HttpStep step = parser.parse(bytes);
        return step == HttpStep::head ? std::error_code{} : parser.error();
    };
    CHECK(request(1, 1, 32768).size() == 32768);
    CHECK_FALSE(fate(request(1, 1, 32768)));
    CHECK(fate(request(1, 1, 32769)) == Error::header_too_large);
    CHECK_FALSE(fate(request(1, 100, 0)));
    CHECK(fate(request(1, 101, 0)) == Error::header_too_large);
    CHECK_FALSE(fate(request(8192, 1, 0)));
    CHECK(fate(request(8193, 1, 0)) == Error::target_too_long);
}

TEST_CASE("endless sections end") {
    const auto endless = [](auto parser, std::string_view start, std::string_view more) {
        HttpStep step = HttpStep::need_more;
        const auto feed = [&](std::string_view input) {
            while (step = parser.parse(input), step == HttpStep::head || step == HttpStep::body) {}
        };
        feed(start);
        CHECK(step == HttpStep::need_more);
        std::size_t fed = 0;
        for (; fed < 100'000 && step == HttpStep::need_more; fed += more.size()) feed(more);
        CHECK(step == HttpStep::error);
        CAPTURE(start, more);
        CHECK(fed < 40'000);
        return parser.error();
    };
    CHECK(endless(RequestParser{}, "", "G") == Error::bad_message);
    CHECK(endless(RequestParser{}, "", "\r\n") == Error::header_too_large);
    CHECK(endless(ResponseParser{}, "", "\r\n") == Error::header_too_large);
    CHECK(endless(ResponseParser{}, "HTTP/1.1 200 OK\r\n", "A: b\r\n") == Error::header_too_large);
    CHECK(endless(ResponseParser{}, "HTTP/1.1 200 OK\r\nA: ", "b") == Error::header_too_large);
    CHECK(endless(ResponseParser{}, "HTTP/1.1 200 OK\r\n", "A") == Error::header_too_large);
    CHECK(endless(ResponseParser{}, "HTTP/1.1 200 ", "A") == Error::header_too_large);
    CHECK(endless(RequestParser{}, "GET /", "a") == Error::target_too_long);
    const std::string_view chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    CHECK(endless(ResponseParser{}, chunked, "0") == Error::bad_message);
    CHECK(endless(ResponseParser{}, std::string{chunked} + "1;", "a") == Error::bad_message);
    CHECK(endless(ResponseParser{}, std::string{chunked} + "0\r\n", "A: b\r\n") == Error::header_too_large);
}
