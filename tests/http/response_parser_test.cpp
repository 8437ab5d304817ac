#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include <rejoin/http/parser.hpp>

#include "http/transcript.hpp"
#include "support/catch.hpp"

using rejoin::Error;
using rejoin::HttpFraming;
using rejoin::HttpStep;
using rejoin::ResponseParser;

namespace {

std::string responses(std::string_view bytes) { return transcript::any_split<ResponseParser>(bytes); }

// A response in which only the field lines vary.
std::string with_fields(std::string_view lines) {
    return responses(std::string{"HTTP/1.1 200 OK\r\n"}.append(lines).append("\r\n"));
}

const std::string bad = "error: bad\n";

}  // namespace

TEST_CASE("responses by the framing of their body") {
    CHECK(responses("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello") ==
          "head: 200 'OK' 1.1 [Content-Length=5] length keep\nbody: hello\ncomplete\nclean\n");
    CHECK(responses("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") ==
          "head: 200 'OK' 1.1 [Content-Length=0] length keep\ncomplete\nclean\n");
    CHECK(
        responses("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA\r\n, world..\n\r\n0\r\n\r\n") ==
        "head: 200 'OK' 1.1 [Transfer-Encoding=chunked] chunked keep\nbody: hello, world..\n\ncomplete\nclean\n");
    CHECK(responses("HTTP/1.1 200 OK\r\nA: b\r\n\r\nhello") ==
          "head: 200 'OK' 1.1 [A=b] close close\nbody: hello\ncomplete\n");
    CHECK(responses("HTTP/1.1 200 OK\r\n\r\n") == "head: 200 'OK' 1.1 close close\ncomplete\n");
    CHECK(responses("HTTP/1.0 200 OK\r\n\r\nhello") == "head: 200 'OK' 1.0 close close\nbody: hello\ncomplete\n");
}

TEST_CASE("what is accepted in a response head") {
    CHECK(responses("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n") ==
          "head: 200 '' 1.1 [Content-Length=0] length keep\ncomplete\nclean\n");
    CHECK(responses("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n") ==
          "head: 200 '' 1.1 [Content-Length=0] length keep\ncomplete\nclean\n");
    CHECK(responses("\r\n\r\nHTTP/1.1 204 No\tCont\xC3\xA9nt\r\n\r\n") ==
          "head: 204 'No\tCont\xC3\xA9nt' 1.1 none keep\ncomplete\nclean\n");
    CHECK(responses("HTTP/1.1 599 x\r\nContent-Length: 0\r\n\r\n") ==
          "head: 599 'x' 1.1 [Content-Length=0] length keep\ncomplete\nclean\n");
    CHECK(responses("HTTP/1.1 204 x\r\nA:b\r\nB: \t c d\t \r\nC:\r\nD: \r\nA: again\r\nE: \xE2\x80\xA6\r\n\r\n") ==
          "head: 204 'x' 1.1 [A=b] [B=c d] [C=] [D=] [A=again] [E=\xE2\x80\xA6] none keep\ncomplete\nclean\n");
}

TEST_CASE("statuses outside 100..599 and malformed status lines are refused") {
    for (const std::string_view line : {"HTTP/1.1 99 x",
                                        "HTTP/1.1 099 x",
                                        "HTTP/1.1 600 x",
                                        "HTTP/1.1 999 x",
                                        "HTTP/1.1 0200 x",
                                        "HTTP/1.1 20 x",
                                        "HTTP/1.1 2000 x",
                                        "HTTP/1.1 2x0 x",
                                        "HTTP/1.1  200 x",
                                        "HTTP/1.1\t200 x",
                                        "HTTP/1.1 200\tx",
                                        "HTTP/1.1200 x",
                                        "HTTP/1.1",
                                        "HTTP/1.1 ",
                                        "HTTP/2.0 200 x",
                                        "HTTP/1.2 200 x",
                                        "HTTP/0.9 200 x",
                                        "HTTP/1 200 x",
                                        "HTTP/11 200 x",
                                        "http/1.1 200 x",
                                        "ICY 200 OK",
                                        "RTSP/1.0 200 OK",
                                        "hello",
                                        " HTTP/1.1 200 x",
                                        "HTTP/1.1 200 a\x01"
                                        "b",
                                        "HTTP/1.1 200 a\x7F",
                                        "HTTP/1.1 -20 x",
                                        "HTTP/1.1 +20 x"}) {
        CHECK(responses(std::string{line} + "\r\nContent-Length: 0\r\n\r\n") == bad);
    }
    CHECK(responses(std::string_view{"HTTP/1.1 200 a\0b\r\n\r\n", 20}) == bad);
}

TEST_CASE("malformed field lines are refused") {
    for (const std::string_view line :
         {"A : b", "A\t: b", " A: b", ": b", "A b: c", "A", "A\x01: b", "A(: b", "A: b\x01", "A: b\x7F", "A: b\x1B[2J",
          "\xC3\xA9: b", "Transfer-Encoding : chunked", "Content-Length : 5", "Connection: clo\x01se",
          "Connection: a\x0B"}) {
        CHECK(with_fields(std::string{line} + "\r\n") == bad);
    }
    CHECK(with_fields(std::string_view{"A: b\0c\r\n", 8}) == bad);
    CHECK(with_fields(std::string_view{"A\0: b\r\n", 7}) == bad);
}

TEST_CASE("folded lines are refused") {
    CHECK(with_fields("A: b\r\n c\r\n") == bad);
    CHECK(with_fields("A: b\r\n\tc\r\n") == bad);
    CHECK(with_fields("A:\r\n b\r\n") == bad);
    CHECK(with_fields("Transfer-Encoding:\r\n chunked\r\n") == bad);
    CHECK(with_fields("Transfer-Encoding: chunked\r\n , foo\r\n") == bad);
    CHECK(with_fields("Content-Length: 1\r\n 0\r\n") == bad);
    CHECK(with_fields(" A: b\r\n") == bad);
    CHECK(with_fields("A: b\r\n \r\n") == bad);
}

TEST_CASE("line ends other than CRLF are refused") {
    CHECK(responses("HTTP/1.1 204 x\n\r\n") == bad);
    CHECK(responses("HTTP/1.1 204 x\r\n\n") == bad);
    CHECK(responses("HTTP/1.1 204 x\n\n") == bad);
    CHECK(responses("HTTP/1.1 204 x\r\r\n\r\n") == bad);
    CHECK(responses("HTTP/1.1 204\n\r\n") == bad);
    CHECK(responses("\nHTTP/1.1 204 x\r\n\r\n") == bad);
    CHECK(responses("\rHTTP/1.1 204 x\r\n\r\n") == bad);
    CHECK(with_fields("A: b\n") == bad);
    CHECK(with_fields("A: b\rc\r\n") == bad);
    CHECK(with_fields("A: b\r\rC: d\r\n") == bad);
    CHECK(with_fields("A\n: b\r\n") == bad);
    CHECK(with_fields("A: b\r\n\rX") == bad);
}

TEST_CASE("ambiguous lengths are refused") {
    for (const std::string_view lines :
         {"Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: 5\r\nContent-Length: 6\r\n",
          "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
          "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", "content-length: 5\r\nA: b\r\nCONTENT-LENGTH: 5\r\n",
          "Content-Length: 5, 5\r\n", "Content-Length: +5\r\n", "Content-Length: -5\r\n", "Content-Length: 0x5\r\n",
          "Content-Length: 5 5\r\n", "Content-Length: 5a\r\n", "Content-Length: \r\n", "Content-Length:\r\n",
          "Content-Length: 5;\r\n", "Content-Length: 5.0\r\n", "Content-Length: 18446744073709551616\r\n",
          "Content-Length: 99999999999999999999999999999999999\r\n"}) {
        CHECK(with_fields(lines) == bad);
    }
}

TEST_CASE("transfer codings other than exactly chunked are refused") {
    for (const std::string_view lines :
         {"Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: chunked, gzip\r\n", "Transfer-Encoding: foo\r\n",
          "Transfer-Encoding: chunked, chunked\r\n", "Transfer-Encoding: chunked,\r\n",
          "Transfer-Encoding: ,chunked\r\n", "Transfer-Encoding: identity\r\n", "Transfer-Encoding: \r\n",
          "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: chunkedx\r\n", "Transfer-Encoding: chunked;q=1\r\n",
          "Transfer-Encoding: \"chunked\"\r\n", "Transfer-Encoding: chunked chunked\r\n",
          "Transfer-Encoding: \xC2\xA0"
          "chunked\r\n",
          "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
          "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
          "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"}) {
        CHECK(with_fields(lines) == bad);
    }
    CHECK(responses("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") == bad);
    CHECK(with_fields("transfer-ENCODING: \t ChUnKeD  \r\n") ==
          "head: 200 'OK' 1.1 [transfer-ENCODING=ChUnKeD] chunked keep\nerror: truncated\n");
}

TEST_CASE("chunked bodies to the letter") {
    const auto chunked = [](std::string_view body) {
        const std::string all =
            responses(std::string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"}.append(body));
        const std::string head = "head: 200 'OK' 1.1 [Transfer-Encoding=chunked] chunked keep\n";
        CHECK(all.substr(0, head.size()) == head);
        return all.substr(std::min(all.size(), head.size()));
    };
    SECTION("accepted") {
        CHECK(chunked("0\r\n\r\n") == "complete\nclean\n");
        CHECK(chunked("000\r\n\r\n") == "complete\nclean\n");
        CHECK(chunked("0005\r\nhello\r\n0\r\n\r\n") == "body: hello\ncomplete\nclean\n");
        CHECK(chunked("b\r\nhello world\r\n0\r\n\r\n") == "body: hello world\ncomplete\nclean\n");
        CHECK(chunked("5;a\r\nhello\r\n0;b=c\r\n\r\n") == "body: hello\ncomplete\nclean\n");
        CHECK(chunked("5;a;b=\"c\";d=e\r\nhello\r\n0\r\n\r\n") == "body: hello\ncomplete\nclean\n");
        CHECK(chunked("2\r\n\r\n\r\n2\r\n\r\n\r\n0\r\n\r\n") == "body: \r\n\r\n\ncomplete\nclean\n");
        CHECK(chunked("1\r\na\r\n0\r\nX: y\r\nZ:\r\n\r\n") == "body: a\ncomplete\nclean\n");
    }
    SECTION("refused") {
        for (const std::string_view size : {"x",
                                            "-1",
                                            "+1",
                                            "0x1",
                                            "",
                                            " 1",
                                            "1 ",
                                            "1\t",
                                            "1 ;a",
                                            "1\n",
                                            "1 1",
                                            "1,1",
                                            "g",
                                            "\"1\"",
                                            "FFFFFFFFFFFFFFFFF",
                                            "10000000000000000",
                                            "1;a\x01",
                                            "1;a\n",
                                            "1;\"a\nb\"",
                                            "1\r",
                                            "1;a\r"}) {
            CHECK(chunked(std::string{size} + "\r\na\r\n0\r\n\r\n") == bad);
        }
    }
    SECTION("refused after data") {
        CHECK(chunked("1\r\na0\r\n\r\n") == "body: a\n" + bad);
        CHECK(chunked("1\r\nab\r\n0\r\n\r\n") == "body: a\n" + bad);
        CHECK(chunked("1\r\na\n0\r\n\r\n") == "body: a\n" + bad);
        CHECK(chunked("1\r\na\r0\r\n\r\n") == "body: a\n" + bad);
        CHECK(chunked("1\r\naX\n0\r\n\r\n") == "body: a\n" + bad);
        CHECK(chunked("1\r\na\rX0\r\n\r\n") == "body: a\n" + bad);
        CHECK(chunked("1\r\na\n\r0\r\n\r\n") == "body: a\n" + bad);
        CHECK(chunked("1\r\na\r\n\r\n0\r\n\r\n") == "body: a\n" + bad);
        CHECK(chunked("1\r\naXX1\r\nb\r\n0\r\n\r\n") == "body: a\n" + bad);
    }
    SECTION("trailers") {
        CHECK(chunked("0\r\nX : y\r\n\r\n") == bad);
        CHECK(chunked("0\r\nX: y\r\n z\r\n\r\n") == bad);
        CHECK(chunked("0\r\nX: y\n\r\n") == bad);
        CHECK(chunked("0\r\nX\r\n\r\n") == bad);
        CHECK(chunked("0\r\nX: \x01\r\n\r\n") == bad);
        CHECK(chunked("0\r\n\n") == bad);
        CHECK(chunked("0\r\nHTTP/1.1 200 OK\r\n\r\n") == bad);
    }
    // llhttp's versions differ on these: what counts is that the bytes are never taken for anything else.
    SECTION("accepted or refused") {
        for (const std::string_view body :
             {"5;a=\"\\\"\"\r\nhello\r\n0\r\n\r\n", "5;a=\"b c;d\"\r\nhello\r\n0\r\n\r\n",
              "5;a=b;c=d\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
              "5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
              "5\r\nhello\r\n0\r\nTransfer-Encoding: gzip\r\n\r\n",
              "5\r\nhello\r\n0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"}) {
            const std::string got = chunked(body);
            CAPTURE(got);
            CHECK((got == bad || got == "body: hello\n" + bad || got == "body: hello\ncomplete\nclean\n"));
        }
    }
}

TEST_CASE("trailer fields are dropped") {
    ResponseParser parser;
    std::string_view input = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: 1\r\n\r\n0\r\nA: 2\r\nB: 3\r\n\r\n";
    REQUIRE(parser.parse(input) == HttpStep::head);
    REQUIRE(parser.parse(input) == HttpStep::complete);
    CHECK(parser.head().fields.size() == 2);
    CHECK(parser.head().fields.get("A") == "1");
}

TEST_CASE("a connection that ends inside a chunked message is truncated at every byte") {
    const std::string bytes =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nT: v\r\n\r\n";
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
        const std::string got = responses(std::string_view{bytes}.substr(0, cut));
        CAPTURE(cut, got);
        CHECK(got.find("complete") == std::string::npos);
        CHECK(got.substr(got.rfind("error")) == "error: truncated\n");
    }
}

TEST_CASE("a connection that ends inside a Content-Length message is truncated at every byte") {
    const std::string bytes = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
        const std::string got = responses(std::string_view{bytes}.substr(0, cut));
        CAPTURE(cut, got);
        CHECK(got.find("complete") == std::string::npos);
        CHECK(got.substr(got.rfind("error")) == "error: truncated\n");
    }
}

TEST_CASE("a connection that ends between messages is clean") {
    CHECK(responses("") == "clean\n");
    CHECK(responses("\r\n") == "clean\n");
    CHECK(responses("\r\n\r") == "clean\n");
    CHECK(responses("H") == "error: truncated\n");
}

TEST_CASE("interim responses are messages of their own") {
    CHECK(responses(
              "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhi") ==
          "head: 100 'Continue' 1.1 none keep\ncomplete\nhead: 103 'Early Hints' 1.1 [Link=x] none keep\ncomplete\n"
          "head: 200 'OK' 1.1 close close\nbody: hi\ncomplete\n");
}

TEST_CASE("bytes after a body stay in the input") {
    ResponseParser parser;
    std::string_view input = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n\r\n";
    REQUIRE(parser.parse(input) == HttpStep::head);
    REQUIRE(parser.parse(input) == HttpStep::body);
    CHECK(parser.body() == "hi");
    CHECK(parser.body().data() + 2 == input.data());
    REQUIRE(parser.parse(input) == HttpStep::complete);
    CHECK(parser.body().empty());
    const std::string_view rest = input;
    CHECK(rest == "HTTP/1.1 200 OK\r\n\r\n");
    CHECK(parser.parse(input) == HttpStep::need_more);
    CHECK(parser.finish() == HttpStep::need_more);
    CHECK(input == rest);
    parser.reset();
    CHECK(parser.parse(input) == HttpStep::head);
}

TEST_CASE("a close-delimited body is complete only by the close") {
    ResponseParser parser;
    std::string_view input = "HTTP/1.1 200 OK\r\n\r\n";
    REQUIRE(parser.parse(input) == HttpStep::head);
    CHECK(parser.framing() == HttpFraming::until_close);
    CHECK(parser.parse(input) == HttpStep::need_more);
    input = "HTTP/1.1 ";
    REQUIRE(parser.parse(input) == HttpStep::body);
    CHECK(parser.body() == "HTTP/1.1 ");
    CHECK(parser.parse(input) == HttpStep::need_more);
    CHECK_FALSE(parser.complete());
    CHECK(parser.finish() == HttpStep::complete);
    CHECK(parser.finish() == HttpStep::need_more);
}

TEST_CASE("complete is due without a further byte") {
    ResponseParser parser;
    std::string_view input = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    REQUIRE(parser.parse(input) == HttpStep::head);
    REQUIRE(parser.parse(input) == HttpStep::body);
    REQUIRE(input.empty());
    SECTION("by the next call") { CHECK(parser.parse(input) == HttpStep::complete); }
    SECTION("by input without storage") {
        std::string_view nothing;
        CHECK(parser.parse(nothing) == HttpStep::complete);
    }
    SECTION("by the close") { CHECK(parser.finish() == HttpStep::complete); }
}

TEST_CASE("statuses without a body, whatever the fields say") {
    CHECK(responses("HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n") ==
          "head: 204 'x' 1.1 [Content-Length=5] none close\ncomplete\nclean\n");
    CHECK(responses("HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n") ==
          "head: 204 'x' 1.1 [Transfer-Encoding=chunked] none close\ncomplete\nclean\n");
    CHECK(responses("HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n") ==
          "head: 304 'x' 1.1 [Content-Length=5] none keep\ncomplete\nclean\n");
    CHECK(responses("HTTP/1.1 304 x\r\n\r\n") == "head: 304 'x' 1.1 none keep\ncomplete\nclean\n");
}

TEST_CASE("an answer to HEAD has no body") {
    ResponseParser parser;
    const auto answers = [&](std::string_view bytes) { return transcript::any_split(bytes, parser); };
    SECTION("said so") { parser.expect_no_body(true); }
    SECTION("by the method") { parser.expect_answer_to("HEAD"); }
    CHECK(
        answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") ==
        "head: 200 'OK' 1.1 [Content-Length=5] none keep\ncomplete\n"
        "head: 200 'OK' 1.1 [Transfer-Encoding=chunked] none keep\ncomplete\nclean\n");
    CHECK(answers("HTTP/1.1 200 OK\r\n\r\n") == "head: 200 'OK' 1.1 none keep\ncomplete\nclean\n");
    CHECK(answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: foo\r\n\r\n") == bad);
    parser.expect_answer_to("GET");
    CHECK(answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").ends_with("error: truncated\n"));
}

TEST_CASE("protocols never switch") {
    CHECK(responses("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n") == bad);
    CHECK(responses("HTTP/1.1 101 x\r\n\r\n") == bad);
    CHECK(responses("HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nhi") ==
          "head: 200 'OK' 1.1 [Upgrade=h2c] [Connection=upgrade] [Content-Length=2] length keep\nbody: "
          "hi\ncomplete\nclean\n");
    ResponseParser parser;
    parser.expect_answer_to("CONNECT");
    CHECK(transcript::any_split("HTTP/1.1 200 OK\r\n\r\n", parser) == bad);
    CHECK(transcript::any_split("HTTP/1.1 407 x\r\nContent-Length: 1\r\n\r\na", parser) ==
          "head: 407 'x' 1.1 [Content-Length=1] length keep\nbody: a\ncomplete\nclean\n");
}

TEST_CASE("whether a connection may serve another response") {
    const auto ends_with = [](std::string_view version, std::string_view field) {
        const std::string got = transcript::whole<ResponseParser>(
            std::string{version}.append(" 200 OK\r\nContent-Length: 0\r\n").append(field).append("\r\n"));
        return got.find(" keep\n") != std::string::npos;
    };
    CHECK(ends_with("HTTP/1.1", ""));
    CHECK(ends_with("HTTP/1.1", "Connection: keep-alive\r\n"));
    CHECK_FALSE(ends_with("HTTP/1.1", "Connection: close\r\n"));
    CHECK_FALSE(ends_with("HTTP/1.1", "connection: x, CLOSE ,y\r\n"));
    CHECK_FALSE(ends_with("HTTP/1.1", "Connection: x\r\nConnection: close\r\n"));
    CHECK(ends_with("HTTP/1.1", "Connection: closed\r\n"));
    CHECK_FALSE(ends_with("HTTP/1.0", ""));
    CHECK(ends_with("HTTP/1.0", "Connection: Keep-Alive\r\n"));
    CHECK_FALSE(ends_with("HTTP/1.0", "Connection: keep-alive, close\r\n"));
}

TEST_CASE("a parser is used again, moved, and gives its head away") {
    ResponseParser first;
    std::string_view input = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab";
    REQUIRE(first.parse(input) == HttpStep::head);
    CHECK(first.content_length() == 4u);
    const rejoin::ResponseHead head = first.take_head();
    CHECK(head.fields.get("content-length") == "4");
    ResponseParser second = std::move(first);
    REQUIRE(second.parse(input) == HttpStep::body);
    CHECK(second.body() == "ab");
    input = "cdX";
    REQUIRE(second.parse(input) == HttpStep::body);
    REQUIRE(second.parse(input) == HttpStep::complete);
    CHECK(input == "X");
    second.reset();
    CHECK_FALSE(second.begun());
    CHECK(second.parse(input) == HttpStep::error);
    CHECK(second.error() == Error::bad_message);
    input = "HTTP/1.1 204 x\r\n\r\n";
    CHECK(second.parse(input) == HttpStep::error);
    CHECK(second.finish() == HttpStep::error);
    CHECK(second.error() == Error::bad_message);
    second.reset();
    CHECK_FALSE(second.error());
    CHECK(second.parse(input) == HttpStep::head);
    CHECK(second.head().status == 204);
    CHECK(second.head().reason == "x");
    CHECK(second.head().fields.empty());
}
