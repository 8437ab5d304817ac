#ifndef REJOIN_NET_CONNECTOR_HPP
#define REJOIN_NET_CONNECTOR_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#if __has_include(<netinet/tcp.h>)
#include <netinet/tcp.h>
#endif

#include <rejoin/error.hpp>
#include <rejoin/net/async_event.hpp>
#include <rejoin/net/connect_options.hpp>
#include <rejoin/net/deadline.hpp>
#include <rejoin/net/happy_eyeballs.hpp>
#include <rejoin/net/traits.hpp>
#include <rejoin/result.hpp>
#include <rejoin/resume/phase.hpp>

namespace rejoin {

namespace detail {

// The resolver has no per-operation cancellation, so its answer goes to shared state that may outlive the asker.
template <class Traits>
Awaitable<Result<Endpoints>> resolve(std::string host, std::uint16_t port, Duration timeout) {
    std::error_code not_numeric;
    const auto address = asio::ip::make_address(host, not_numeric);
    if (!not_numeric) {
        Endpoints numeric{asio::ip::tcp::endpoint{address, port}};
        co_return std::move(numeric);
    }

    struct State {
        explicit State(const asio::any_io_executor& executor) : resolver{executor}, answered{executor} {}
        typename Traits::Resolver resolver;
        AsyncEvent answered;
        std::error_code error = asio::error::operation_aborted;
        Endpoints endpoints;
    };
    struct CancelOnExit {
        std::shared_ptr<State> state;
        ~CancelOnExit() { state->resolver.cancel(); }
    };

    const auto executor = co_await asio::this_coro::executor;
    const auto state = std::make_shared<State>(executor);
    const CancelOnExit cancel{state};
    state->resolver.async_resolve(host, std::to_string(port), [state](std::error_code error, const auto& results) {
        state->error = error;
        for (const auto& entry : results) state->endpoints.push_back(entry.endpoint());
        state->answered.notify();
    });
    Deadline<Traits> deadline{executor, timeout, [state] { state->answered.notify(); }};
    co_await state->answered.wait();
    if (!state->error) co_return std::move(state->endpoints);
    if (deadline.expired()) co_return Error::resolve_timeout;
    co_return state->error;
}

// The attempts of one race for a connection. Their handlers own it, so that it may outlive the one who waits.
template <class Traits>
struct ConnectRace {
    ConnectRace(const asio::any_io_executor& executor, Endpoints order_, Duration delay)
        : order{std::move(order_)}, schedule{order.size(), delay}, changed{executor} {
        sockets.reserve(order.size());
    }

    static void start(const std::shared_ptr<ConnectRace>& race, const asio::any_io_executor& executor, std::size_t number) {
        race->sockets.emplace_back(executor);
        race->sockets.back().async_connect(race->order[number], [race, number](std::error_code error) {
            if (error) race->schedule.failed(number, error);
            else if (!race->winner) race->winner = number;
            race->changed.notify();
        });
    }

    void close() {
        std::error_code ignored;
        for (auto& socket : sockets) socket.close(ignored);
    }

    Endpoints order;
    AttemptSchedule schedule;
    AsyncEvent changed;
    std::vector<typename Traits::Socket> sockets;
    std::optional<std::size_t> winner;
};

// The first of `endpoints` that answers, as a bare socket.
template <class Traits>
Awaitable<Result<typename Traits::Socket>> connect_any(Endpoints endpoints, Duration timeout, Duration delay) {
    using Race = ConnectRace<Traits>;
    struct CloseOnExit {
        std::shared_ptr<Race> race;
        ~CloseOnExit() { race->close(); }
    };

    const auto executor = co_await asio::this_coro::executor;
    const auto race = std::make_shared<Race>(executor, attempt_order(endpoints), delay);
    const CloseOnExit close{race};
    const auto wake = [race] { race->changed.notify(); };
    Deadline<Traits> deadline{executor, timeout, wake};
    while (!race->schedule.exhausted()) {
        const TimePoint now = Traits::Clock::now();
        while (const auto number = race->schedule.next(now)) Race::start(race, executor, *number);
        std::optional<Deadline<Traits>> pause;
        if (const auto due = race->schedule.due()) pause.emplace(executor, *due - now, wake);
        co_await race->changed.wait();
        if (race->winner) {
            typename Traits::Socket socket = std::move(race->sockets[*race->winner]);
            co_return std::move(socket);
        }
        if (deadline.expired()) co_return Error::connect_timeout;
    }
    co_return race->schedule.error();
}

// Best effort: a connection without probes is still a connection.
template <class Socket>
void set_keep_alive(Socket& socket, const ConnectOptions& options) {
    if (!options.keep_alive) return;
    std::error_code ignored;
    socket.set_option(asio::socket_base::keep_alive{true}, ignored);
    if (options.keep_alive_idle.count() <= 0) return;
    const auto seconds = std::min<std::chrono::seconds::rep>(options.keep_alive_idle.count(), std::numeric_limits<int>::max());
    [[maybe_unused]] const int idle = static_cast<int>(seconds);
#if defined(TCP_KEEPIDLE)
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
#elif defined(TCP_KEEPALIVE)
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_KEEPALIVE, &idle, sizeof idle);
#endif
}

}  // namespace detail

/// Resolves `host` and connects to the first of its addresses that answers, several of them under way at once where they
/// are slow (RFC 8305; see `ConnectOptions::attempt_delay` and `max_connect_attempts`). The others are closed.
///
/// `phase` is kept up to date: `resolve`, then `connect`. Lifetime: it must live until completion.
/// Errors: `resolve_timeout`, `connect_timeout`, the resolver's error, or an address's: see `AttemptSchedule::error()`.
/// Cancellation (terminal): `operation_aborted` at once, in both phases, and no descriptor stays.
template <class Traits = DefaultTraits>
Awaitable<Result<typename Traits::Socket>> connect(std::string host, std::uint16_t port, ConnectOptions options, Phase& phase) {
    phase = Phase::resolve;
    auto endpoints = co_await detail::resolve<Traits>(std::move(host), port, options.resolve_timeout);
    if (!endpoints) co_return endpoints.error();
    phase = Phase::connect;
    auto socket = co_await detail::connect_any<Traits>(std::move(*endpoints), options.connect_timeout, options.attempt_delay);
    if (socket) detail::set_keep_alive(*socket, options);
    co_return std::move(socket);
}

/// The same, for who doesn't ask how far it came.
template <class Traits = DefaultTraits>
Awaitable<Result<typename Traits::Socket>> connect(std::string host, std::uint16_t port, ConnectOptions options) {
    Phase unasked = Phase::resolve;
    auto socket = co_await connect<Traits>(std::move(host), port, std::move(options), unasked);
    co_return std::move(socket);
}

}  // namespace rejoin

#endif
