#include <string>

#include "client/support.hpp"

namespace rejoin::testing {
namespace {

TEST_CASE("an observer is told of each item in the reader's order, and counters add it up") {
    World world;
    const auto counters = std::make_shared<StreamCounters>();
    world.options.observer = counters;
    world.options.parser.comments = true;
    world.options.tracker.order = IdOrder::integer;
    world.server.then(Reaction::stream().event("a", "1").comment("hi").event("b", "2").truncate())
        .then(Reaction::respond(503))
        .then(Reaction::stream().event("b", "2").event("c", "3").reset())
        .then(Reaction::stream().event("g", "7").clean())
        .otherwise(Reaction::respond(204));
    const auto stream = world.open();
    while (world.next(*stream) != "(end)") {}
    CHECK(counters->events == 4);
    CHECK(counters->comments == 1);
    CHECK(counters->opened == 3);
    CHECK(counters->dropped[static_cast<std::size_t>(EndReason::truncated)] == 1);
    CHECK(counters->dropped[static_cast<std::size_t>(EndReason::reset)] == 1);
    CHECK(counters->dropped[static_cast<std::size_t>(EndReason::complete)] == 1);
    CHECK(counters->retries == 4);
    CHECK(counters->outcomes[static_cast<std::size_t>(ResumeOutcome::overlapped)] == 1);
    CHECK(counters->outcomes[static_cast<std::size_t>(ResumeOutcome::gap_possible)] == 1);
    CHECK(counters->gaps == 1);
    CHECK(counters->lost == 3);
    CHECK(counters->finished == 1);
    CHECK(counters->recovered == 2);
    // 100 ms and 200 ms behind the first drop, 100 ms behind the second.
    CHECK(counters->recovering == 400ms);
}

TEST_CASE("unknown fields are handed out as such where asked for") {
    World world;
    world.options.parser.fields = true;
    world.server.then(Reaction::stream().body("trace: x\ndata: a\n\n").stall());
    const auto stream = world.open();
    CHECK(world.story(*stream, 3) == Lines{"opened", "field trace=x", "event a"});
}

TEST_CASE("a failure tells the phase it happened in") {
    World world;
    const auto phase_of = [&world](Stream& stream) {
        Task<StreamItem> task{world.io, stream.next_item()};
        REQUIRE(advance_clock_until(world.io, [&task] { return task.done(); }, 1min));
        return task.value().phase;
    };
    SECTION("connect") {
        world.server.refuse();
        const auto stream = world.open();
        CHECK(phase_of(*stream) == Phase::connect);
    }
    SECTION("response") {
        world.server.then(Reaction{}.truncate());
        const auto stream = world.open();
        CHECK(phase_of(*stream) == Phase::response);
    }
    SECTION("body") {
        world.server.then(Reaction::stream().event("a").truncate());
        const auto stream = world.open();
        CHECK(world.next(*stream) == "a");
        CHECK(phase_of(*stream) == Phase::body);
    }
    SECTION("a status that ends it") {
        world.server.then(Reaction::respond(403));
        const auto stream = world.open();
        CHECK(phase_of(*stream) == Phase::response);
    }
}

TEST_CASE("errors are compared by condition, whatever category they come in") {
    CHECK(make_error_code(asio::error::operation_aborted) == ErrorCondition::canceled);
    CHECK(std::make_error_code(std::errc::operation_canceled) == ErrorCondition::canceled);
    CHECK(make_error_code(Error::closed) == ErrorCondition::canceled);
    CHECK(make_error_code(asio::error::timed_out) == ErrorCondition::timeout);
    CHECK(make_error_code(Error::proxy_timeout) == ErrorCondition::timeout);
    CHECK(make_error_code(asio::error::connection_refused) != ErrorCondition::canceled);
    CHECK(make_error_code(asio::error::connection_refused) != ErrorCondition::timeout);
    CHECK(make_error_code(Error::truncated) == ErrorCondition::protocol);
}

}  // namespace
}  // namespace rejoin::testing
