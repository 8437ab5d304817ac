#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <rejoin/gateway/interceptor.hpp>

#include "support/catch.hpp"

using rejoin::InterceptorChain;
using rejoin::SseEvent;
using rejoin::SseEventView;
using rejoin::StreamContext;

namespace {

using Events = std::vector<SseEvent>;

SseEvent event(std::string data, std::optional<std::string> id = std::nullopt, std::string last_event_id = "") {
    SseEvent out;
    out.data = std::move(data);
    out.id = std::move(id);
    out.last_event_id = out.id ? *out.id : std::move(last_event_id);
    return out;
}

Events run(const InterceptorChain& chain, const SseEvent& in, StreamContext context = {"GET", "/stream"}) {
    Events out;
    chain.run(context, in.view(), [&out](const SseEventView& view) { out.emplace_back(view); });
    return out;
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
    CHECK(data_of(run(chain, event("e"), {"POST", "/x?y"})) == Texts{"POST /x?y"});
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

TEST_CASE("interceptors: what they throw reaches the caller, before anything came out") {
    InterceptorChain chain;
    chain.add([](const StreamContext&, Events& events) { events.push_back(event("second")); });
    chain.add([](const StreamContext&, Events& events) {
        if (events[0].data == "second") throw std::runtime_error{"no"};
    });
    int out = 0;
    bool thrown = false;
    try {
        chain.run({"GET", "/"}, event("first", "5").view(), [&out](const SseEventView&) { ++out; });
    } catch (const std::runtime_error&) {
        thrown = true;
    }
    CHECK(thrown);
    CHECK(out == 0);
}
