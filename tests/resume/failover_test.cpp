#include <chrono>
#include <memory>
#include <string>
#include <system_error>

#include <rejoin/resume/circuit_breakers.hpp>
#include <rejoin/resume/failover.hpp>

#include "support/catch.hpp"

namespace rejoin {
namespace {

using namespace std::chrono_literals;
using TimePoint = Failover::TimePoint;

TimePoint at(std::chrono::milliseconds time) { return TimePoint{} + 1h + time; }

TEST_CASE("failover: the first in order that has not failed lately") {
    Failover failover{3, 30s};
    CHECK(failover.pick(at(0ms)) == 0);
    failover.failed(0, at(0ms));
    CHECK(failover.pick(at(1ms)) == 1);
    failover.failed(1, at(10s));
    CHECK(failover.pick(at(11s)) == 2);
    CHECK(failover.any_ready(at(11s)));
    CHECK(failover.pick(at(30s) - 1ms) == 2);
    CHECK(failover.pick(at(30s)) == 0);
}

TEST_CASE("failover: when all have failed, the one whose failure is longest ago") {
    Failover failover{3, 30s};
    failover.failed(0, at(3s));
    failover.failed(1, at(1s));
    failover.failed(2, at(2s));
    CHECK_FALSE(failover.any_ready(at(4s)));
    CHECK(failover.pick(at(4s)) == 1);
    failover.succeeded(2);
    CHECK(failover.pick(at(4s)) == 2);
}

TEST_CASE("failover: without cool-down the first is always asked") {
    Failover failover{2, 0s};
    failover.failed(0, at(0ms));
    CHECK(failover.pick(at(0ms)) == 0);
}

TEST_CASE("failover: bad options") {
    CHECK_THROWS_AS((Failover{0, 1s}), std::system_error);
    CHECK_THROWS_AS((Failover{1, -1s}), std::system_error);
}

TEST_CASE("circuit breakers: one for each origin, as long as somebody holds it") {
    CircuitBreakerOptions options;
    options.failures = 1;
    CircuitBreakers breakers{options};
    const auto a = breakers.of("http://a");
    CHECK(breakers.of("http://a") == a);
    CHECK(breakers.of("http://b") != a);
    a->failure(at(0ms));
    CHECK(breakers.of("http://a")->state(at(1ms)) == CircuitBreaker::State::open);
    std::weak_ptr<CircuitBreaker> gone = breakers.of("http://b");
    CHECK(gone.expired());
    for (int i = 0; i < 100; ++i) static_cast<void>(breakers.of("http://" + std::to_string(i)));
    CHECK(breakers.of("http://a") == a);
    CHECK(breakers.size() < 40);
    options.half_open_max = 0;
    CHECK_THROWS_AS(CircuitBreakers{options}, std::system_error);
}

}  // namespace
}  // namespace rejoin
