#ifndef REJOIN_TESTING_DETAIL_SERVED_CONNECTION_HPP
#define REJOIN_TESTING_DETAIL_SERVED_CONNECTION_HPP

#include <poll.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include <rejoin/net/http_connection.hpp>
#include <rejoin/testing/gate.hpp>

namespace rejoin::testing::detail {

// A connection that a test server has accepted: HTTP on it, and the news that the client has left, also while the server
// is waiting for something else.
template <class Traits>
class ServedConnection : public std::enable_shared_from_this<ServedConnection<Traits>> {
public:
    using Connection = BasicHttpServerConnection<Traits>;

    ServedConnection(typename Traits::Socket socket, std::size_t number)
        : connection_{std::move(socket), HttpLimits{}}, timer_{connection_.executor()}, number_{number} {}

    ~ServedConnection() { close(); }

    Connection& http() noexcept { return connection_; }
    std::size_t number() const noexcept { return number_; }
    bool is_open() const noexcept { return open_; }

    // Asks the system too, since bytes that nobody reads hide the end behind them.
    bool peer_left() {
        if (!left_ && open_) left_ = hung_up();
        return left_;
    }

    bool done() { return !open_ || left_; }

    // Looks out for the client's end, without reading, until bytes come: they may be the next request.
    void watch_peer() {
        if (watching_ || done()) return;
        watching_ = true;
        connection_.socket().async_wait(Connection::Socket::wait_read, [self = this->shared_from_this()](std::error_code) {
            self->watching_ = false;
            if (!self->open_) return;
            char byte = 0;
            std::error_code error;
            const auto peek = asio::socket_base::message_peek;
            self->connection_.socket().receive(asio::buffer(&byte, 1), peek, error);
            if (error == asio::error::would_block) {
                self->watch_peer();
            } else if (error) {
                self->left_ = true;
                self->wake();
            }
        });
    }

    // Ends a `wait_until()`; it looks at everything anew.
    void wake() { timer_.cancel(); }

    // Completes at `when`, when the gate is open, when `stop` says so after a `wake()`, or when the connection is over.
    // False for the last.
    Awaitable<bool> wait_until(TimePoint when, Gate* gate, std::function<bool()> stop) {
        watch_peer();
        if (gate != nullptr) gate->enter(this, [this] { wake(); });
        while (!done() && !(gate != nullptr && gate->is_open()) && !(stop && stop()) && Traits::Clock::now() < when) {
            timer_.expires_at(when);
            std::error_code woken;
            co_await timer_.async_wait(rejoin::detail::to_error(woken));
        }
        if (gate != nullptr) gate->leave(this);
        co_return !done();
    }

    // Lets everything that is ready run, this connection's reader in the same io_context included: a turn for the reactor
    // to see the bytes, one for the reader to take them, and some to spare.
    Awaitable<> let_others_run() {
        const auto executor = connection_.executor();
        for (int turn = 0; turn < 4; ++turn) co_await asio::post(executor, asio::use_awaitable);
    }

    // Writes all; false when the connection is over.
    Awaitable<bool> write(std::string_view bytes) {
        if (done()) co_return false;
        const std::error_code error = co_await connection_.write(bytes, Duration::zero());
        if (error) left_ = left_ || open_;
        co_return !error;
    }

    // An end that the client sees as one, with what was written before it. Bytes that nobody read would turn it into a
    // reset, so they are dropped.
    void close() {
        if (!std::exchange(open_, false)) return;
        std::error_code error;
        connection_.socket().shutdown(asio::socket_base::shutdown_send, error);
        char dropped[4096];
        for (error = {}; !error;) connection_.socket().read_some(asio::buffer(dropped), error);
        connection_.close();
        wake();
    }

    void abort() {
        if (!std::exchange(open_, false)) return;
        connection_.abort();
        wake();
    }

private:
    bool hung_up() {
#ifdef POLLRDHUP
        pollfd query{connection_.socket().native_handle(), POLLRDHUP, 0};
#else
        pollfd query{connection_.socket().native_handle(), 0, 0};
#endif
        return ::poll(&query, 1, 0) == 1;
    }

    Connection connection_;
    typename Traits::Timer timer_;
    std::size_t number_;
    bool open_ = true;
    bool left_ = false;
    bool watching_ = false;
};

}  // namespace rejoin::testing::detail

#endif
