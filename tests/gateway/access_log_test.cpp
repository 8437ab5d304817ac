#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <rejoin/gateway/access_log.hpp>

#include "support/catch.hpp"

using namespace rejoin;
using namespace std::chrono_literals;

namespace {

std::string line(const AccessLogEntry& entry, const AccessLogOptions& options = {}) {
    std::string out;
    append_json(out, entry, options);
    return out;
}

/// The text of a member, quotes and all; empty when there is none.
std::string member(const std::string& json, std::string_view name) {
    const std::string key = "\"" + std::string{name} + "\":";
    const std::size_t at = json.find(key);
    if (at == std::string::npos) return {};
    const std::size_t begin = at + key.size();
    std::size_t end = begin;
    for (bool quoted = false; end < json.size() && (quoted || (json[end] != ',' && json[end] != '}')); ++end) {
        if (json[end] == '\\') ++end;
        else if (json[end] == '"') quoted = !quoted;
    }
    return json.substr(begin, end - begin);
}

std::chrono::system_clock::time_point at(std::chrono::milliseconds since_epoch) { return std::chrono::system_clock::time_point{since_epoch}; }

std::string target(std::string_view text, bool query = false) {
    AccessLogEntry entry;
    entry.target = text;
    return member(line(entry, {.query = query}), "target");
}

std::string client(std::string_view text) {
    AccessLogEntry entry;
    entry.client = text;
    return member(line(entry), "client");
}

}  // namespace

TEST_CASE("a request is one line of JSON", "[gateway][access_log]") {
    AccessLogEntry entry;
    entry.time = at(1'790'000'000'123ms);
    entry.client = "192.0.2.1";
    entry.method = "POST";
    entry.host = "example.com";
    entry.target = "/a/b?token=secret";
    entry.route = "/a";
    entry.status = 200;
    entry.upstream = "http://127.0.0.1:9000";
    entry.duration = 1'234'567us;
    entry.bytes_out = 42;
    CHECK(line(entry) ==
          "{\"time\":\"2026-09-21T14:13:20.123Z\",\"client\":\"192.0.2.1\",\"method\":\"POST\",\"host\":\"example.com\","
          "\"target\":\"/a/b\",\"route\":\"/a\",\"status\":200,\"upstream\":\"http://127.0.0.1:9000\",\"duration_ms\":1234.567,"
          "\"bytes_out\":42}\n");
}

TEST_CASE("a stream says how it went", "[gateway][access_log]") {
    AccessLogEntry entry;
    entry.status = 200;
    entry.stream = AccessLogEntry::Stream{7, ClientResume::exact, 2, ClientEnd::client_left};
    CHECK(line(entry) ==
          "{\"time\":\"1970-01-01T00:00:00.000Z\",\"status\":200,\"duration_ms\":0.000,\"bytes_out\":0,\"last_event_id\":false,"
          "\"events\":7,\"resume\":\"exact\",\"reconnects\":2,\"end\":\"client_left\"}\n");
}

TEST_CASE("an event id is told only to who asked for it", "[gateway][access_log]") {
    AccessLogEntry entry;
    CHECK(member(line(entry), "last_event_id").empty());
    entry.last_event_id = "id-7\"";
    CHECK(member(line(entry), "last_event_id") == "true");
    CHECK(line(entry).find("id-7") == std::string::npos);
    CHECK(member(line(entry, {.event_ids = true}), "last_event_id") == "\"id-7\\\"\"");
    entry.last_event_id.reset();
    entry.stream = AccessLogEntry::Stream{};
    CHECK(member(line(entry, {.event_ids = true}), "last_event_id") == "false");
}

TEST_CASE("the query and what stands before a host stay out of the log", "[gateway][access_log]") {
    CHECK(target("/a?b=c?d") == "\"/a\"");
    CHECK(target("/a?b=c?d", true) == "\"/a?b=c?d\"");
    CHECK(target("?") == "");
    CHECK(target("http://user:pass@host/a@b?c") == "\"http://host/a@b\"");
    CHECK(target("http://user:p@ss@host/a?c=d@e", true) == "\"http://host/a?c=d@e\"");
    CHECK(target("http://host/a@b") == "\"http://host/a@b\"");
    CHECK(target("http://user@host") == "\"http://host\"");
    CHECK(target("/redirect/http://x@y/") == "\"/redirect/http://x@y/\"");
}

TEST_CASE("nothing that a client sends breaks the line, the JSON, or a terminal", "[gateway][access_log]") {
    using namespace std::string_view_literals;
    CHECK(client("a\"b\\c/d") == "\"a\\\"b\\\\c/d\"");
    CHECK(client("\0\b\t\n\r\x1b\x1f\x7f "sv) == "\"\\u0000\\u0008\\u0009\\u000a\\u000d\\u001b\\u001f\\u007f \"");
    // U+0080, U+0085 and U+009B are obeyed by terminals, U+0085, U+2028 and U+2029 end lines for some; U+00A0 is a letter.
    CHECK(client("\xc2\x80\xc2\x85\xc2\x9b\xc2\xa0") == "\"\\u0080\\u0085\\u009b\xc2\xa0\"");
    CHECK(client("\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa") == "\"\xe2\x80\xa7\\u2028\\u2029\xe2\x80\xaa\"");
    CHECK(client("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80") == "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
    CHECK(client("a\xff" "b\xc2") == "\"a\xef\xbf\xbd" "b\xef\xbf\xbd\"");
    CHECK(client("\xed\xa0\x80") == "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    std::string all;
    for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
    const std::string json = line({.client = all, .method = all, .host = all, .target = all, .route = all, .upstream = all});
    CHECK(json.find_first_of("\r\n\x1b") == json.size() - 1);
}

TEST_CASE("times are UTC with milliseconds", "[gateway][access_log]") {
    const auto time = [](std::chrono::milliseconds since_epoch) { return member(line({.time = at(since_epoch)}), "time"); };
    CHECK(time(951'782'400'000ms - 1ms) == "\"2000-02-28T23:59:59.999Z\"");
    CHECK(time(951'782'400'000ms) == "\"2000-02-29T00:00:00.000Z\"");
    CHECK(time(951'868'800'000ms) == "\"2000-03-01T00:00:00.000Z\"");
    CHECK(time(-1ms) == "\"1969-12-31T23:59:59.999Z\"");
    CHECK(time(4'102'444'800'007ms) == "\"2100-01-01T00:00:00.007Z\"");
    CHECK(member(line({.time = at(0ms) + std::chrono::duration_cast<std::chrono::system_clock::duration>(999'999us)}), "time") ==
          "\"1970-01-01T00:00:00.999Z\"");
}

TEST_CASE("durations are milliseconds and never negative", "[gateway][access_log]") {
    const auto duration = [](std::chrono::nanoseconds value) { return member(line({.duration = value}), "duration_ms"); };
    CHECK(duration(0ns) == "0.000");
    CHECK(duration(1'999ns) == "0.001");
    CHECK(duration(50ms) == "50.000");
    CHECK(duration(24h + 7us) == "86400000.007");
    CHECK(duration(-5s) == "0.000");
}

TEST_CASE("entries follow each other", "[gateway][access_log]") {
    std::string out = "x\n";
    append_json(out, {.status = 204});
    append_json(out, {.status = 0});
    CHECK(out.find("\"status\":204") < out.find("\"status\":0,"));
    CHECK(out.starts_with("x\n{"));
    CHECK(out.find("}\n{") != std::string::npos);
    CHECK(out.ends_with("}\n"));
}

TEST_CASE("a record keeps the request as it came", "[gateway][access_log]") {
    const AccessRecord::TimePoint began{1h};
    RequestHead request;
    request.method = "GET";
    request.target = "http://u@h/s?lastEventId=a%20b";
    request.fields.set("host", "h");
    const AccessRecord record{request, "192.0.2.1", began};
    request = {};
    ExchangeOutcome outcome{.status = 200, .upstream = "http://u:1", .route = "/s", .bytes_out = 9};
    outcome.stream = AccessLogEntry::Stream{3, ClientResume::gap, 1, ClientEnd::truncated};
    const AccessLogEntry entry = record.entry(outcome, began + 1500us);
    CHECK(line(entry, {.event_ids = true}) ==
          "{\"time\":\"1970-01-01T00:00:00.000Z\",\"client\":\"192.0.2.1\",\"method\":\"GET\",\"host\":\"h\","
          "\"target\":\"http://h/s\",\"route\":\"/s\",\"status\":200,\"upstream\":\"http://u:1\",\"duration_ms\":1.500,"
          "\"bytes_out\":9,\"last_event_id\":\"a b\",\"events\":3,\"resume\":\"gap\",\"reconnects\":1,\"end\":\"truncated\"}\n");
    CHECK(member(line(AccessRecord{{}, "c", began}.entry({}, began)), "last_event_id").empty());
}
