#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <rejoin/gateway/resume_request.hpp>

#include "support/catch.hpp"

using rejoin::RequestHead;
using rejoin::ResumeRequest;

namespace {

ResumeRequest resume(std::string target, std::optional<std::string_view> header = std::nullopt, std::string method = "GET") {
    RequestHead request;
    request.method = std::move(method);
    request.target = std::move(target);
    if (header) request.fields.add("last-event-id", *header);
    return ResumeRequest{request};
}

}  // namespace

TEST_CASE("resume: a request without an id") {
    for (const char* target : {"/", "/s", "/s?", "/s?a=1", "/s?a=1&b=2", "/s?a=1&&b", "/s?&", "/s?a=1&", "*", "/s?a=last_event_id"}) {
        CAPTURE(target);
        const ResumeRequest request = resume(target);
        CHECK_FALSE(request.id.has_value());
        CHECK(request.target == target);
    }
}

TEST_CASE("resume: the header") {
    CHECK(resume("/s", "5").id == "5");
    CHECK(resume("/s", "a b%20+").id == "a b%20+");  // taken as it is
    CHECK(resume("/s", "\xC3\xA9").id == "\xC3\xA9");
    CHECK(resume("/s?a=1", "5").target == "/s?a=1");
    CHECK_FALSE(resume("/s", "").id.has_value());
}

TEST_CASE("resume: the parameter, wherever it stands") {
    struct Case {
        const char* target;
        const char* id;
        const char* rest;
    };
    for (const Case& one : {
             Case{"/s?last_event_id=5", "5", "/s"},
             Case{"/s?lastEventId=5", "5", "/s"},
             Case{"/s?last_event_id=5&a=1", "5", "/s?a=1"},
             Case{"/s?a=1&last_event_id=5", "5", "/s?a=1"},
             Case{"/s?a=1&lastEventId=5&b=2", "5", "/s?a=1&b=2"},
             Case{"/s?a=1&lastEventId=5&b=2&", "5", "/s?a=1&b=2&"},
             Case{"/s?a=b=c&lastEventId=x=y", "x=y", "/s?a=b=c"},
             Case{"/s?a=%20&lastEventId=5", "5", "/s?a=%20"},
             Case{"/?lastEventId=/s?x", "/s?x", "/"},
         }) {
        CAPTURE(one.target);
        const ResumeRequest request = resume(one.target);
        CHECK(request.id == one.id);
        CHECK(request.target == one.rest);
    }
}

TEST_CASE("resume: names that are only like it") {
    for (const char* target : {"/s?Last_Event_Id=5", "/s?lasteventid=5", "/s?last_event_id2=5", "/s?xlastEventId=5", "/s?last-event-id=5",
                               "/last_event_id=5", "/s?a=1;lastEventId=5"}) {
        CAPTURE(target);
        CHECK_FALSE(resume(target).id.has_value());
        CHECK(resume(target).target == target);
    }
}

TEST_CASE("resume: the parameter is decoded") {
    CHECK(resume("/s?lastEventId=a%2Fb%3d%26").id == "a/b=&");
    CHECK(resume("/s?lastEventId=a+b%2B").id == "a b+");
    CHECK(resume("/s?lastEventId=%C3%A9").id == "\xC3\xA9");
    CHECK(resume("/s?lastEventId=a%00b").id == std::string("a\0b", 3));
    // Not an escape: taken literally, never read past the end.
    CHECK(resume("/s?lastEventId=%").id == "%");
    CHECK(resume("/s?lastEventId=%4").id == "%4");
    CHECK(resume("/s?lastEventId=%zz").id == "%zz");
    CHECK(resume("/s?lastEventId=%4z").id == "%4z");
    CHECK(resume("/s?lastEventId=%41").id == "A");
    CHECK(resume("/s?lastEventId=%%41").id == "%A");
    CHECK(resume("/s?lastEventId=%4&a=1").id == "%4");
    CHECK(resume("/s?lastEventId=%&41").id == "%");
}

TEST_CASE("resume: an empty parameter is no id, and is not passed on") {
    for (const char* target : {"/s?lastEventId=", "/s?lastEventId", "/s?last_event_id=", "/s?last_event_id=&lastEventId"}) {
        CAPTURE(target);
        CHECK_FALSE(resume(target).id.has_value());
        CHECK(resume(target).target == "/s");
    }
}

TEST_CASE("resume: of several parameters the last counts, none is passed on") {
    CHECK(resume("/s?lastEventId=1&a=1&lastEventId=2").id == "2");
    CHECK(resume("/s?lastEventId=1&a=1&lastEventId=2").target == "/s?a=1");
    CHECK(resume("/s?last_event_id=1&lastEventId=2").id == "2");
    CHECK(resume("/s?lastEventId=2&last_event_id=1").id == "1");
}

TEST_CASE("resume: the header beats the parameter") {
    const ResumeRequest both = resume("/s?lastEventId=1&a=1", "2");
    CHECK(both.id == "2");
    CHECK(both.target == "/s?a=1");
    CHECK_FALSE(resume("/s?lastEventId=1", "").id.has_value());
}

TEST_CASE("resume: other methods' targets are left as they are") {
    for (const char* method : {"POST", "PUT", "DELETE", "HEAD", "OPTIONS"}) {
        CAPTURE(method);
        const ResumeRequest request = resume("/s?a=1&lastEventId=5", std::nullopt, method);
        CHECK_FALSE(request.id.has_value());
        CHECK(request.target == "/s?a=1&lastEventId=5");
        CHECK(resume("/s", "5", method).id == "5");
    }
}
