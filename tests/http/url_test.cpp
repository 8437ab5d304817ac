#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <rejoin/error.hpp>
#include <rejoin/http/url.hpp>

#include "support/catch.hpp"

using rejoin::Error;
using rejoin::Result;
using rejoin::Url;

namespace {

Url parsed(std::string_view text) {
    Result<Url> url = Url::parse(text);
    CAPTURE(text, url.error().message());
    REQUIRE(url);
    return *url;
}

std::string resolved(std::string_view base, std::string_view reference) {
    const Result<Url> url = parsed(base).resolve(reference);
    return url ? url->to_string() : url.error().message();
}

}  // namespace

TEST_CASE("URLs in their parts") {
    CHECK(parsed("http://a") == Url{"http", "", "a", 80, "/"});
    CHECK(parsed("HTTPS://Example.COM/x") == Url{"https", "", "example.com", 443, "/x"});
    CHECK(parsed("http://a:8080/p/q?r=s&t#frag") == Url{"http", "", "a", 8080, "/p/q?r=s&t"});
    CHECK(parsed("http://a?q") == Url{"http", "", "a", 80, "/?q"});
    CHECK(parsed("http://a#f?x") == Url{"http", "", "a", 80, "/"});
    CHECK(parsed("http://a:/") == Url{"http", "", "a", 80, "/"});
    CHECK(parsed("http://a:443/") == Url{"http", "", "a", 443, "/"});
    CHECK(parsed("https://a:65535/") == Url{"https", "", "a", 65535, "/"});
    CHECK(parsed("http://[2001:DB8::1]:81/x") == Url{"http", "", "2001:db8::1", 81, "/x"});
    CHECK(parsed("http://[::ffff:1.2.3.4]") == Url{"http", "", "::ffff:1.2.3.4", 80, "/"});
    CHECK(parsed("http://127.0.0.1/") == Url{"http", "", "127.0.0.1", 80, "/"});
    CHECK(parsed("http://user:p%40ss@h:1/") == Url{"http", "user:p%40ss", "h", 1, "/"});
    CHECK(parsed("http://@h/") == Url{"http", "", "h", 80, "/"});
    CHECK(parsed("http://h/a@b:c?d@e") == Url{"http", "", "h", 80, "/a@b:c?d@e"});
}

TEST_CASE("what is sent stays as it was written") {
    CHECK(parsed("http://a/%7E%2f%zz/../b/./c//d;e?f=%20+|{}^\"<>`?/..").target ==
          "/%7E%2f%zz/../b/./c//d;e?f=%20+|{}^\"<>`?/..");
    CHECK(parsed("http://a/\xC3\xA9?\xFF").target == "/%C3%A9?%FF");
    CHECK(parsed("http://a/x#\xC3\xA9").target == "/x");
}

TEST_CASE("what is no http URL is refused") {
    for (const std::string_view text : {"",
                                        "/x",
                                        "//a/x",
                                        "a",
                                        "http",
                                        "http:",
                                        "http:/",
                                        "http://",
                                        "http:///x",
                                        "http:a",
                                        "http:/a",
                                        "http://:80/",
                                        "http://a:0/",
                                        "http://a:65536/",
                                        "http://a:99999999999/",
                                        "http://a:8x/",
                                        "http://a:-1/",
                                        "http://a:+1/",
                                        "http://a:80:80/",
                                        "http://a b/",
                                        "http://a/ b",
                                        "http://a/b ",
                                        " http://a",
                                        "http://a\n/",
                                        "http://a/\r\nX: y",
                                        "http://a/\t",
                                        "http://a/\x7F",
                                        "http://a\\@b/",
                                        "http://a/\\b",
                                        "http://u@v@h/",
                                        "http://u@/",
                                        "http://[::1/",
                                        "http://[]/",
                                        "http://[a]/",
                                        "http://[1.2.3.4]/",
                                        "http://[v1.x]/",
                                        "http://[fe80::1%25eth0]/",
                                        "http://[::1]x/",
                                        "http://::1/",
                                        "http://h\xC3\xA9/",
                                        "http://%61/",
                                        "http://a<b/",
                                        "http://a|b/",
                                        "1http://a",
                                        ":http://a"}) {
        CAPTURE(text);
        CHECK(Url::parse(text).error() == Error::bad_url);
    }
    CHECK(Url::parse(std::string_view{"http://a/\0", 10}).error() == Error::bad_url);
    for (const std::string_view text :
         {"ftp://a/", "ws://a/", "file:///x", "javascript:1", "mailto:a@b", "httpx://a"}) {
        CAPTURE(text);
        CHECK(Url::parse(text).error() == Error::unsupported_scheme);
    }
}

TEST_CASE("the Host field names the port only where it must") {
    CHECK(parsed("http://a:80/").host_header() == "a");
    CHECK(parsed("http://a:81/").host_header() == "a:81");
    CHECK(parsed("http://a:443/").host_header() == "a:443");
    CHECK(parsed("https://a:443/").host_header() == "a");
    CHECK(parsed("https://a:80/").host_header() == "a:80");
    CHECK(parsed("http://[::1]/").host_header() == "[::1]");
    CHECK(parsed("http://[::1]:8080/").host_header() == "[::1]:8080");
    CHECK(parsed("http://u:p@A:81/x?y#z").to_string() == "http://a:81/x?y");
}

TEST_CASE("origins") {
    const Url url = parsed("http://a/x");
    CHECK(url.same_origin(parsed("HTTP://A:80/y?z")));
    CHECK(url.same_origin(parsed("http://u@a/")));
    CHECK_FALSE(url.same_origin(parsed("https://a/x")));
    CHECK_FALSE(url.same_origin(parsed("http://a:81/x")));
    CHECK_FALSE(url.same_origin(parsed("http://b/x")));
    CHECK_FALSE(url.same_origin(parsed("http://a.b/x")));
    CHECK(parsed("https://a").is_https());
    CHECK_FALSE(url.is_https());
}

TEST_CASE("references resolve as in RFC 3986 5.4") {
    const std::string base = "http://a/b/c/d;p?q";
    const std::pair<std::string_view, std::string_view> examples[] = {
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g/"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q"},
        {"g#s", "http://a/b/c/g"},
        {"g?y#s", "http://a/b/c/g?y"},
        {";x", "http://a/b/c/;x"},
        {"g;x", "http://a/b/c/g;x"},
        {"g;x?y#s", "http://a/b/c/g;x?y"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"../../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {".g", "http://a/b/c/.g"},
        {"g..", "http://a/b/c/g.."},
        {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},
        {"./g/.", "http://a/b/c/g/"},
        {"g/./h", "http://a/b/c/g/h"},
        {"g/../h", "http://a/b/c/h"},
        {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
        {"g;x=1/../y", "http://a/b/c/y"},
        {"g?y/./x", "http://a/b/c/g?y/./x"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"g#s/./x", "http://a/b/c/g"},
        {"g#s/../x", "http://a/b/c/g"},
    };
    for (const auto& [reference, expected] : examples) {
        CAPTURE(reference);
        CHECK(resolved(base, reference) == expected);
    }
    CHECK(parsed(base).resolve("g:h").error() == Error::unsupported_scheme);
    CHECK(parsed(base).resolve("http:g").error() == Error::bad_url);
}

TEST_CASE("references as Location fields have them") {
    CHECK(resolved("http://a:81/x/y", "http://B/z") == "http://b/z");
    CHECK(resolved("http://a:81/x/y", "https://b:443/../z/./w") == "https://b/z/w");
    CHECK(resolved("https://a:81/x/y", "//b/z") == "https://b/z");
    CHECK(resolved("http://a:81/x/y", "z") == "http://a:81/x/z");
    CHECK(resolved("http://a", "z") == "http://a/z");
    CHECK(resolved("http://a?q/r", "z") == "http://a/z");
    CHECK(resolved("http://a/x?q/r", "z") == "http://a/z");
    CHECK(resolved("http://a/x", "/a:b") == "http://a/a:b");
    CHECK(resolved("http://a/x", "/\xC3\xA9") == "http://a/%C3%A9");
    CHECK(resolved("http://a/x", "/a//b/..//c") == "http://a/a///c");
    CHECK(parsed("http://u:p@a/x").resolve("/y")->userinfo == "u:p");
    CHECK(parsed("http://u:p@a/x").resolve("//a/y")->userinfo.empty());
    CHECK(parsed("http://u:p@a/x").resolve("http://b/y")->userinfo.empty());
    for (const std::string_view reference :
         {"/a b", "\r\nX: y", "http://", "//", "http:///x", "/\x7F", "\\\\b", "//a\\b"}) {
        CAPTURE(reference);
        CHECK(parsed("http://a/x").resolve(reference).error() == Error::bad_url);
    }
    CHECK(parsed("http://a/x").resolve("javascript:alert(1)").error() == Error::unsupported_scheme);
}
