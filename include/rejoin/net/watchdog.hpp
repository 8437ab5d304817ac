#ifndef REJOIN_NET_WATCHDOG_HPP
#define REJOIN_NET_WATCHDOG_HPP

#include <functional>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <rejoin/net/traits.hpp>

namespace rejoin {

/// One timer that keeps asking `check(now)` whether something is due. `check` acts on what is due and returns when it
/// wants to be asked next, or nothing to stop. Work that goes on only stamps the time it happened at: the timer is armed
/// anew when it fires, not whenever a byte moves.
///
/// Thread safety: distinct objects safe; one object only from its strand. `check` is not called after the destructor.
template <class Traits = DefaultTraits>
class Watchdog {
public:
    using Check = std::function<std::optional<TimePoint>(TimePoint now)>;

    Watchdog(const asio::any_io_executor& executor, Check check)
        : state_{std::make_shared<State>(executor, std::move(check))} {}

    ~Watchdog() {
        if (state_) stop();
    }

    Watchdog(Watchdog&&) noexcept = default;
    Watchdog& operator=(Watchdog&&) = delete;

    /// Arms the timer; a running watchdog is armed anew.
    void start(TimePoint first) { arm(state_, first); }

    void stop() {
        ++state_->generation;
        state_->timer.cancel();
    }

private:
    struct State {
        State(const asio::any_io_executor& executor, Check check_) : timer{executor}, check{std::move(check_)} {}
        typename Traits::Timer timer;
        Check check;
        unsigned generation = 0;
    };

    static void arm(const std::shared_ptr<State>& state, TimePoint when) {
        const unsigned generation = ++state->generation;
        state->timer.expires_at(when);
        // The generation tells a stale expiry apart: cancelling a timer that has just fired does not take it back.
        state->timer.async_wait([state, generation](std::error_code error) {
            if (error || generation != state->generation) return;
            const std::optional<TimePoint> next = state->check(Traits::Clock::now());
            if (next && generation == state->generation) arm(state, *next);
        });
    }

    std::shared_ptr<State> state_;
};

}  // namespace rejoin

#endif
