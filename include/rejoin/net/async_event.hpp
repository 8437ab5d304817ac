#ifndef REJOIN_NET_ASYNC_EVENT_HPP
#define REJOIN_NET_ASYNC_EVENT_HPP

#include <system_error>

#include <rejoin/net/asio.hpp>

namespace rejoin {

/// A flag one coroutine can wait for. Unlike a bare timer used as an event, a `notify()` before the `wait()` is kept.
///
/// Built on a timer that never expires, so that a waiter is cancellable and is destroyed with its `io_context`.
/// Thread safety: distinct objects safe; one object only from its strand. At most one waiter.
class AsyncEvent {
public:
    explicit AsyncEvent(const asio::any_io_executor& executor) : timer_{executor, asio::steady_timer::time_point::max()} {}

    /// Sets the flag and wakes the waiter, which resumes on the executor, not inside this call.
    void notify() {
        set_ = true;
        timer_.cancel();
    }

    bool is_set() const noexcept { return set_; }

    /// Forgets a notification that nobody waited for.
    void clear() noexcept { set_ = false; }

    /// Completes when the flag is set, and clears it. Cancellation (terminal, partial, total): throws
    /// `operation_aborted`; the flag is left as it is.
    Awaitable<> wait() {
        while (!set_) {
            std::error_code error;
            co_await timer_.async_wait(detail::to_error(error));
            // The error doesn't tell: a notification that was cleared before this ran has cancelled the timer, too.
            const asio::cancellation_state canceled = co_await asio::this_coro::cancellation_state;
            if (!set_ && canceled.cancelled() != asio::cancellation_type::none) {
                throw std::system_error{asio::error::make_error_code(asio::error::operation_aborted)};
            }
        }
        set_ = false;
    }

private:
    asio::steady_timer timer_;
    bool set_ = false;
};

}  // namespace rejoin

#endif
