#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <rejoin/gateway/route_table.hpp>

#include "support/catch.hpp"

using rejoin::Error;
using rejoin::RouteRule;
using rejoin::RouteTable;

namespace {

constexpr std::size_t none = static_cast<std::size_t>(-1);

RouteTable table(std::initializer_list<RouteRule> rules) {
    RouteTable table;
    for (const RouteRule& rule : rules) REQUIRE_FALSE(table.add(rule));
    return table;
}

std::size_t match(const RouteTable& routes, std::string_view host, std::string_view target) {
    return routes.match(host, target).value_or(none);
}

bool refused(RouteRule rule) {
    RouteTable routes;
    return routes.add(std::move(rule)) == Error::invalid_option && routes.size() == 0;
}

}  // namespace

TEST_CASE("the longest prefix wins, whatever the order", "[gateway][route_table]") {
    const RouteTable routes = table({{"/api", ""}, {"/", ""}, {"/api/v1/", ""}, {"/api/v1", ""}});
    CHECK(match(routes, "h", "/") == 1);
    CHECK(match(routes, "h", "/x") == 1);
    CHECK(match(routes, "h", "/api") == 0);
    CHECK(match(routes, "h", "/api?x=/api/v1") == 0);
    CHECK(match(routes, "h", "/api/v2") == 0);
    CHECK(match(routes, "h", "/api/v1") == 3);
    CHECK(match(routes, "h", "/api/v1?q") == 3);
    CHECK(match(routes, "h", "/api/v1/") == 2);
    CHECK(match(routes, "h", "/api/v1/x") == 2);
}

TEST_CASE("prefixes are whole segments, and case counts", "[gateway][route_table]") {
    const RouteTable routes = table({{"/api", ""}, {"/dir/", ""}});
    CHECK(match(routes, "h", "/api/") == 0);
    CHECK(match(routes, "h", "/apis") == none);
    CHECK(match(routes, "h", "/ap") == none);
    CHECK(match(routes, "h", "/API") == none);
    CHECK(match(routes, "h", "/dir") == none);
    CHECK(match(routes, "h", "/dir/x") == 1);
}

TEST_CASE("the narrowest host comes first", "[gateway][route_table]") {
    const RouteTable routes =
        table({{"/", ""}, {"/api", ""}, {"/", "*.example.com"}, {"/", "*.b.example.com"}, {"/", "a.b.example.com"}, {"/x", "one"}});
    CHECK(match(routes, "other", "/api") == 1);
    CHECK(match(routes, "example.com", "/api") == 1);
    CHECK(match(routes, ".example.com", "/") == 0);
    CHECK(match(routes, "notexample.com", "/") == 0);
    CHECK(match(routes, "c.example.com", "/api") == 2);
    CHECK(match(routes, "b.example.com", "/") == 2);
    CHECK(match(routes, "d.c.example.com", "/") == 2);
    CHECK(match(routes, "c.b.example.com", "/") == 3);
    CHECK(match(routes, "a.b.example.com", "/") == 4);
    CHECK(match(routes, "x.a.b.example.com", "/") == 3);
    // A host whose rules take no such path is one among any.
    CHECK(match(routes, "one", "/x/y") == 5);
    CHECK(match(routes, "one", "/api/y") == 1);
    CHECK(match(routes, "", "/api") == 1);
}

TEST_CASE("hosts compare without case, port and final dot", "[gateway][route_table]") {
    const RouteTable routes = table({{"/", "Example.COM."}, {"/", "[::1]"}, {"/", "127.0.0.1"}});
    for (const char* host : {"example.com", "EXAMPLE.com", "example.com:8080", "example.com.", "example.com.:80", "example.com:"}) {
        CAPTURE(host);
        CHECK(match(routes, host, "/") == 0);
    }
    CHECK(match(routes, "[::1]", "/") == 1);
    CHECK(match(routes, "[::1]:8080", "/") == 1);
    CHECK(match(routes, "127.0.0.1:1", "/") == 2);
    CHECK(match(routes, "[::1", "/") == none);
    CHECK(match(routes, "example.co", "/") == none);
    CHECK(match(routes, ".", "/") == none);
}

TEST_CASE("no spelling of a path leads around its rule", "[gateway][route_table]") {
    const RouteTable routes = table({{"/", ""}, {"/admin", ""}, {"/public", ""}, {"/a%2fb", ""}});
    for (const char* target :
         {"/admin", "/%61dmin", "/%61%64%6D%69%6e/x", "/public/../admin", "/public/%2e%2E/admin", "/./admin", "/x/./../admin/.", "/../admin",
          "/public/..%2f../x/../../../admin"}) {
        CAPTURE(target);
        CHECK(match(routes, "h", target) == 1);
    }
    CHECK(match(routes, "h", "/public/..%2fadmin") == 2);
    CHECK(match(routes, "h", "/admin/..") == 0);
    CHECK(match(routes, "h", "/admin/../..") == 0);
    CHECK(match(routes, "h", "/adm%69n%") == 0);
    CHECK(match(routes, "h", "/..admin") == 0);
    CHECK(match(routes, "h", "/a%2Fb/c") == 3);
    CHECK(match(routes, "h", "/a/b/c") == 0);
    CHECK(match(routes, "h", "/public?/../admin") == 2);
}

TEST_CASE("what is no path has no route", "[gateway][route_table]") {
    const RouteTable routes = table({{"/", ""}});
    for (const char* target : {"", "*", "?x", "x", "http://h/", "h:443"}) {
        CAPTURE(target);
        CHECK(match(routes, "h", target) == none);
    }
    CHECK(match(RouteTable{}, "h", "/") == none);
}

TEST_CASE("rules that can't be meant are refused", "[gateway][route_table]") {
    for (const char* prefix : {"", "api", "*", "/a?b", "/a#b", "/a b", "/a/../b", "/a/%2e%2e/b", "/.", "/a\n", "/\xc3\xa9"}) {
        CAPTURE(prefix);
        CHECK(refused({prefix, ""}));
    }
    for (const char* host : {"a:80", "*", "*.", "a.*.b", "*a", "a b", "a/b", "[]", "[::1", "[::1]:80", "[g]", "\xc3\xa9"}) {
        CAPTURE(host);
        CHECK(refused({"/", host}));
    }
}

TEST_CASE("the same rule twice is refused, however it is spelled", "[gateway][route_table]") {
    RouteTable routes = table({{"/api", ""}, {"/api", "h"}});
    CHECK(routes.add({"/api", ""}) == Error::invalid_option);
    CHECK(routes.add({"/%61pi", ""}) == Error::invalid_option);
    CHECK(routes.add({"/api", "H."}) == Error::invalid_option);
    CHECK(routes.find({"/ap%69", "H"}) == std::optional<std::size_t>{1});
    CHECK(routes.find({"/api", "g"}) == std::nullopt);
    CHECK(routes.find({"api", ""}) == std::nullopt);
    CHECK(routes.size() == 2);
    CHECK_FALSE(routes.add({"/api/", ""}));
    CHECK(match(routes, "g", "/api/x") == 2);
}
