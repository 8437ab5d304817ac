#include <functional>
#include <future>
#include <string>

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/use_future.hpp>

#include <rejoin/net/bridge.hpp>

#include "client/support.hpp"

namespace rejoin::testing {
namespace {

using Next = std::optional<SseEvent>;

TEST_CASE("with a callback") {
    World world;
    world.server.then(Reaction::stream().event("a", "1").clean()).otherwise(Reaction::respond(204));
    const auto stream = world.open();
    Lines got;
    std::function<void(std::error_code, Next)> on_next = [&](std::error_code error, Next event) {
        got.push_back(error ? error.message() : event ? event->data : "(end)");
        if (event) async_run(world.io.get_executor(), stream->next(), on_next);
    };
    async_run(world.io.get_executor(), stream->next(), on_next);
    REQUIRE(advance_clock_until(world.io, [&] { return got.size() == 2; }, 1min));
    CHECK(got == Lines{"a", "(end)"});
}

TEST_CASE("with a future") {
    World world;
    world.server.then(Reaction::stream().event("a", "1").stall());
    const auto stream = world.open();
    std::future<Next> event = async_run(world.io.get_executor(), stream->next(), asio::use_future);
    REQUIRE(run_until(world.io, [&] { return event.wait_for(0s) == std::future_status::ready; }));
    CHECK(event.get()->data == "a");
}

TEST_CASE("an awaitable of nothing, and failures as the error") {
    asio::io_context io;
    std::error_code told;
    bool done = false;
    const auto work = [](std::error_code failure) -> Awaitable<> {
        const auto executor = co_await asio::this_coro::executor;
        AsyncEvent ready{executor};
        ready.notify();
        co_await ready.wait();
        if (failure) throw std::system_error{failure};
    };
    const std::error_code failure = GENERATE(std::error_code{}, make_error_code(Error::closed));
    async_run(io.get_executor(), work(failure), [&](std::error_code error) {
        told = error;
        done = true;
    });
    REQUIRE(run_until(io, [&] { return done; }));
    CHECK(told == failure);
}

TEST_CASE("the token's own cancellation is passed on, and leaves the stream usable") {
    World world;
    Gate more;
    world.server.then(Reaction::stream().event("a", "1").wait(more).event("b", "2").stall());
    const auto stream = world.open();
    CHECK(world.next(*stream) == "a");
    asio::cancellation_signal signal;
    std::optional<std::error_code> told;
    async_run(world.io.get_executor(), stream->next(),
              asio::bind_cancellation_slot(signal.slot(), [&](std::error_code error, Next) { told = error; }));
    run_until_idle(world.io);
    CHECK_FALSE(told);
    signal.emit(asio::cancellation_type::terminal);
    run_until_idle(world.io);
    REQUIRE(told);
    CHECK(*told == asio::error::operation_aborted);
    more.open();
    CHECK(world.next(*stream) == "b");
}

// The reader's own timeout in Asio's manner, on an event that comes later.
Awaitable<std::string> next_or_timer(Stream& stream, ManualTraits::Timer& timer) {
    using namespace asio::experimental::awaitable_operators;
    auto first = co_await (stream.next() || timer.async_wait(asio::use_awaitable));
    if (first.index() == 1) co_return "timer";
    co_return std::get<0>(first)->data;
}

TEST_CASE("under awaitable_operators the loser is cancelled, and no event is lost") {
    World world;
    Gate more;
    world.server.then(Reaction::stream().event("a", "1").wait(more).event("b", "2").stall());
    const auto stream = world.open();
    ManualTraits::Timer timer{world.io.get_executor()};
    timer.expires_after(10s);
    Task<std::string> first{world.io, next_or_timer(*stream, timer)};
    REQUIRE(first.wait());
    CHECK(first.value() == "a");
    timer.expires_after(10s);
    Task<std::string> second{world.io, next_or_timer(*stream, timer)};
    advance_clock(world.io, 10s);
    REQUIRE(second.wait());
    CHECK(second.value() == "timer");
    more.open();
    CHECK(world.next(*stream) == "b");
}

}  // namespace
}  // namespace rejoin::testing
