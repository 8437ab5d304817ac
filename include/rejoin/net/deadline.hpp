#ifndef REJOIN_NET_DEADLINE_HPP
#define REJOIN_NET_DEADLINE_HPP

#include <functional>
#include <memory>
#include <system_error>
#include <utility>

#include <rejoin/net/traits.hpp>

namespace rejoin {

/// Bounds one phase of an operation: unless destroyed before `timeout` has passed, calls `on_expiry` once, which cancels
/// the object that the phase waits on. The awaiting code then asks `expired()` to tell a timeout from the user's
/// cancellation; where the operation has succeeded all the same, success wins.
///
/// A timeout of zero never expires. `on_expiry` is never called after the guard is gone.
/// Thread safety: distinct objects safe; one object only from its strand.
template <class Traits = DefaultTraits>
class Deadline {
public:
    Deadline(const asio::any_io_executor& executor, Duration timeout, std::function<void()> on_expiry) {
        if (timeout <= Duration::zero()) return;
        state_ = std::make_shared<State>(executor, std::move(on_expiry));
        state_->timer.expires_after(timeout);
        state_->timer.async_wait([state = state_](std::error_code error) {
            if (error || state->done) return;
            state->expired = true;
            state->on_expiry();
        });
    }

    ~Deadline() {
        if (!state_) return;
        state_->done = true;
        state_->timer.cancel();
    }

    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;

    bool expired() const noexcept { return state_ && state_->expired; }

private:
    struct State {
        State(const asio::any_io_executor& executor, std::function<void()> on_expiry_)
            : timer{executor}, on_expiry{std::move(on_expiry_)} {}
        typename Traits::Timer timer;
        std::function<void()> on_expiry;
        bool expired = false;
        bool done = false;
    };
    std::shared_ptr<State> state_;
};

}  // namespace rejoin

#endif
