#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/io_context.hpp>

#include <rejoin/gateway/interceptor.hpp>
#include <rejoin/net/async_event.hpp>
#include <rejoin/testing/run.hpp>

#include "support/catch.hpp"

using rejoin::Awaitable;
using rejoin::InterceptorChain;
using rejoin::SseEvent;
using rejoin::StreamContext;
using rejoin::StreamEnding;

namespace {

using Events = std::vector<SseEvent>;

SseEvent event(std::string data, std::optional<std::string> id = std::nullopt, std::string last_event_id = "") {
    SseEvent out;
    out.data = std::move(data);
    out.id = std::move(id);
    out.last_event_id = out.id ? *out.id : std::move(last_event_id);
    return out;
}

Events run(const InterceptorChain& chain, const SseEvent& in) {
    const auto stream = chain.for_stream({}, "POST", "/x?y");
    if (!stream) return {in};
    REQUIRE(stream->take(in.view()));
    return stream->events();
}

std::vector<std::string> data_of(const Events& events) {
    std::vector<std::string> out;
    for (const SseEvent& one : events) out.push_back(one.data);
    return out;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("interceptors: none leave an event as it is") {
    InterceptorChain chain;
    CHECK(chain.empty());
    SseEvent in = event("a\nb", "5");
    in.type = "tick";
    CHECK(run(chain, in) == Events{in});
    in.id.reset();
    CHECK(run(chain, in) == Events{in});
    in.id.emplace("");
    CHECK(run(chain, in) == Events{in});
}

TEST_CASE("interceptors: those that do nothing, too") {
    InterceptorChain chain;
    chain.add([](const StreamContext&, Events&) {});
    chain.add([](const StreamContext&, Events&) {});
    CHECK_FALSE(chain.empty());
    const SseEvent in = event("a", "5");
    CHECK(run(chain, in) == Events{in});
    const SseEvent follower = event("b", std::nullopt, "5");
    CHECK(run(chain, follower) == Events{follower});
}

TEST_CASE("interceptors: run in their order, each on what the one before made") {
    InterceptorChain chain;
    chain.add([](const StreamContext&, Events& events) { events[0].data += "1"; });
    chain.add([](const StreamContext&, Events& events) { events.push_back(event(events[0].data + "'")); });
    chain.add([](const StreamContext&, Events& events) {
        CHECK(events.size() == 1);  // one event at a time
        events[0].data += "3";
    });
    CHECK(data_of(run(chain, event("e"))) == Texts{"e13", "e1'3"});
}

TEST_CASE("interceptors: are told whose event it is") {
    InterceptorChain chain;
    chain.add([](const StreamContext& context, Events& events) {
        events[0].data = std::string{context.method} + " " + std::string{context.target};
    });
    CHECK(data_of(run(chain, event("e"))) == Texts{"POST /x?y"});
}

TEST_CASE("interceptors: change type and data") {
    InterceptorChain chain;
    chain.add([](const StreamContext&, Events& events) {
        events[0].type = "other";
        events[0].data = "changed";
    });
    const Events out = run(chain, event("e", "5"));
    REQUIRE(out.size() == 1);
    CHECK(out[0].type == "other");
    CHECK(out[0].data == "changed");
    CHECK(out[0].id == "5");
}

TEST_CASE("interceptors: drop") {
    InterceptorChain chain;
    int later = 0;
    chain.add([](const StreamContext&, Events& events) {
        if (events[0].data == "secret") events.clear();
    });
    chain.add([&later](const StreamContext&, Events&) { ++later; });
    CHECK(run(chain, event("secret", "5")).empty());
    CHECK(later == 0);
    CHECK(run(chain, event("open", "6")).size() == 1);
    CHECK(later == 1);
}

TEST_CASE("interceptors: a split event has its id on the last part only") {
    InterceptorChain chain;
    chain.add([](const StreamContext&, Events& events) {
        const SseEvent whole = events[0];
        events.clear();
        for (const char* part : {"a", "b", "c"}) {
            events.push_back(whole);  // with its id, as a careless interceptor does
            events.back().data = part;
        }
    });
    const Events out = run(chain, event("abc", "5"));
    REQUIRE(data_of(out) == Texts{"a", "b", "c"});
    CHECK_FALSE(out[0].id.has_value());
    CHECK_FALSE(out[1].id.has_value());
    CHECK(out[2].id == "5");

    const Events cleared = run(chain, event("abc", ""));
    CHECK_FALSE(cleared[1].id.has_value());
    CHECK(cleared[2].id == "");

    for (const SseEvent& part : run(chain, event("abc", std::nullopt, "4"))) {
        CHECK_FALSE(part.id.has_value());
        CHECK(part.last_event_id == "4");
    }
}

TEST_CASE("interceptors: the id survives later drops and splits") {
    InterceptorChain chain;
    chain.add([](const StreamContext&, Events& events) {
        events.push_back(event("tail"));
        events.push_back(event("noise"));
    });
    chain.add([](const StreamContext&, Events& events) {
        if (events[0].data == "noise") events.clear();
    });
    const Events out = run(chain, event("head", "5"));
    REQUIRE(data_of(out) == Texts{"head", "tail"});
    CHECK_FALSE(out[0].id.has_value());
    CHECK(out[1].id == "5");
}

TEST_CASE("interceptors: inject before and behind") {
    InterceptorChain chain;
    chain.add([](const StreamContext&, Events& events) {
        events.insert(events.begin(), event("before"));
        events.push_back(event("behind", "mine"));
    });
    const Events out = run(chain, event("e", "5"));
    REQUIRE(data_of(out) == Texts{"before", "e", "behind"});
    CHECK_FALSE(out[0].id.has_value());
    CHECK_FALSE(out[1].id.has_value());
    CHECK(out[2].id == "5");  // never an id that the upstream did not send
    // Made from nothing, yet of a stream that has ids: nobody behind may think that the upstream sends none.
    for (const SseEvent& one : out) CHECK(one.last_event_id == "5");
}

TEST_CASE("interceptors: can't give an event an id, or take it away") {
    InterceptorChain chain;
    chain.add([](const StreamContext&, Events& events) {
        if (events[0].id) {
            events[0].id.reset();
        } else {
            events[0].id = "forged";
        }
    });
    CHECK(run(chain, event("e", "5"))[0].id == "5");
    CHECK_FALSE(run(chain, event("e"))[0].id.has_value());
}

TEST_CASE("interceptors: what they throw reaches the caller") {
    InterceptorChain chain;
    chain.add([](const StreamContext&, Events& events) { events.push_back(event("second")); });
    chain.add([](const StreamContext&, Events& events) {
        if (events[0].data == "second") throw std::runtime_error{"no"};
    });
    const auto stream = chain.for_stream({}, "GET", "/");
    CHECK_THROWS_AS(stream->take(event("first", "5").view()), std::runtime_error);
}

// --- those that have to be awaited ---

TEST_CASE("interceptors: one that was done at once is not awaited") {
    InterceptorChain chain;
    chain.add([](const StreamContext&, Events& events) -> Awaitable<> {
        events[0].data += "1";
        return {};
    });
    CHECK(data_of(run(chain, event("e", "5"))) == Texts{"e1"});
}

TEST_CASE("interceptors: plain and awaited ones keep their order, event by event") {
    asio::io_context io{1};
    rejoin::AsyncEvent gate{io.get_executor()};
    InterceptorChain chain;
    chain.add([](const StreamContext&, Events& events) {
        events[0].data += "1";
        events.push_back(event("f1"));
    });
    chain.add([&gate](const StreamContext&, Events& events) -> Awaitable<> {
        co_await gate.wait();
        events[0].data += "2";
        if (events[0].data == "f12") events.push_back(event("g2"));
    });
    chain.add([](const StreamContext&, Events& events) { events[0].data += "3"; });
    chain.add([](const StreamContext& context, Events& events) -> Awaitable<> {
        const asio::any_io_executor executor = co_await asio::this_coro::executor;
        asio::post(executor, [] {});
        events[0].data += context.target;
    });
    const auto stream = chain.for_stream({}, "GET", "/");
    for (const char* const id : {"5", "6"}) {
        CHECK_FALSE(stream->take(event("e", id).view()));
        CHECK(stream->waiting());
        bool done = false;
        asio::co_spawn(io, stream->wait(), [&done](std::exception_ptr failure) { done = !failure; });
        rejoin::testing::run_until_idle(io);
        CHECK_FALSE(done);
        gate.notify();
        rejoin::testing::run_until_idle(io);
        CHECK(stream->waiting());  // for the second event
        gate.notify();
        REQUIRE(rejoin::testing::run_until(io, [&done] { return done; }));
        CHECK_FALSE(stream->waiting());
        REQUIRE(data_of(stream->events()) == Texts{"e123/", "f123/", "g23/"});
        CHECK_FALSE(stream->events()[1].id.has_value());
        CHECK(stream->events()[2].id == id);
    }
}

TEST_CASE("interceptors: the view of an event that is awaited may go away") {
    asio::io_context io{1};
    InterceptorChain chain;
    chain.add([](const StreamContext&, Events&) -> Awaitable<> { co_return; });
    const auto stream = chain.for_stream({}, "GET", "/");
    {
        const SseEvent gone = event("text that does not fit into a string itself", "an id that does not either, being long");
        CHECK_FALSE(stream->take(gone.view()));
    }
    rejoin::testing::run(io, stream->wait());
    REQUIRE(stream->events().size() == 1);
    CHECK(stream->events()[0] == event("text that does not fit into a string itself", "an id that does not either, being long"));
}

TEST_CASE("interceptors: cancel reaches the one that is awaited") {
    asio::io_context io{1};
    const auto held = std::make_shared<int>();
    InterceptorChain chain;
    chain.add([held](const StreamContext&, Events&) -> Awaitable<> {
        const std::shared_ptr<int> in_frame = held;
        const asio::any_io_executor executor = co_await asio::this_coro::executor;
        asio::steady_timer never{executor, asio::steady_timer::time_point::max()};
        co_await never.async_wait(asio::use_awaitable);
    });
    const long without_frame = held.use_count();
    const auto stream = chain.for_stream({}, "GET", "/");
    CHECK_FALSE(stream->take(event("e").view()));
    bool canceled = false;
    auto handler = [&canceled](std::exception_ptr failure) { canceled = failure != nullptr; };
    asio::co_spawn(io, stream->wait(), asio::bind_cancellation_slot(stream->slot(), handler));
    rejoin::testing::run_until_idle(io);
    CHECK(stream->waiting());
    CHECK(held.use_count() == without_frame + 1);
    stream->cancel();
    CHECK(rejoin::testing::run_until(io, [&canceled] { return canceled; }));
    CHECK_FALSE(stream->waiting());
    CHECK(held.use_count() == without_frame);
}

// --- those with a state for each stream ---

namespace {

struct Counter {
    explicit Counter(std::string name_, std::vector<std::string>& told_) : name{std::move(name_)}, told{&told_} {}

    void operator()(const StreamContext&, Events&) { ++seen; }
    void on_end(const StreamContext& context, StreamEnding end) {
        const char* const how = end == StreamEnding::complete ? " complete " : " cut ";
        told->push_back(name + how + std::string{context.target} + " " + std::to_string(seen));
    }

    std::string name;
    std::vector<std::string>* told;
    int seen = 0;
};

}  // namespace

TEST_CASE("interceptors: a factory gives each stream its own, which is told of the end") {
    std::vector<std::string> told;
    InterceptorChain chain;
    chain.add([&told](const rejoin::RequestHead& request) {
        return Counter{std::string{request.fields.get("X-Tenant").value_or("nobody")}, told};
    });
    rejoin::RequestHead request;
    request.fields.set("X-Tenant", "a");
    const auto one = chain.for_stream(request, "GET", "/1");
    request.fields.set("X-Tenant", "b");
    const auto other = chain.for_stream(request, "GET", "/2");
    for (int i = 0; i < 3; ++i) CHECK(one->take(event("e").view()));
    CHECK(other->take(event("e").view()));
    other->end(StreamEnding::cut);
    one->end(StreamEnding::complete);
    CHECK(told == Texts{"b cut /2 1", "a complete /1 3"});
}

TEST_CASE("interceptors: one without a factory is all streams' and is told of each end") {
    std::vector<std::string> told;
    InterceptorChain chain;
    chain.add(Counter{"all", told});
    const auto one = chain.for_stream({}, "GET", "/1");
    const auto other = chain.for_stream({}, "GET", "/2");
    CHECK(one->take(event("e").view()));
    CHECK(other->take(event("e").view()));
    one->end(StreamEnding::complete);
    other->end(StreamEnding::complete);
    CHECK(told == Texts{"all complete /1 2", "all complete /2 2"});
}

TEST_CASE("interceptors: what is thrown at the end keeps no other from being told") {
    struct Throwing {
        void operator()(const StreamContext&, Events&) {}
        void on_end(const StreamContext&, StreamEnding) { throw std::runtime_error{"no"}; }
    };
    std::vector<std::string> told;
    InterceptorChain chain;
    chain.add(Throwing{});
    chain.add(Counter{"second", told});
    chain.for_stream({}, "GET", "/")->end(StreamEnding::cut);
    CHECK(told == Texts{"second cut / 0"});
}

TEST_CASE("interceptors: a factory that throws spoils its stream's first event, not the maker of the stream") {
    InterceptorChain chain;
    chain.add([](const rejoin::RequestHead& request) {
        if (request.target == "/bad") throw std::runtime_error{"no"};
        return [](const StreamContext&, Events&) {};
    });
    rejoin::RequestHead request;
    CHECK(chain.for_stream(request, "GET", "/")->take(event("e").view()));
    request.target = "/bad";
    const auto stream = chain.for_stream(request, "GET", "/bad");
    CHECK_THROWS_AS(stream->take(event("e").view()), std::runtime_error);
}
