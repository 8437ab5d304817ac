#include <chrono>
#include <string>

#include "../../examples/parse_duration.hpp"
#include "support/catch.hpp"

// What the example programs read as a duration.

namespace {

using namespace std::chrono_literals;

TEST_CASE("durations: a number and its unit") {
    std::string why;
    const auto parse = [&](const char* text) { return examples::parse_duration(text, why); };
    CHECK(parse("250ms") == 250ms);
    CHECK(parse("3s") == 3s);
    CHECK(parse("1m") == 1min);
    CHECK(parse("500us") == 500us);
    CHECK(parse("2h") == 2h);
    CHECK(parse("1.5s") == 1500ms);
    CHECK(parse("0.001ms") == 1us);
    CHECK(parse("0") == 0s);
    CHECK(parse("0s") == 0s);
    CHECK(parse("000") == 0s);
    CHECK(why.empty());
}

TEST_CASE("durations: everything else is refused with a reason") {
    for (const char* text : {"", "250", "1.5", "s", "ms", "-1s", "-0s", "+1s", "1 s", " 1s", "1s ", "1S", "1d", "1e3s", "inf",
                             "nan", "0x10ms", "1ss", "1s500ms", "99999999999999999999h", "--"}) {
        CAPTURE(text);
        std::string why;
        CHECK_FALSE(examples::parse_duration(text, why));
        CHECK(why.find("'" + std::string{text} + "'") != std::string::npos);
    }
    std::string why;
    CHECK_FALSE(examples::parse_duration("250", why));
    CHECK(why == "'250' needs a unit, as in 250ms or 250s");
}

TEST_CASE("durations: written so that they are read again") {
    for (const examples::Duration duration : {examples::Duration{0s}, examples::Duration{1us}, examples::Duration{1500ms},
                                              examples::Duration{60s}, examples::Duration{90s}, examples::Duration{2h}}) {
        std::string why;
        CHECK(examples::parse_duration(examples::duration_text(duration), why) == duration);
    }
    CHECK(examples::duration_text(90s) == "90s");
    CHECK(examples::duration_text(1500ms) == "1500ms");
    CHECK(examples::duration_text(2min) == "2m");
}

}  // namespace
