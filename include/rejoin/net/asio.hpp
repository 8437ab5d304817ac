#ifndef REJOIN_NET_ASIO_HPP
#define REJOIN_NET_ASIO_HPP

// The one place that knows Asio's versions. Floor: 1.22.1 (Debian 12).

#include <asio/version.hpp>

#if ASIO_VERSION < 102201
#error "rejoin needs Asio 1.22.1 or newer"
#endif

#include <asio/detail/config.hpp>
#if !defined(ASIO_HAS_CO_AWAIT)
#error "this Asio has no coroutines with this compiler: define ASIO_HAS_CO_AWAIT=1 (clang with Asio before 1.26; the CMake target does)"
#endif

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <exception>
#include <system_error>
#include <utility>

namespace rejoin {

/// The one coroutine type of the library: an `asio::awaitable` on `asio::any_io_executor`.
template <class T = void>
using Awaitable = asio::awaitable<T>;

namespace detail {

/// The token of awaits whose error is a value. Named so that no temporary lives in an awaiting expression.
inline auto to_error(std::error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

struct RethrowUnlessCanceled {
    void operator()(std::exception_ptr failure) const {
        if (!failure) return;
        try {
            std::rethrow_exception(failure);
        } catch (const std::system_error& error) {
            if (error.code() != asio::error::operation_aborted) throw;
        }
    }
};

}  // namespace detail

/// Starts a coroutine that nobody waits for. What escapes from it is rethrown out of the executor's `run()`, not swallowed;
/// only its cancellation is silent. It must own what it uses.
inline void spawn(const asio::any_io_executor& executor, Awaitable<> coroutine) {
    asio::co_spawn(executor, std::move(coroutine), detail::RethrowUnlessCanceled{});
}

}  // namespace rejoin

#endif
