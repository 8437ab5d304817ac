#ifndef REJOIN_TESTING_GATE_HPP
#define REJOIN_TESTING_GATE_HPP

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace rejoin::testing {

/// Where a script waits until the test lets it go on: closed at first, `open()` lets through whoever waits and whoever
/// comes, until `close()`. Copies are the same gate.
///
/// Not synchronised: one thread, the one that runs the server.
class Gate {
public:
    void open() {
        state_->open = true;
        const auto waiters = std::exchange(state_->waiters, {});
        for (const Waiter& waiter : waiters) waiter.wake();
    }

    void close() noexcept { state_->open = false; }
    bool is_open() const noexcept { return state_->open; }

    /// How many scripts wait here: a test may `run_until()` one does.
    std::size_t waiting() const noexcept { return state_->waiters.size(); }

    /// Registers a waiter under a key of its own; `wake` is called inside `open()`. For those who build servers.
    void enter(const void* key, std::function<void()> wake) { state_->waiters.push_back({key, std::move(wake)}); }
    void leave(const void* key) {
        std::erase_if(state_->waiters, [key](const Waiter& waiter) { return waiter.key == key; });
    }

private:
    struct Waiter {
        const void* key;
        std::function<void()> wake;
    };
    struct State {
        bool open = false;
        std::vector<Waiter> waiters;
    };
    std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace rejoin::testing

#endif
