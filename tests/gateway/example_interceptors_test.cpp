#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "../../examples/interceptors/count_tokens.hpp"
#include "../../examples/interceptors/redact_json.hpp"

#include "support/catch.hpp"

namespace {

std::string redacted(const std::string& path, const std::string& data) {
    examples::RedactJson redact{path};
    std::vector<rejoin::SseEvent> events(2);
    events[0].data = data;
    events[1].data = data;
    redact({}, events);
    CHECK(events[0].data == events[1].data);  // nothing is left over from the one before
    return events[0].data;
}

struct Counted {
    examples::TokenCount count;
    int reports = 0;
};

Counted counted(const std::vector<std::string>& data) {
    Counted counted;
    examples::CountTokens counter{[&counted](const rejoin::StreamContext&, const examples::TokenCount& count, rejoin::StreamEnding) {
        counted.count = count;
        ++counted.reports;
    }};
    std::vector<rejoin::SseEvent> events(data.size());
    for (std::size_t i = 0; i < data.size(); ++i) events[i].data = data[i];
    counter({}, events);
    counter.on_end({}, rejoin::StreamEnding::cut);
    return counted;
}

}  // namespace

TEST_CASE("redact: the value at a path, whatever it is, and nothing else") {
    CHECK(redacted("a", R"({"a":"x","b":"a"})") == R"({"a":"***","b":"a"})");
    CHECK(redacted("a", R"( { "b" : 1.10 , "a" : -12.5e+3 , "c" : 123456789012345678901234567890 } )") ==
          R"( { "b" : 1.10 , "a" : "***" , "c" : 123456789012345678901234567890 } )");
    CHECK(redacted("a", R"({"a":null})") == R"({"a":"***"})");
    CHECK(redacted("a", R"({"a":true,"a":false})") == R"({"a":"***","a":"***"})");
    CHECK(redacted("a", R"({"a":{"a":[1,{"a":2}]},"b":[{"a":3}]})") == R"({"a":"***","b":[{"a":3}]})");
    CHECK(redacted("a", R"({"a":[],"b":{"a":1}})") == R"({"a":"***","b":{"a":1}})");
    CHECK(redacted("a", R"({"a":"\"}, \u0022","b":1})") == R"({"a":"***","b":1})");
    CHECK(redacted("a", R"({"\u0061":"hidden"})") == R"({"\u0061":"***"})");
    CHECK(redacted("user.email", R"({"user":{"email":"x","emails":"y"},"email":"z"})") == R"({"user":{"email":"***","emails":"y"},"email":"z"})");
    CHECK(redacted("user.email", R"({"user":"email"})") == R"({"user":"email"})");
    CHECK(redacted("user.email", R"({"user":["email",{"email":1}]})") == R"({"user":["email",{"email":1}]})");
    CHECK(redacted("c.*.t", R"({"c":[{"t":"1"},{"x":2,"t":{}},[{"t":3}]],"d":[{"t":4}]})") ==
          R"({"c":[{"t":"***"},{"x":2,"t":"***"},[{"t":3}]],"d":[{"t":4}]})");
    CHECK(redacted("c.*", R"({"c":{"x":1,"y":[2]}})") == R"({"c":{"x":"***","y":"***"}})");
    CHECK(redacted("c.1", R"({"c":[0,1,2]})") == R"({"c":[0,"***",2]})");
    CHECK(redacted("c.1", R"({"c":{"0":0,"1":1}})") == R"({"c":{"0":0,"1":"***"}})");
    CHECK(redacted("*", R"([1, "b", {}])") == R"(["***", "***", "***"])");
    CHECK(redacted("0.0", R"([[[1],2],3])") == R"([["***",2],3])");
}

TEST_CASE("redact: what is not JSON, or lacks the field, stays as it is") {
    for (const std::string data : {"", "[DONE]", "a", "an a: {\"a\":\"x\"}", "{\"b\":1}", "\"a\"", "7", "{\"b\":", "[b"}) {
        CHECK(redacted("a", data) == data);
    }
}

TEST_CASE("redact: what a browser reads is redacted, too") {
    CHECK(redacted("a", "{\"a\":\"\xff\",\"b\":\"\xff\"}") == "{\"a\":\"***\",\"b\":\"\xff\"}");
    CHECK(redacted("a", R"({"b":"\ud83d","a":"x","c":"\ude00"})") == R"({"b":"\ud83d","a":"***","c":"\ude00"})");
    CHECK(redacted("a", R"({"b":"\ud83d\ude00\\ud83d","a":"x"})") == R"({"b":"\ud83d\ude00\\ud83d","a":"***"})");
    CHECK(redacted("a", "\xEF\xBB\xBF{\"a\":1}") == "\xEF\xBB\xBF{\"a\":\"***\"}");
}

TEST_CASE("redact: what may hold the field and can't be read goes as a whole") {
    for (const std::string data : {"{\"a\":\"x\"", "{\"a\":\"x\"}}", "{\"a\":\"x\"} {\"a\":\"y\"}", "{'a':1}", "{\"a\":01}", " {\"b\":1e999,\"a\":1}"}) {
        CHECK(redacted("a", data) == "\"***\"");
    }
}

TEST_CASE("redact: a path is made of names") {
    for (const char* const path : {"", ".", "a.", ".a", "a..b"}) CHECK_THROWS_AS(examples::RedactJson{path}, std::invalid_argument);
    CHECK(examples::JsonPath{"a.b"}.find(R"({"a":{"b":1}})").size() == 1);
}

TEST_CASE("count tokens: OpenAI's chunks") {
    const std::string first = R"({"choices":[{"delta":{"role":"assistant","content":""},"index":0}],"usage":null})";
    const std::string more = R"({"choices":[{"delta":{"content":"a \"usage\" of \"delta\""},"index":0}],"usage":null})";
    const std::string call = R"({"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}}]})";
    const std::string last = R"({"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null})";
    const std::string usage = R"({"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}})";
    const Counted whole = counted({first, more, more, call, last, usage, "[DONE]"});
    CHECK(whole.reports == 1);
    CHECK(whole.count.input == 11);
    CHECK(whole.count.output == 7);
    CHECK(whole.count.reported);
    const Counted cut = counted({first, more, more, call});
    CHECK(cut.count.input == 0);
    CHECK(cut.count.output == 3);
    CHECK_FALSE(cut.count.reported);
    const Counted two = counted({R"({"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"}}]})"});
    CHECK(two.count.output == 2);
    CHECK(counted({R"({"choices":[{"delta":{"content":null,"tool_calls":[],"refusal":""}}]})"}).count.output == 0);
    // Some tell the sum so far in every chunk.
    CHECK(counted({R"({"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":2,"completion_tokens":1}})",
                   R"({"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":2,"completion_tokens":2}})"}).count.output == 2);
}

TEST_CASE("count tokens: OpenAI's responses") {
    const std::string delta = R"({"type":"response.output_text.delta","delta":"Hi"})";
    CHECK(counted({delta, delta}).count.output == 2);
    const Counted whole = counted({delta, delta, R"({"type":"response.completed","response":{"usage":{"input_tokens":5,"output_tokens":4}}})"});
    CHECK(whole.count.input == 5);
    CHECK(whole.count.output == 4);
}

TEST_CASE("count tokens: Anthropic's messages") {
    const std::string start = R"({"type":"message_start","message":{"usage":{"input_tokens":25,"output_tokens":1}}})";
    const std::string delta = R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}})";
    const std::string end = R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}})";
    const Counted whole = counted({start, delta, delta, end, R"({"type":"message_stop"})"});
    CHECK(whole.count.input == 25);
    CHECK(whole.count.output == 15);
    CHECK(whole.count.reported);
    const Counted cut = counted({start, delta, delta});
    CHECK(cut.count.input == 25);
    CHECK(cut.count.output == 2);
    CHECK_FALSE(cut.count.reported);
}

TEST_CASE("count tokens: nothing is told of a stream that is no completion, and nothing upsets it") {
    const Counted none = counted({"", "[DONE]", "{}", R"({"a":1})", "\"delta\"", "[\"usage\"]", "{\"usage\""});
    CHECK(none.reports == 0);
    const Counted odd = counted({R"({"usage":3})", R"({"usage":{"completion_tokens":-1,"prompt_tokens":"x"}})", R"({"choices":7,"delta":1})",
                                 R"({"choices":[3,null,{"delta":4},{"delta":{"content":null}}],"message":[],"response":null})"});
    CHECK(odd.reports == 1);
    CHECK(odd.count.output == 0);
    CHECK_FALSE(odd.count.reported);
}
