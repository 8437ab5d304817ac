#include <memory>
#include <optional>

#include <asio/io_context.hpp>

#include <rejoin/client/reconnection_manager.hpp>
#include <rejoin/testing/run.hpp>
#include <rejoin/testing/scripted_server.hpp>

#include "support/catch.hpp"

using namespace rejoin;
using namespace std::chrono_literals;
using testing::Reaction;

namespace {

using Manager = BasicReconnectionManager<testing::ManualTraits>;
using Server = testing::BasicScriptedServer<testing::ManualTraits>;

ReconnectionManagerOptions options() {
    ReconnectionManagerOptions options;
    options.stream.reconnection.backoff.base = 10ms;
    options.stream.reconnection.backoff.cap = 10ms;
    options.breaker.failures = 3;
    options.breaker.open_for = 30s;
    return options;
}

HttpRequest request(const Server& server, std::string_view target = "/") { return HttpRequest{Url::parse(server.url(target)).value()}; }

// Reads on for ever; what came is of no interest here.
Awaitable<> read(std::shared_ptr<Manager::Stream> stream) {
    StreamItem item;
    for (bool more = true; more;) {
        more = co_await stream->wait();
        while (stream->try_next(item)) {}
    }
}

}  // namespace

TEST_CASE("the streams of one origin share what they learn of its being down") {
    testing::ManualClock::reset();
    asio::io_context io{1};
    Server server{io};
    server.otherwise(Reaction::respond(503));
    Manager manager{io.get_executor(), options()};
    const auto first = manager.open(request(server, "/1")).value();
    const auto second = manager.open(request(server, "/2")).value();
    spawn(io.get_executor(), read(first));
    spawn(io.get_executor(), read(second));
    testing::advance_clock(io, 20s);
    // The third failure opens it; the other stream's attempt may have been under way.
    const std::size_t requests = server.requests().size();
    CHECK((requests == 3 || requests == 4));

    // Half open: one attempt, and its success lets both through.
    server.otherwise(Reaction::stream().stall());
    testing::advance_clock(io, 20s);
    CHECK(first->connected());
    CHECK(second->connected());
    CHECK(manager.breaker(request(server).url)->state(testing::ManualClock::now()) == CircuitBreaker::State::closed);
    manager.close_all();
    CHECK(testing::run_until(io, [&] { return first->finished() && second->finished(); }));
    testing::run_until_idle(io);
}

TEST_CASE("too many streams are refused until one is gone") {
    asio::io_context io{1};
    Server server{io};
    ReconnectionManagerOptions few = options();
    few.streams = 2;
    Manager manager{io.get_executor(), few};
    auto first = manager.open(request(server)).value();
    const auto second = manager.open(request(server)).value();
    CHECK(manager.streams() == 2);
    CHECK(manager.open(request(server)).error() == Error::limit_reached);
    first.reset();
    CHECK(manager.open(request(server)).has_value());
    few.streams = 0;
    CHECK_THROWS_AS((Manager{io.get_executor(), few}), std::system_error);
}
