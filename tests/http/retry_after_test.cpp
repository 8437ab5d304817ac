#include <chrono>
#include <optional>
#include <string_view>

#include <rejoin/http/retry_after.hpp>

#include "support/catch.hpp"

using rejoin::parse_http_date;
using rejoin::parse_retry_after;
using std::chrono::seconds;
using std::chrono::system_clock;

namespace {

// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110.
const system_clock::time_point example{seconds{784111777}};

std::optional<seconds> wait(std::string_view value, system_clock::duration since_example = {}) {
    return parse_retry_after(value, example + since_example);
}

}  // namespace

TEST_CASE("Retry-After in seconds") {
    CHECK(wait("0") == seconds{0});
    CHECK(wait("120") == seconds{120});
    CHECK(wait(" 007\t") == seconds{7});
    CHECK(wait("2147483647") == seconds{2147483647});
    CHECK(wait("2147483648") == seconds{2147483647});
    CHECK(wait("99999999999999999999999999") == seconds{2147483647});
}

TEST_CASE("Retry-After as a date, in its three forms") {
    for (const std::string_view date :
         {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"}) {
        CAPTURE(date);
        CHECK(parse_http_date(date, example) == example);
        CHECK(wait(date) == seconds{0});
        CHECK(wait(date, -seconds{90}) == seconds{90});
        CHECK(wait(date, -std::chrono::milliseconds{1500}) == seconds{2});
        CHECK(wait(date, seconds{90}) == seconds{0});
        CHECK(wait(date, std::chrono::hours{24 * 365 * 20}) == seconds{0});
    }
    CHECK(wait("Sun, 06 Nov 1994 08:49:37 GMT", -std::chrono::hours{24 * 365 * 80}) == seconds{2147483647});
    CHECK(wait("Mon Nov 16 08:49:37 1994") == seconds{10 * 86400});
    CHECK(wait("Fri, 31 Dec 9999 23:59:60 GMT") == seconds{2147483647});
    CHECK(wait("Thu, 01 Jan 1970 00:00:00 GMT") == seconds{0});
    CHECK(wait("Thu, 01 Jan 1004 00:00:00 GMT") == seconds{0});
}

TEST_CASE("a year of two digits is at most fifty years ahead") {
    const auto year_of = [](std::string_view date) {
        const auto parsed = parse_http_date(date, example);
        REQUIRE(parsed);
        return static_cast<int>(std::chrono::year_month_day{std::chrono::floor<std::chrono::days>(*parsed)}.year());
    };
    CHECK(year_of("Sunday, 06-Nov-94 08:49:37 GMT") == 1994);
    CHECK(year_of("Sunday, 06-Nov-99 08:49:37 GMT") == 1999);
    CHECK(year_of("Sunday, 06-Nov-00 08:49:37 GMT") == 2000);
    CHECK(year_of("Sunday, 06-Nov-44 08:49:37 GMT") == 2044);
    CHECK(year_of("Sunday, 06-Nov-45 08:49:37 GMT") == 1945);
    CHECK(year_of("Sunday, 06-Nov-93 08:49:37 GMT") == 1993);
    const system_clock::time_point in_2099 = std::chrono::sys_days{std::chrono::year{2099} / 1 / 1};
    CHECK(parse_http_date("Sunday, 06-Nov-01 08:49:37 GMT", in_2099) ==
          std::chrono::sys_days{std::chrono::year{2101} / 11 / 6} + seconds{31777});
}

TEST_CASE("anything else is no Retry-After") {
    for (const std::string_view value : {"",
                                         " ",
                                         "-1",
                                         "+1",
                                         "1.5",
                                         "1s",
                                         "soon",
                                         "1 2",
                                         "0x10",
                                         "Sun, 06 Nov 1994 08:49:37",
                                         "Sun, 06 Nov 1994 08:49:37 UTC",
                                         "Sun, 06 Nov 1994 08:49:37 GMT x",
                                         "Sun, 6 Nov 1994 08:49:37 GMT",
                                         "Sun, 31 Feb 1994 08:49:37 GMT",
                                         "Sun, 00 Nov 1994 08:49:37 GMT",
                                         "Sun, 06 Nov 1994 24:00:00 GMT",
                                         "Sun, 06 Nov 1994 08:60:00 GMT",
                                         "Sun, 06 Nov 1994 08:49:61 GMT",
                                         "Xun, 06 Nov 1994 08:49:37 GMT",
                                         "Sun, 06 Nox 1994 08:49:37 GMT",
                                         "sun, 06 nov 1994 08:49:37 gmt",
                                         "06 Nov 1994 08:49:37 GMT",
                                         "Sun, 06 Nov 94 08:49:37 GMT",
                                         "Sunday, 06-Nov-1994 08:49:37 GMT",
                                         "Sun Nov 6 08:49:37 1994",
                                         "Sun Nov  6 08:49:37 1994 GMT",
                                         "Sun, ",
                                         "Sun, 06 Nov 1994 8:49:37 GMT",
                                         "1994-11-06T08:49:37Z"}) {
        CAPTURE(value);
        CHECK(wait(value) == std::nullopt);
    }
}
