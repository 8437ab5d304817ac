#include <algorithm>
#include <memory>
#include <vector>

#include "gateway/proxy_fixture.hpp"

using namespace proxy_tests;
using testing::FlakyEnd;
using testing::FlakyReplay;

namespace {

constexpr std::uint64_t events = 1000;

// Each is a stream, a client and a socket of its own: under a sanitizer a few of them find what many do.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t crowd = 15;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr std::size_t crowd = 15;
#else
constexpr std::size_t crowd = 50;
#endif
#else
constexpr std::size_t crowd = 50;
#endif

testing::FlakyOptions flaky(FlakyReplay replay, std::vector<FlakyEnd> ends) {
    testing::FlakyOptions options;
    options.events = events;
    options.cut_events = 20;
    options.replay = replay;
    options.ends = std::move(ends);
    return options;
}

// Everyone sees everything once, in order; then nothing is left.
void check_fidelity(testing::FlakyOptions upstream_options, ReverseProxyOptions (*proxy_options)(const std::string&), std::size_t followers,
                    std::uint64_t leave_every) {
    const std::size_t descriptors_before = open_descriptors();
    {
        asio::io_context io{1};
        const std::size_t descriptors = open_descriptors();
        testing::FlakyUpstream upstream{io, std::move(upstream_options)};
        Proxy proxy{io, proxy_options(upstream.url())};
        std::vector<std::shared_ptr<Follower>> all;
        for (std::size_t i = 0; i < followers; ++i) {
            all.push_back(Follower::start(io, proxy.url("/events"), events, leave_every));
        }
        const bool ended = testing::run_until(
            io, [&] { return std::all_of(all.begin(), all.end(), [](const auto& one) { return one->done(); }); }, 60s);
        REQUIRE(ended);
        for (const auto& one : all) {
            CHECK(one->wrong() == std::vector<std::string>{});
            CHECK(one->seen() == events);
            CHECK(one->gaps() == 0);
            if (leave_every > 0) CHECK(one->left() == (events - 1) / leave_every);
        }
        CHECK(upstream.stats().cuts >= followers * (events / 20 - 1) / 2);
        all.clear();
        // Streams linger, then go; with them their logs and both ends of their connections.
        CHECK(testing::run_until(io, [&] { return proxy.manager.streams() == 0 && proxy.server.connections() == 0; }));
        CHECK(testing::run_until(io, [&] { return upstream.stats().open_streams == 0; }));
        // Two acceptors and the reactor's own are left, once the other side has closed its end.
        CHECK(testing::run_until(io, [&] { return open_descriptors() <= descriptors + 5; }));
    }
    CHECK(open_descriptors() == descriptors_before);
}

ReverseProxyOptions short_linger(const std::string& upstream) {
    ReverseProxyOptions options = quick(upstream);
    options.directory.linger = 500ms;
    options.idle_connections = 0;  // descriptors are counted
    return options;
}

ReverseProxyOptions short_idle(const std::string& upstream) {
    ReverseProxyOptions options = short_linger(upstream);
    options.health.idle = 100ms;
    return options;
}

}  // namespace

TEST_CASE("followers that come and go get every event once through an upstream that is cut in every way") {
    const FlakyReplay replay = GENERATE(FlakyReplay::exact, FlakyReplay::inclusive, FlakyReplay::from_start);
    CAPTURE(static_cast<int>(replay));
    check_fidelity(flaky(replay, {FlakyEnd::clean, FlakyEnd::truncated, FlakyEnd::mid_event, FlakyEnd::reset, FlakyEnd::close_delimited}),
                   short_linger, crowd, 170);
}

TEST_CASE("each way of ending by itself, with each way of replay") {
    const FlakyReplay replay = GENERATE(FlakyReplay::exact, FlakyReplay::inclusive, FlakyReplay::from_start);
    const FlakyEnd end =
        GENERATE(FlakyEnd::clean, FlakyEnd::truncated, FlakyEnd::mid_event, FlakyEnd::reset, FlakyEnd::close_delimited);
    CAPTURE(static_cast<int>(replay), static_cast<int>(end));
    check_fidelity(flaky(replay, {end}), short_linger, 3, 170);
}

TEST_CASE("an upstream that falls silent is noticed and resumed") {
    testing::FlakyOptions options = flaky(FlakyReplay::exact, {FlakyEnd::stall});
    check_fidelity(std::move(options), short_idle, 10, 170);
}

TEST_CASE("opaque ids are resumed and checked like numbers") {
    const FlakyReplay replay = GENERATE(FlakyReplay::exact, FlakyReplay::inclusive, FlakyReplay::from_start);
    testing::FlakyOptions options = flaky(replay, {FlakyEnd::reset, FlakyEnd::clean});
    options.ids = testing::FlakyIds::text;
    check_fidelity(std::move(options), short_linger, 5, 170);
}
