#ifndef REJOIN_GATEWAY_STREAM_DRAIN_HPP
#define REJOIN_GATEWAY_STREAM_DRAIN_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <system_error>
#include <vector>

#include <rejoin/gateway/stream_directory.hpp>

namespace rejoin {

/// Ends the clients' responses of all streams that can be come back to over `window`, each in the orderly way, between events,
/// after a `retry:` that spreads its return; then waits for the others until the window is over. Completes when no client is
/// left, or then.
///
/// `directory` must live until completion. Cancellation: `operation_aborted`.
template <class Traits>
Awaitable<> drain_streams(const BasicStreamDirectory<Traits>& directory, asio::any_io_executor executor, Duration window) {
    using Stream = BasicLiveStream<Traits>;
    std::vector<std::shared_ptr<typename Stream::Writer>> writers;
    directory.for_each([&](const Stream& stream, bool answers_get) {
        if (answers_get) writers.insert(writers.end(), stream.clients().begin(), stream.clients().end());
    });
    std::minstd_rand random{std::random_device{}()};
    std::shuffle(writers.begin(), writers.end(), random);
    std::uniform_int_distribution<int> spread{500, 3000};
    typename Traits::Timer pause{executor};
    std::error_code ignored;
    // At most about a hundred steps: a step for each of many thousand clients would be all timer.
    const std::size_t step = std::max<std::size_t>(1, writers.size() / 100);
    const auto steps = static_cast<Duration::rep>(writers.size() / step + 1);
    for (std::size_t i = 0; i < writers.size(); ++i) {
        std::string retry = "retry: " + std::to_string(spread(random)) + "\n";
        writers[i]->close_now(retry);
        if ((i + 1) % step != 0) continue;
        pause.expires_after(window / steps);
        co_await pause.async_wait(detail::to_error(ignored));
    }
    const auto has_clients = [&directory] {
        bool any = false;
        directory.for_each([&any](const Stream& stream, bool) { any = any || !stream.clients().empty(); });
        return any;
    };
    const TimePoint until = Traits::Clock::now() + window;
    while (has_clients() && Traits::Clock::now() < until) {
        pause.expires_after(std::chrono::milliseconds{20});
        co_await pause.async_wait(detail::to_error(ignored));
    }
}

}  // namespace rejoin

#endif
