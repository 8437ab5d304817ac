#include "support/catch.hpp"

#include <chrono>
#include <system_error>

#include <rejoin/resume/circuit_breaker.hpp>
#include <rejoin/resume/health_monitor.hpp>

using namespace rejoin;
using namespace std::chrono_literals;

namespace {

const std::chrono::steady_clock::time_point t0{1000h};

HealthMonitorOptions clocks(std::chrono::milliseconds idle, std::chrono::milliseconds stalled) {
    HealthMonitorOptions out;
    out.idle = idle;
    out.stalled = stalled;
    return out;
}

}  // namespace

TEST_CASE("health: silence is idle, to the tick") {
    HealthMonitor monitor;
    monitor.start(t0);
    CHECK(monitor.next_deadline() == t0 + 60s);
    CHECK(monitor.check(t0 + 60s - 1ns) == Health::ok);
    CHECK(monitor.check(t0 + 60s) == Health::idle);
    monitor.on_bytes(t0 + 59s);
    CHECK(monitor.next_deadline() == t0 + 119s);
    CHECK(make_error_code_for(Health::idle) == Error::idle_timeout);
    CHECK(make_error_code_for(Health::stalled) == Error::stalled);
    CHECK_FALSE(make_error_code_for(Health::ok));
}

TEST_CASE("health: heartbeats only: never idle, but stalled if that is asked for") {
    HealthMonitor idle_only{clocks(10s, 0ms)};
    HealthMonitor both{clocks(10s, 60s)};
    for (HealthMonitor* monitor : {&idle_only, &both}) {
        monitor->start(t0);
        monitor->on_bytes(t0);
        monitor->on_event(t0);
    }
    auto now = t0;
    for (int i = 0; i < 11; ++i) {
        now += 5s;
        CHECK(idle_only.check(now) == Health::ok);
        CHECK(both.check(now) == Health::ok);
        idle_only.on_bytes(now);
        both.on_bytes(now);
    }
    now += 5s;  // 60 s after the event
    CHECK(idle_only.check(now) == Health::ok);
    CHECK(both.check(now) == Health::stalled);
}

TEST_CASE("health: a resumed connection has to say something soon, and less soon each time it does not") {
    HealthMonitorOptions options = clocks(60s, 0ms);
    options.resumed = 3s;
    HealthMonitor monitor{options};
    monitor.start(t0);
    CHECK(monitor.next_deadline() == t0 + 60s);  // not resumed
    for (const auto limit : {3s, 6s, 12s, 24s, 48s, 60s, 60s, 60s, 60s, 60s, 60s, 60s, 60s, 60s}) {
        monitor.start(t0, true);
        CHECK(monitor.next_deadline() == t0 + limit);
        CHECK(monitor.check(t0 + limit) == Health::idle);
    }
    monitor.on_bytes(t0);
    CHECK(monitor.next_deadline() == t0 + 60s);
    monitor.start(t0, true);
    CHECK(monitor.next_deadline() == t0 + 3s);
    monitor.start(t0, false);
    CHECK(monitor.next_deadline() == t0 + 60s);

    options.idle = 0ms;
    HealthMonitor endless{options};
    endless.start(t0, true);
    CHECK(endless.next_deadline() == t0 + 3s);
    endless.on_bytes(t0 + 1s);
    CHECK(endless.check(t0 + 24h) == Health::ok);

    options.resumed = -1ms;
    CHECK_THROWS_AS(HealthMonitor{options}, std::system_error);
}

TEST_CASE("health: the stalled clock starts with the first event") {
    HealthMonitor monitor{clocks(0ms, 30s)};
    monitor.start(t0);
    monitor.on_bytes(t0 + 100s);
    CHECK(monitor.next_deadline() == std::chrono::steady_clock::time_point::max());
    CHECK(monitor.check(t0 + 1000s) == Health::ok);
    monitor.on_event(t0 + 1000s);
    CHECK(monitor.next_deadline() == t0 + 1030s);
    CHECK(monitor.check(t0 + 1030s) == Health::stalled);
    monitor.start(t0 + 1031s);  // the next connection
    CHECK(monitor.check(t0 + 2000s) == Health::ok);
}

TEST_CASE("health: both clocks stand still while the consumer holds an event") {
    HealthMonitor monitor{clocks(10s, 20s)};
    monitor.start(t0);
    monitor.on_event(t0);
    monitor.pause(t0 + 4s);
    monitor.pause(t0 + 5s);  // standing already
    CHECK(monitor.paused());
    CHECK(monitor.next_deadline() == std::chrono::steady_clock::time_point::max());
    CHECK(monitor.check(t0 + 34s) == Health::ok);
    monitor.resume(t0 + 34s);  // held three times the idle limit
    CHECK(monitor.check(t0 + 34s) == Health::ok);
    CHECK(monitor.next_deadline() == t0 + 40s);
    CHECK(monitor.check(t0 + 40s) == Health::idle);
    monitor.on_bytes(t0 + 40s);
    CHECK(monitor.next_deadline() == t0 + 50s);
    CHECK(monitor.check(t0 + 50s) == Health::idle);
    monitor.on_bytes(t0 + 49s);
    CHECK(monitor.check(t0 + 50s) == Health::stalled);  // 20 s after the event, 30 s of holding not counted
    monitor.resume(t0 + 60s);                           // going already: nothing
    CHECK(monitor.check(t0 + 50s) == Health::stalled);
}

TEST_CASE("health: what arrives while standing does not count the pause twice") {
    HealthMonitor monitor{clocks(10s, 0ms)};
    monitor.start(t0);
    monitor.pause(t0 + 1s);
    monitor.on_bytes(t0 + 20s);
    monitor.resume(t0 + 31s);
    CHECK(monitor.next_deadline() == t0 + 41s);
}

TEST_CASE("health: both off: never") {
    HealthMonitor monitor{clocks(0ms, 0ms)};
    monitor.start(t0);
    monitor.on_event(t0);
    CHECK(monitor.next_deadline() == std::chrono::steady_clock::time_point::max());
    CHECK(monitor.check(t0 + 10000h) == Health::ok);
}

TEST_CASE("health: the interval is learned from heartbeats") {
    HealthMonitorOptions options = clocks(60s, 0ms);
    options.learned_factor = 3.0;
    HealthMonitor monitor{options};
    monitor.start(t0);
    auto now = t0;
    for (int i = 0; i < 4; ++i) {
        CHECK(monitor.idle_limit() == 60s);
        now += 5s;
        monitor.on_bytes(now);
        monitor.on_heartbeat(now);
    }
    CHECK(monitor.idle_limit() == 15s);
    CHECK(monitor.next_deadline() == now + 15s);
    CHECK(monitor.check(now + 15s) == Health::idle);

    SECTION("a longer interval lengthens it at once") {
        now += 9s;
        monitor.on_bytes(now);
        monitor.on_heartbeat(now);
        CHECK(monitor.idle_limit() == 27s);
    }
    SECTION("never beyond the configured limit") {
        now += 45s;
        monitor.on_bytes(now);
        monitor.on_heartbeat(now);
        CHECK(monitor.idle_limit() == 60s);
    }
    SECTION("the next connection keeps it, and the time between the two is no interval") {
        monitor.start(now + 40s);
        monitor.on_heartbeat(now + 41s);
        CHECK(monitor.idle_limit() == 15s);
    }
    SECTION("time held by the consumer is no interval") {
        monitor.pause(now + 1s);
        monitor.resume(now + 31s);
        monitor.on_heartbeat(now + 31s);
        CHECK(monitor.idle_limit() == 15s);
        monitor.on_heartbeat(now + 36s);
        CHECK(monitor.idle_limit() == 15s);
    }
    SECTION("a floor") {
        for (int i = 0; i < 6; ++i) {
            now += 100ms;
            monitor.on_heartbeat(now);
        }
        CHECK(monitor.idle_limit() == 5s);
    }
}

TEST_CASE("health: options out of their domain") {
    HealthMonitorOptions bad = clocks(-1ms, 0ms);
    CHECK_THROWS_AS(HealthMonitor{bad}, std::system_error);
    bad = clocks(0ms, 0ms);
    bad.learned_factor = 0.5;
    CHECK_THROWS_AS(HealthMonitor{bad}, std::system_error);
}

TEST_CASE("breaker: opens after failures in a row, tries, closes on success") {
    CircuitBreaker breaker;
    using State = CircuitBreaker::State;
    for (int i = 0; i < 4; ++i) {
        CHECK(breaker.allow(t0));
        breaker.failure(t0);
    }
    breaker.success(t0);  // not in a row
    for (int i = 0; i < 5; ++i) {
        CHECK(breaker.state(t0) == State::closed);
        CHECK(breaker.allow(t0));
        breaker.failure(t0);
    }
    CHECK(breaker.state(t0) == State::open);
    CHECK_FALSE(breaker.allow(t0 + 30s - 1ns));
    CHECK(breaker.retry_at() == t0 + 30s);

    CHECK(breaker.state(t0 + 30s) == State::half_open);
    CHECK(breaker.allow(t0 + 30s));
    CHECK_FALSE(breaker.allow(t0 + 30s));  // one at a time
    SECTION("success closes") {
        breaker.success(t0 + 31s);
        CHECK(breaker.state(t0 + 31s) == State::closed);
        CHECK(breaker.allow(t0 + 31s));
        for (int i = 0; i < 4; ++i) breaker.failure(t0 + 31s);
        CHECK(breaker.state(t0 + 31s) == State::closed);  // counting from zero again
    }
    SECTION("failure opens again") {
        breaker.failure(t0 + 31s);
        CHECK(breaker.state(t0 + 60s) == State::open);
        CHECK(breaker.retry_at() == t0 + 61s);
        CHECK(breaker.allow(t0 + 61s));
    }
    SECTION("a cancelled attempt gives its place back") {
        breaker.release();
        CHECK(breaker.allow(t0 + 30s));
        CHECK_FALSE(breaker.allow(t0 + 30s));
    }
    SECTION("a place never given back is taken back in time") {
        CHECK(breaker.retry_at() == t0 + 60s);
        CHECK_FALSE(breaker.allow(t0 + 59s));
        CHECK(breaker.allow(t0 + 60s));
        CHECK_FALSE(breaker.allow(t0 + 60s));
    }
}

TEST_CASE("breaker: what was begun before it opened changes nothing when it ends late") {
    CircuitBreakerOptions options;
    options.failures = 1;
    CircuitBreaker breaker{options};
    breaker.failure(t0);
    breaker.failure(t0 + 20s);
    CHECK(breaker.retry_at() == t0 + 30s);
    breaker.success(t0 + 21s);
    CHECK(breaker.state(t0 + 21s) == CircuitBreaker::State::open);
    breaker.failure(t0 + 31s);  // nobody was allowed to try yet
    CHECK(breaker.allow(t0 + 31s));
}

TEST_CASE("breaker: off, and out of its domain") {
    CircuitBreakerOptions options;
    options.failures = 0;
    CircuitBreaker breaker{options};
    for (int i = 0; i < 1000; ++i) breaker.failure(t0);
    CHECK(breaker.allow(t0));
    options.half_open_max = 0;
    CHECK_THROWS_AS(CircuitBreaker{options}, std::system_error);
}
