#ifndef REJOIN_TESTS_NET_SUPPORT_HPP
#define REJOIN_TESTS_NET_SUPPORT_HPP

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <asio/bind_cancellation_slot.hpp>

#include <rejoin/net/http_connection.hpp>
#include <rejoin/testing/run.hpp>

namespace rejoin::testing {

inline std::size_t open_descriptors() {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) count += entry.path().empty() ? 0 : 1;
    return count;
}

/// A coroutine under way that the test may cancel, and what became of it.
template <class T>
class Task {
public:
    Task(asio::io_context& io, Awaitable<T> coroutine) : io_{io} {
        asio::co_spawn(io, detail::store(outcome_, std::move(coroutine)),
                       asio::bind_cancellation_slot(signal_->slot(), [outcome = outcome_, signal = signal_](std::exception_ptr failure) {
                           outcome->failure = failure;
                           outcome->done = true;
                       }));
    }

    bool done() const { return outcome_->done; }
    bool wait() {
        return run_until(io_, [this] { return done(); });
    }
    auto& value() { return *outcome_->value; }

    /// What was thrown, or nothing.
    std::error_code failure() const {
        if (!outcome_->failure) return {};
        try {
            std::rethrow_exception(outcome_->failure);
        } catch (const std::system_error& error) {
            return error.code();
        }
    }

    /// Cancels and runs what is ready; true when that was the end, with `operation_aborted` thrown or as the result.
    bool cancel_ends_it() {
        signal_->emit(asio::cancellation_type::terminal);
        run_until_idle(io_);
        if (!done()) return false;
        if constexpr (!std::is_void_v<T>) {
            if (outcome_->value) return error_of(*outcome_->value) == asio::error::operation_aborted;
        }
        return failure() == asio::error::operation_aborted;
    }

private:
    template <class U>
    static std::error_code error_of(const Result<U>& result) { return result.error(); }
    static std::error_code error_of(const std::error_code& error) { return error; }
    template <class U>
    static std::error_code error_of(const U& with_error) { return with_error.error; }

    asio::io_context& io_;
    std::shared_ptr<asio::cancellation_signal> signal_ = std::make_shared<asio::cancellation_signal>();
    std::shared_ptr<detail::Outcome<T>> outcome_ = std::make_shared<detail::Outcome<T>>();
};

/// Two ends of one connection on loopback.
struct SocketPair {
    explicit SocketPair(asio::io_context& io) : left{io}, right{io} {
        asio::ip::tcp::acceptor acceptor{io, {asio::ip::address_v4::loopback(), 0}};
        left.connect(acceptor.local_endpoint());
        acceptor.accept(right);
    }
    asio::ip::tcp::socket left;
    asio::ip::tcp::socket right;
};

}  // namespace rejoin::testing

#endif
