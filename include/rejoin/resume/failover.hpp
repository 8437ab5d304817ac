#ifndef REJOIN_RESUME_FAILOVER_HPP
#define REJOIN_RESUME_FAILOVER_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <system_error>
#include <vector>

#include <rejoin/error.hpp>

namespace rejoin {

/// Which of several equal servers to ask, in order of preference: the first that has not failed within its cool-down, and
/// if all have, the one whose failure is longest ago.
///
/// It knows them by their place in the caller's list. No clock; not thread-safe; allocates only when made.
class Failover {
public:
    using TimePoint = std::chrono::steady_clock::time_point;

    /// `cool_down`: how long a server that failed is passed over, milliseconds. Throws `std::system_error`
    /// (`Error::invalid_option`): no server, or a negative time.
    Failover(std::size_t servers, std::chrono::milliseconds cool_down)
        : ready_at_(servers, TimePoint::min()), cool_down_{cool_down} {
        if (servers == 0 || cool_down.count() < 0) {
            throw std::system_error{make_error_code(Error::invalid_option), "Failover"};
        }
    }

    /// Whom to ask now.
    std::size_t pick(TimePoint now) const noexcept {
        const auto ready = std::find_if(ready_at_.begin(), ready_at_.end(), [now](TimePoint at) { return at <= now; });
        const auto best = ready != ready_at_.end() ? ready : std::min_element(ready_at_.begin(), ready_at_.end());
        return static_cast<std::size_t>(best - ready_at_.begin());
    }

    /// The server did not answer, or with a status that speaks of the moment, or broke off without any event.
    void failed(std::size_t server, TimePoint now) noexcept { ready_at_[server] = now + cool_down_; }

    /// The server gives events.
    void succeeded(std::size_t server) noexcept { ready_at_[server] = TimePoint::min(); }

    /// Whether `pick()` would give one that has not failed lately.
    bool any_ready(TimePoint now) const noexcept { return ready_at_[pick(now)] <= now; }

private:
    std::vector<TimePoint> ready_at_;
    std::chrono::milliseconds cool_down_;
};

}  // namespace rejoin

#endif
