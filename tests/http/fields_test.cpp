#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <rejoin/http/fields.hpp>
#include <rejoin/http/hop_by_hop.hpp>

#include "support/catch.hpp"

using rejoin::HttpField;
using rejoin::HttpFields;

TEST_CASE("fields keep order, case and repetition") {
    HttpFields fields;
    CHECK(fields.empty());
    fields.add("Accept", "a");
    fields.add("Set-Cookie", "1");
    fields.add("SET-COOKIE", "2");
    CHECK(fields.size() == 3);
    CHECK(fields.get("set-cookie") == "1");
    CHECK(fields.get("accept") == "a");
    CHECK(fields.get("accep") == std::nullopt);
    CHECK(fields.get("") == std::nullopt);
    CHECK(fields.count("Set-cookie") == 2);
    CHECK(fields.contains("ACCEPT"));
    CHECK_FALSE(fields.contains("accept "));
    std::vector<std::string> values;
    fields.for_each_value("set-cookie", [&](std::string_view value) { values.emplace_back(value); });
    CHECK(values == std::vector<std::string>{"1", "2"});
    CHECK(fields.begin()->name == "Accept");
    CHECK(fields.back() == HttpField{"SET-COOKIE", "2"});
}

TEST_CASE("set makes a value the only one, in its place") {
    HttpFields fields{{"A", "1"}, {"B", "2"}, {"a", "3"}, {"C", "4"}, {"A", "5"}};
    fields.set("a", "x");
    CHECK(fields == HttpFields{{"A", "x"}, {"B", "2"}, {"C", "4"}});
    fields.set("D", "y");
    CHECK(fields == HttpFields{{"A", "x"}, {"B", "2"}, {"C", "4"}, {"D", "y"}});
}

TEST_CASE("erase says how many there were") {
    HttpFields fields{{"A", "1"}, {"B", "2"}, {"a", "3"}};
    CHECK(fields.erase("x") == 0);
    CHECK(fields.erase("A") == 2);
    CHECK(fields == HttpFields{{"B", "2"}});
    fields.clear();
    CHECK(fields.empty());
}

TEST_CASE("tokens are found in the list that all lines form") {
    const HttpFields fields{{"Connection", " , a,B\t,, c"}, {"connection", "close"}, {"Other", "x"}, {"Empty", ""}};
    for (const std::string_view token : {"a", "b", "C", "CLOSE"}) CHECK(fields.has_token("CONNECTION", token));
    for (const std::string_view token : {"", "x", "clos", "a,B", "closed"})
        CHECK_FALSE(fields.has_token("connection", token));
    CHECK_FALSE(fields.has_token("empty", ""));
    CHECK_FALSE(fields.has_token("missing", "a"));
}

TEST_CASE("what belongs to one connection is removed") {
    HttpFields fields{{"Host", "h"},
                      {"Connection", "keep-alive, X-Hop"},
                      {"connection", "x-other ,upgrade,"},
                      {"Keep-Alive", "timeout=5"},
                      {"Proxy-Connection", "keep-alive"},
                      {"Proxy-Authenticate", "Basic"},
                      {"Proxy-Authorization", "Basic x"},
                      {"TE", "trailers"},
                      {"Trailer", "X"},
                      {"Transfer-Encoding", "chunked"},
                      {"Upgrade", "websocket"},
                      {"x-hop", "1"},
                      {"X-OTHER", "2"},
                      {"X-Hop-Not", "3"},
                      {"Authorization", "Bearer x"}};
    rejoin::remove_hop_by_hop(fields);
    CHECK(fields == HttpFields{{"Host", "h"}, {"X-Hop-Not", "3"}, {"Authorization", "Bearer x"}});
}

TEST_CASE("fields for all recipients are not removed because a peer names them") {
    HttpFields fields{{"Connection", "Host, Content-Length, last-event-id, COOKIE, authorization, Cache-Control, X"},
                      {"Host", "h"},
                      {"Content-Length", "5"},
                      {"Last-Event-ID", "7"},
                      {"Cookie", "c"},
                      {"Authorization", "a"},
                      {"Cache-Control", "no-cache"},
                      {"X", "y"}};
    rejoin::remove_hop_by_hop(fields);
    CHECK(fields.size() == 6);
    CHECK_FALSE(fields.contains("x"));
    CHECK_FALSE(fields.contains("connection"));
}
