#include <string>
#include <vector>

#include <rejoin/gateway/json_rpc.hpp>

#include "support/catch.hpp"

namespace {

using rejoin::has_json_rpc_response;
using rejoin::read_json_rpc;

TEST_CASE("json-rpc: what a message is") {
    const auto request = read_json_rpc(R"( {"jsonrpc":"2.0", "id" : 7, "method":"tools/call","params":{"id":"no","result":[1,{"a":"}"}]}} )");
    REQUIRE(request.size() == 1);
    CHECK(request[0].request);
    CHECK_FALSE(request[0].response);
    CHECK(request[0].id == "7");

    const auto response = read_json_rpc(R"({"result":{"text":"\"}\\"},"id":"a\"b","jsonrpc":"2.0"})");
    REQUIRE(response.size() == 1);
    CHECK(response[0].response);
    CHECK(response[0].id == R"("a\"b")");

    const auto error = read_json_rpc(R"({"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"x"}})");
    REQUIRE(error.size() == 1);
    CHECK(error[0].response);
    CHECK(error[0].id.empty());

    const auto notice = read_json_rpc(R"({"jsonrpc":"2.0","method":"notifications/progress","params":{}})");
    REQUIRE(notice.size() == 1);
    CHECK(notice[0].request);
    CHECK(notice[0].id.empty());
}

TEST_CASE("json-rpc: a batch") {
    const auto batch = read_json_rpc(R"([{"id":1,"method":"a"},{"id":"2","method":"b"}])");
    REQUIRE(batch.size() == 2);
    CHECK(batch[1].id == "\"2\"");
    CHECK(read_json_rpc(R"([{"id":1,"method":"a"},{"id":2,"method":"b"}])", 1).empty());
}

TEST_CASE("json-rpc: what is none gives nothing") {
    for (const char* text : {"", "null", "1", "[]", "{", "{\"id\":1", "{\"id\":1,", "{\"id\"}", "{\"id\":}", "{\"id\":1}x", "[{\"id\":1}", "{\"a", "{\"a\\",
                             "{\"a\":[1}", "\"result\"", "{]}", "{\"a\":1,}x"}) {
        CAPTURE(text);
        CHECK(read_json_rpc(text).empty());
    }
    CHECK(read_json_rpc("{}").size() == 1);
}

TEST_CASE("json-rpc: an answer among an event's data") {
    CHECK(has_json_rpc_response(R"({"jsonrpc":"2.0","id":1,"result":{}})"));
    CHECK(has_json_rpc_response(R"([{"method":"x"},{"id":1,"error":{}}])"));
    CHECK_FALSE(has_json_rpc_response(R"({"method":"notify","params":{"result":1}})"));
    CHECK_FALSE(has_json_rpc_response(R"({"params":{"result":1}})"));
    CHECK_FALSE(has_json_rpc_response("plain text with \"result\""));
}

TEST_CASE("json-rpc: the error for a lost connection carries the request's id as it was") {
    const std::string text = rejoin::json_rpc_connection_error("\"a\\\"b\"");
    const auto message = read_json_rpc(text);
    REQUIRE(message.size() == 1);
    CHECK(message[0].response);
    CHECK(message[0].id == "\"a\\\"b\"");
}

}  // namespace
