#include <string>
#include <string_view>

#include <rejoin/http/parser.hpp>

#include "http/transcript.hpp"
#include "support/catch.hpp"

using rejoin::HttpStep;
using rejoin::RequestParser;

namespace {

std::string requests(std::string_view bytes) { return transcript::any_split<RequestParser>(bytes); }

std::string line(std::string_view text) { return requests(std::string{text} + "\r\nHost: h\r\n\r\n"); }

const std::string bad = "error: bad\n";

}  // namespace

TEST_CASE("requests by the framing of their body") {
    CHECK(requests("GET /a?b=%20 HTTP/1.1\r\nHost: h\r\n\r\n") ==
          "head: GET /a?b=%20 1.1 [Host=h] none keep\ncomplete\nclean\n");
    CHECK(requests("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello") ==
          "head: POST / 1.1 [Host=h] [Content-Length=5] length keep\nbody: hello\ncomplete\nclean\n");
    CHECK(requests("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n") ==
          "head: POST / 1.1 [Host=h] [Content-Length=0] length keep\ncomplete\nclean\n");
    CHECK(requests("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nT: v\r\n\r\n") ==
          "head: POST / 1.1 [Host=h] [Transfer-Encoding=chunked] chunked keep\nbody: hello\ncomplete\nclean\n");
    CHECK(requests("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi") ==
          "head: GET / 1.1 [Host=h] [Content-Length=2] length keep\nbody: hi\ncomplete\nclean\n");
    CHECK(requests("GET / HTTP/1.0\r\n\r\n") == "head: GET / 1.0 none close\ncomplete\nclean\n");
    CHECK(requests("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n") ==
          "head: GET / 1.0 [Connection=keep-alive] none keep\ncomplete\nclean\n");
    CHECK(requests("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n") ==
          "head: GET / 1.1 [Host=h] [Connection=close] none close\ncomplete\nclean\n");
}

TEST_CASE("pipelined requests come one by one") {
    CHECK(
        requests("\r\nGET /1 HTTP/1.1\r\nHost: h\r\n\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"
                 "POST /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nGET /4 "
                 "HTTP/1.0\r\n\r\n") ==
        "head: GET /1 1.1 [Host=h] none keep\ncomplete\n"
        "head: POST /2 1.1 [Host=h] [Content-Length=2] length keep\nbody: hi\ncomplete\n"
        "head: POST /3 1.1 [Host=h] [Transfer-Encoding=chunked] chunked keep\nbody: a\ncomplete\n"
        "head: GET /4 1.0 none close\ncomplete\nclean\n");
}

TEST_CASE("nothing of the next request is consumed before reset") {
    RequestParser parser;
    std::string_view input = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n";
    REQUIRE(parser.parse(input) == HttpStep::head);
    const std::string_view rest = input;
    CHECK(rest.starts_with("GET /2"));
    CHECK(parser.parse(input) == HttpStep::complete);
    CHECK(parser.parse(input) == HttpStep::need_more);
    CHECK(input == rest);
    CHECK(parser.head().target == "/1");
    parser.reset();
    CHECK(parser.parse(input) == HttpStep::head);
    CHECK(parser.head().target == "/2");
}

TEST_CASE("target forms are kept as they are") {
    CHECK(line("GET http://other:81/x?y HTTP/1.1") ==
          "head: GET http://other:81/x?y 1.1 [Host=h] none keep\ncomplete\nclean\n");
    CHECK(line("OPTIONS * HTTP/1.1") == "head: OPTIONS * 1.1 [Host=h] none keep\ncomplete\nclean\n");
    CHECK(line("GET /%7e/../a//b;c?d?e HTTP/1.1") ==
          "head: GET /%7e/../a//b;c?d?e 1.1 [Host=h] none keep\ncomplete\nclean\n");
    CHECK(line("GET * HTTP/1.1") == bad);
    CHECK(line("OPTIONS *x HTTP/1.1") == bad);
}

TEST_CASE("malformed request lines are refused") {
    for (const std::string_view text : {"GET /",
                                        "GET / ",
                                        "GET  / HTTP/1.1",
                                        "GET /  HTTP/1.1",
                                        "GET\t/ HTTP/1.1",
                                        "GET / HTTP/1.1 ",
                                        "GET / HTTP/1.2",
                                        "GET / HTTP/2.0",
                                        "GET / HTTP/0.9",
                                        "GET / http/1.1",
                                        "GET / HTTP/1",
                                        "GET / HTTP/1.10",
                                        "GET / HTTP",
                                        "GET",
                                        "GET /a b HTTP/1.1",
                                        "GET /a\tb HTTP/1.1",
                                        "GET /\x01 HTTP/1.1",
                                        "GET /\x7F HTTP/1.1",
                                        "GET /\xC3\xA9 HTTP/1.1",
                                        "GET /a#b HTTP/1.1",
                                        "GET a HTTP/1.1",
                                        " GET / HTTP/1.1",
                                        "get / HTTP/1.1",
                                        "FROB / HTTP/1.1",
                                        "G@T / HTTP/1.1",
                                        "GET / RTSP/1.0",
                                        "SOURCE / ICE/1.0",
                                        "PRI * HTTP/2.0",
                                        "DESCRIBE / HTTP/1.1",
                                        "\x16\x03\x01\x02",
                                        "/ HTTP/1.1"}) {
        CHECK(line(text) == bad);
    }
    CHECK(requests("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == bad);
    CHECK(requests("GET /\r\n") == bad);
    CHECK(requests("GET / HTTP/1.1\nHost: h\n\n") == bad);
}

TEST_CASE("Host is there once and is a host") {
    CHECK(requests("GET / HTTP/1.1\r\n\r\n") == bad);
    CHECK(requests("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n") == bad);
    CHECK(requests("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n") == bad);
    CHECK(requests("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n") == bad);
    CHECK(requests("GET / HTTP/1.1\r\nHost : a\r\n\r\n") == bad);
    for (const std::string_view host : {"a b", "a/b", "u@a", "a?b", "a#b", "a\\b", "\"a\"", "a\xC3\xA9", "a<b"}) {
        CHECK(requests("GET / HTTP/1.1\r\nHost: " + std::string{host} + "\r\n\r\n") == bad);
    }
    for (const std::string_view host : {"", "a", "A.b-c_d:80", "[::1]:80", "127.0.0.1", "xn--a.b"}) {
        CHECK(requests("GET / HTTP/1.1\r\nHost: " + std::string{host} + "\r\n\r\n") ==
              "head: GET / 1.1 [Host=" + std::string{host} + "] none keep\ncomplete\nclean\n");
    }
}

TEST_CASE("requests that could be read in two ways are refused") {
    for (const std::string_view lines :
         {"Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
          "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "Transfer-Encoding: gzip, chunked\r\n",
          "Transfer-Encoding: chunked, gzip\r\n", "Transfer-Encoding: identity\r\n", "Transfer-Encoding: xchunked\r\n",
          "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding:\r\n chunked\r\n",
          "Transfer-Encoding : chunked\r\n", "Transfer-Encoding\t: chunked\r\n",
          "Transfer-Encoding: chunked\r\n a: b\r\n",
          "Transfer-Encoding: \x0B"
          "chunked\r\n",
          "X: y\nTransfer-Encoding: chunked\r\n", "Content-Length: 5, 5\r\n", "X: y\rTransfer-Encoding: chunked\r\n",
          "Content-Length: 0x5\r\n", "Content-Length: 5\r\n\tX: y\r\n"}) {
        CHECK(requests(std::string{"POST / HTTP/1.1\r\nHost: h\r\n"}.append(lines).append("\r\n")) == bad);
    }
    CHECK(requests("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") == bad);
}

TEST_CASE("an upgrade is not one, and CONNECT has no body") {
    const std::string_view upgrade =
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET /2 HTTP/1.0\r\n\r\n";
    CHECK(requests(upgrade) ==
          "head: GET / 1.1 [Host=h] [Connection=Upgrade] [Upgrade=websocket] none keep\ncomplete\n"
          "head: GET /2 1.0 none close\ncomplete\nclean\n");
    CHECK(requests("POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: "
                   "2\r\n\r\nhiGET /2 HTTP/1.0\r\n\r\n") ==
          "head: POST / 1.1 [Host=h] [Connection=Upgrade] [Upgrade=h2c] [Content-Length=2] length keep\nbody: "
          "hi\ncomplete\n"
          "head: GET /2 1.0 none close\ncomplete\nclean\n");
    CHECK(requests(
              "POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n"
              "2\r\nhi\r\n0\r\n\r\nGET /2 HTTP/1.0\r\n\r\n") ==
          "head: POST / 1.1 [Host=h] [Connection=Upgrade] [Upgrade=h2c] [Transfer-Encoding=chunked] chunked "
          "keep\nbody: hi\n"
          "complete\nhead: GET /2 1.0 none close\ncomplete\nclean\n");
    CHECK(line("CONNECT a:443 HTTP/1.1") == "head: CONNECT a:443 1.1 [Host=h] none close\ncomplete\nclean\n");
    CHECK(line("CONNECT /x HTTP/1.1") == bad);
    CHECK(requests("CONNECT a:443 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello") == bad);
    CHECK(requests("CONNECT a:443 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") == bad);
}

TEST_CASE("a request that ends early is truncated") {
    const std::string bytes = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
        CAPTURE(cut);
        CHECK(requests(std::string_view{bytes}.substr(0, cut)).ends_with("error: truncated\n"));
    }
    CHECK(requests("") == "clean\n");
}
