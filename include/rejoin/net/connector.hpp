#ifndef REJOIN_NET_CONNECTOR_HPP
#define REJOIN_NET_CONNECTOR_HPP

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <rejoin/error.hpp>
#include <rejoin/net/async_event.hpp>
#include <rejoin/net/connect_options.hpp>
#include <rejoin/net/deadline.hpp>
#include <rejoin/net/traits.hpp>
#include <rejoin/result.hpp>

namespace rejoin {

namespace detail {

using Endpoints = std::vector<asio::ip::tcp::endpoint>;

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

}  // namespace detail

/// Resolves `host` and connects to the first of its addresses that answers.
///
/// Errors: `resolve_timeout`, `connect_timeout`, the resolver's error, or the last address's. Cancellation (terminal):
/// `operation_aborted` at once, in both phases, and no descriptor stays.
template <class Traits = DefaultTraits>
Awaitable<Result<typename Traits::Socket>> connect(std::string host, std::uint16_t port, ConnectOptions options) {
    const auto executor = co_await asio::this_coro::executor;
    auto endpoints = co_await detail::resolve<Traits>(std::move(host), port, options.resolve_timeout);
    if (!endpoints) co_return endpoints.error();

    typename Traits::Socket socket{executor};
    std::error_code error = asio::error::host_not_found;
    // Cancels and doesn't close: a connection that is there by the time this runs is a success.
    Deadline<Traits> deadline{executor, options.connect_timeout, [&socket] {
                                  std::error_code ignored;
                                  socket.cancel(ignored);
                              }};
    for (const auto& endpoint : *endpoints) {
        std::error_code ignored;
        socket.close(ignored);
        co_await socket.async_connect(endpoint, detail::to_error(error));
        if (!error) {
            if (options.keep_alive) socket.set_option(asio::socket_base::keep_alive{true}, ignored);
            co_return std::move(socket);
        }
        if (deadline.expired()) co_return Error::connect_timeout;
    }
    co_return error;
}

}  // namespace rejoin

#endif
