#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rejoin/gateway/stream_identity.hpp>

#include "support/catch.hpp"

using rejoin::HttpFields;
using rejoin::RequestHead;
using rejoin::StreamIdentity;

namespace {

StreamIdentity identity(HttpFields fields, std::string_view target = "/s", std::string method = "GET",
                        const std::vector<std::string>& principal = StreamIdentity::default_principal()) {
    RequestHead request;
    request.method = std::move(method);
    request.target = "/not-this-one";
    request.fields = std::move(fields);
    return {request, target, principal};
}

}  // namespace

TEST_CASE("identity: the same request is the same stream") {
    CHECK(identity({}) == identity({}));
    CHECK(identity({{"Authorization", "a"}}) == identity({{"Authorization", "a"}}));
    CHECK(identity({{"Authorization", "a"}}).text() == identity({{"Authorization", "a"}}).text());
}

TEST_CASE("identity: what says nothing about the requester does not count") {
    const StreamIdentity plain = identity({{"Authorization", "a"}, {"Cookie", "c"}});
    CHECK(plain == identity({{"Cookie", "c"}, {"Authorization", "a"}}));  // order of different fields
    CHECK(plain == identity({{"authorization", "a"}, {"COOKIE", "c"}}));  // case of names
    CHECK(plain == identity({{"Last-Event-ID", "5"}, {"Authorization", "a"}, {"Cookie", "c"}, {"Accept", "*/*"}}));
}

TEST_CASE("identity: method, target and every credential count") {
    const std::vector<StreamIdentity> all{
        identity({}),
        identity({}, "/s", "POST"),
        identity({}, "/s", "get"),
        identity({}, "/S"),
        identity({}, "/s?"),
        identity({}, "/s?a=1"),
        identity({}, ""),
        identity({{"Authorization", "a"}}),
        identity({{"Authorization", "A"}}),
        identity({{"Authorization", "b"}}),
        identity({{"Cookie", "a"}}),
        identity({{"X-Api-Key", "a"}}),
        identity({{"Mcp-Session-Id", "a"}}),
        identity({{"Authorization", "a"}, {"Cookie", "a"}}),
        identity({{"Authorization", ""}}),  // empty is not absent
        identity({{"Cookie", ""}}),
        identity({{"Authorization", ""}, {"Authorization", ""}}),
        identity({{"Authorization", "a"}, {"Authorization", "b"}}),  // several values
        identity({{"Authorization", "b"}, {"Authorization", "a"}}),
        identity({{"Authorization", "a, b"}}),
        identity({{"Authorization", "ab"}}),
        identity({{"Authorization", "a"}, {"Authorization", "b"}, {"Authorization", ""}}),
        identity({{"Cookie", "a; b"}}),
        identity({{"Cookie", "a"}, {"Cookie", "b"}}),
    };
    for (std::size_t i = 0; i < all.size(); ++i) {
        for (std::size_t k = 0; k < all.size(); ++k) {
            CAPTURE(i);
            CAPTURE(k);
            CHECK((all[i] == all[k]) == (i == k));
            CHECK((all[i].text() == all[k].text()) == (i == k));
        }
    }
}

TEST_CASE("identity: no value can pass for the border between two") {
    CHECK_FALSE(identity({}, "/s6:Cookie1:x") == identity({{"Cookie", "x"}}));
    CHECK_FALSE(identity({{"Authorization", "a6:Cookie1:x"}}) == identity({{"Authorization", "a"}, {"Cookie", "x"}}));
    CHECK_FALSE(identity({{"Authorization", "1:a"}}) == identity({{"Authorization", "a"}}));
    CHECK_FALSE(identity({{"Authorization", "a"}}, "/sx") == identity({{"Authorization", "xa"}}, "/s"));
    CHECK_FALSE(identity({}, "1:a", "G") == identity({}, "a", "G1:"));
    CHECK_FALSE(identity({}, "T/s", "GE") == identity({}, "/s", "GET"));
    CHECK_FALSE(identity({{"A", "12345678"}}, "1", "GET", {"A"}) == identity({}, "1A812345678", "GET", {"A"}));
    // The same value under another name.
    const std::vector<std::string> names{"A", "AB"};
    CHECK_FALSE(identity({{"A", "B"}}, "/s", "GET", names) == identity({{"AB", ""}}, "/s", "GET", names));
}

TEST_CASE("identity: a route names its own headers") {
    const std::vector<std::string> tenant{"X-Tenant"};
    CHECK(identity({{"Cookie", "a"}}, "/s", "GET", tenant) == identity({{"Cookie", "b"}}, "/s", "GET", tenant));
    CHECK_FALSE(identity({{"X-Tenant", "a"}}, "/s", "GET", tenant) == identity({{"x-tenant", "b"}}, "/s", "GET", tenant));
    CHECK(identity({{"Cookie", "a"}}, "/s", "GET", {}) == identity({}, "/s", "GET", {}));
}
