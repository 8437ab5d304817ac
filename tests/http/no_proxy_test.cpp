#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <rejoin/http/basic_authorization.hpp>
#include <rejoin/http/no_proxy.hpp>

#include "support/catch.hpp"

namespace rejoin {
namespace {

bool bypasses(std::string_view list, std::string_view url) { return bypasses_proxy(list, Url::parse(url).value()); }

// The proxy as a URL, "-" for none, or the error.
std::string way(std::string_view url, const ProxyEnvironment& environment) {
    const auto proxy = proxy_for(Url::parse(url).value(), environment);
    if (!proxy) return proxy.error().message();
    if (!*proxy) return "-";
    return (*proxy)->to_string() + ((*proxy)->userinfo.empty() ? "" : " as " + (*proxy)->userinfo);
}

TEST_CASE("no_proxy: names, with all below them") {
    const std::string_view entry = GENERATE("example.com", ".example.com", "*.example.com", "EXAMPLE.com", "example.com.", "example.com:80");
    CAPTURE(entry);
    CHECK(bypasses(entry, "http://example.com/"));
    CHECK(bypasses(entry, "http://a.b.example.com/"));
    CHECK(bypasses(entry, "http://example.com./"));
    CHECK_FALSE(bypasses(entry, "http://badexample.com/"));
    CHECK_FALSE(bypasses(entry, "http://example.com.evil/"));
    CHECK_FALSE(bypasses(entry, "http://com/"));
}

TEST_CASE("no_proxy: a list, and what isn't readable in it") {
    CHECK(bypasses("a.test,b.test", "http://b.test/"));
    CHECK(bypasses(" a.test ,\tb.test ,", "http://b.test/"));
    CHECK(bypasses("a.test b.test", "http://b.test/"));
    CHECK(bypasses("[::1,/,a.test:x,:,b.test", "http://b.test/"));
    CHECK_FALSE(bypasses("", "http://b.test/"));
    CHECK_FALSE(bypasses(",.,:,[],/8,*.,b.test:,", "http://a.test/"));
    CHECK(bypasses("a.test,*", "https://c.test/"));
    CHECK(bypasses("*", "http://[::1]/"));
    CHECK_FALSE(bypasses("*x", "http://x/"));
}

TEST_CASE("no_proxy: ports") {
    CHECK(bypasses("a.test:8080", "http://a.test:8080/"));
    CHECK(bypasses("a.test:8080", "http://b.a.test:8080/"));
    CHECK_FALSE(bypasses("a.test:8080", "http://a.test/"));
    CHECK(bypasses("a.test:443", "https://a.test/"));
    CHECK(bypasses("10.0.0.1:81", "http://10.0.0.1:81/"));
    CHECK_FALSE(bypasses("10.0.0.1:81", "http://10.0.0.1/"));
    CHECK(bypasses("[::1]:81", "http://[::1]:81/"));
    CHECK_FALSE(bypasses("[::1]:81", "http://[::1]/"));
    CHECK_FALSE(bypasses("[::1]81", "http://[::1]:81/"));
}

TEST_CASE("no_proxy: addresses are compared as such") {
    CHECK(bypasses("10.0.0.1", "http://10.0.0.1/"));
    CHECK_FALSE(bypasses("0.0.1", "http://10.0.0.1/"));
    CHECK_FALSE(bypasses(".0.1", "http://10.0.0.1/"));
    CHECK(bypasses("::1", "http://[::1]/"));
    CHECK(bypasses("[::1]", "http://[0:0::0001]/"));
    CHECK(bypasses("2001:DB8::A:0:0:1", "http://[2001:db8:0:0:a::1]/"));
    CHECK(bypasses("::ffff:1.2.3.4", "http://[::ffff:102:304]/"));
    CHECK_FALSE(bypasses("::ffff:1.2.3.4", "http://1.2.3.4/"));
    CHECK_FALSE(bypasses("::1", "http://[::2]/"));
    CHECK_FALSE(bypasses("10.0.0.1", "http://a.test/"));
}

TEST_CASE("no_proxy: ranges of addresses") {
    CHECK(bypasses("10.0.0.0/8", "http://10.200.3.4/"));
    CHECK_FALSE(bypasses("10.0.0.0/8", "http://11.0.0.0/"));
    CHECK(bypasses("192.168.4.0/22", "http://192.168.7.255/"));
    CHECK_FALSE(bypasses("192.168.4.0/22", "http://192.168.8.0/"));
    CHECK(bypasses("1.2.3.4/32", "http://1.2.3.4/"));
    CHECK_FALSE(bypasses("1.2.3.4/32", "http://1.2.3.5/"));
    CHECK(bypasses("0.0.0.0/0", "http://9.9.9.9/"));
    CHECK_FALSE(bypasses("0.0.0.0/0", "http://[::1]/"));
    CHECK(bypasses("fd00::/9", "http://[fd7f::1]/"));
    CHECK_FALSE(bypasses("fd00::/9", "http://[fd80::1]/"));
    CHECK_FALSE(bypasses("10.0.0.0/33", "http://10.0.0.0/"));
    CHECK_FALSE(bypasses("10.0.0.0/", "http://10.0.0.0/"));
    CHECK_FALSE(bypasses("a.test/8", "http://a.test/"));
}

TEST_CASE("addresses: what is none") {
    for (const char* text : {"", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1..2.3", "1.2.3.4.", "1.2.3.-4", "0x1.2.3.4"}) {
        CAPTURE(text);
        CHECK_FALSE(detail::parse_address(text));
    }
    for (const char* text : {":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "::1::", "1:", ":1", "12345::", "g::", "1:2:3:4:5:6:7::8",
                             "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "1.2.3.4::", "::1%lo"}) {
        CAPTURE(text);
        CHECK_FALSE(detail::parse_address(text));
    }
    for (const char* text : {"::", "1::", "::1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4:5:6:1.2.3.4"}) {
        CAPTURE(text);
        CHECK(detail::parse_address(text));
    }
}

TEST_CASE("proxy for a URL: by scheme, then the one for all") {
    ProxyEnvironment environment;
    CHECK(way("http://a.test/", environment) == "-");
    environment.all = "all.test:1";
    CHECK(way("http://a.test/", environment) == "http://all.test:1/");
    CHECK(way("https://a.test/", environment) == "http://all.test:1/");
    environment.http = "http://plain.test:2";
    environment.https = "http://u:p%40@secure.test:3/";
    CHECK(way("http://a.test/", environment) == "http://plain.test:2/");
    CHECK(way("https://a.test/", environment) == "http://secure.test:3/ as u:p%40");
    environment.no_proxy = "a.test";
    CHECK(way("https://a.test/", environment) == "-");
    CHECK(way("https://b.test/", environment) == "http://secure.test:3/ as u:p%40");
}

TEST_CASE("proxy for a URL: one that can't be used is an error, not a way around it") {
    ProxyEnvironment environment;
    environment.no_proxy = "b.test";
    for (const char* value : {"https://p.test", "socks5://p.test"}) {
        environment.http = value;
        CHECK(way("http://a.test/", environment) == make_error_code(Error::unsupported_scheme).message());
        CHECK(way("http://b.test/", environment) == "-");
    }
    environment.http = "p.test:port";
    CHECK(way("http://a.test/", environment) == make_error_code(Error::bad_url).message());
}

#if defined(__unix__) || defined(__APPLE__)
// Sets and unsets variables for as long as it lives.
class Variables {
public:
    Variables() {
        for (const char* name : names) {
            const char* value = std::getenv(name);
            kept_.emplace_back(value == nullptr ? "" : value);
            ::unsetenv(name);
        }
    }
    ~Variables() {
        for (std::size_t i = 0; i < kept_.size(); ++i) {
            if (kept_[i].empty()) ::unsetenv(names[i]);
            else ::setenv(names[i], kept_[i].c_str(), 1);
        }
    }
    Variables(const Variables&) = delete;
    Variables& operator=(const Variables&) = delete;

private:
    static constexpr const char* names[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
                                            "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"};
    std::vector<std::string> kept_;
};

TEST_CASE("proxy environment: lower case first, and HTTP_PROXY never") {
    const Variables only_here;
    for (const char* name : {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}) ::setenv(name, name, 1);
    auto environment = ProxyEnvironment::from_environment();
    CHECK(environment.http.empty());
    CHECK(environment.https == "HTTPS_PROXY");
    CHECK(environment.all == "ALL_PROXY");
    CHECK(environment.no_proxy == "NO_PROXY");
    for (const char* name : {"http_proxy", "https_proxy", "all_proxy"}) ::setenv(name, name, 1);
    ::setenv("no_proxy", "", 1);
    environment = ProxyEnvironment::from_environment();
    CHECK(environment.http == "http_proxy");
    CHECK(environment.https == "https_proxy");
    CHECK(environment.all == "all_proxy");
    CHECK(environment.no_proxy == "NO_PROXY");
}
#endif

TEST_CASE("basic authorization: of a URL's userinfo") {
    CHECK(basic_authorization("") == "");
    CHECK(basic_authorization("Aladdin:open%20sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");  // RFC 7617 2
    CHECK(basic_authorization("a") == "Basic YTo=");
    CHECK(basic_authorization("a:b") == "Basic YTpi");
    CHECK(basic_authorization("a%3Ab") == "Basic YTpiOg==");  // an encoded colon is not the one between name and password
    CHECK(basic_authorization("a:%") == "Basic YTol");
    CHECK(basic_authorization("a:%4") == "Basic YTolNA==");
    CHECK(basic_authorization("a:%zz") == "Basic YToleno=");
    CHECK(basic_authorization("a:%fF%00") == std::string{"Basic YTr/AA=="});
}

}  // namespace
}  // namespace rejoin
