#ifndef REJOIN_NET_BRIDGE_HPP
#define REJOIN_NET_BRIDGE_HPP

#include <exception>
#include <memory>
#include <new>
#include <system_error>
#include <type_traits>
#include <utility>

#include <asio/async_result.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/associated_cancellation_slot.hpp>

#include <rejoin/net/asio.hpp>

namespace rejoin {

namespace detail {

inline std::error_code error_of(const std::exception_ptr& failure) {
    if (!failure) return {};
    try {
        std::rethrow_exception(failure);
    } catch (const std::system_error& error) {
        return error.code();
    } catch (const std::bad_alloc&) {
        return std::make_error_code(std::errc::not_enough_memory);
    }  // anything else is a bug, and goes where bugs go: out of the executor's run()
}

struct Bridge {
    template <class Handler, class T>
    void operator()(Handler handler, const asio::any_io_executor& executor, Awaitable<T> operation) const {
        const auto slot = asio::get_associated_cancellation_slot(handler);
        // Shared, since the handlers of some tokens can't be copied and co_spawn of some Asio versions copies.
        auto kept = std::make_shared<Handler>(std::move(handler));
        if constexpr (std::is_void_v<T>) {
            auto done = [kept](std::exception_ptr failure) { std::move (*kept)(error_of(failure)); };
            asio::co_spawn(executor, std::move(operation), asio::bind_cancellation_slot(slot, std::move(done)));
        } else {
            auto done = [kept](std::exception_ptr failure, T value) { std::move (*kept)(error_of(failure), std::move(value)); };
            asio::co_spawn(executor, std::move(operation), asio::bind_cancellation_slot(slot, std::move(done)));
        }
    }
};

}  // namespace detail

/// Runs one of the library's awaitables on `executor` for those who are no coroutine: the completion token is any of Asio's
/// (a callback, `asio::use_future`), with the signature `void(std::error_code, T)`, or
/// `void(std::error_code)` for an `Awaitable<>`.
///
/// The error is what the awaitable threw, as a rule `operation_aborted` after the token's own cancellation (terminal), which
/// is passed on; failures that are values are in the value. `T` must be default-constructible. Lifetime: what the awaitable
/// refers to must live until completion. Completes on `executor`.
template <class T, class CompletionToken>
auto async_run(const asio::any_io_executor& executor, Awaitable<T> operation, CompletionToken&& token) {
    if constexpr (std::is_void_v<T>) {
        return asio::async_initiate<CompletionToken, void(std::error_code)>(detail::Bridge{}, token, executor, std::move(operation));
    } else {
        return asio::async_initiate<CompletionToken, void(std::error_code, T)>(detail::Bridge{}, token, executor,
                                                                              std::move(operation));
    }
}

}  // namespace rejoin

#endif
