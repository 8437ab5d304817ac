#ifndef REJOIN_NET_HAPPY_EYEBALLS_HPP
#define REJOIN_NET_HAPPY_EYEBALLS_HPP

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include <rejoin/net/traits.hpp>

// The decisions of RFC 8305 ("Happy Eyeballs"), without I/O: which addresses, in what order, when, and what is said when
// none answers.

namespace rejoin {

using Endpoints = std::vector<asio::ip::tcp::endpoint>;

/// How many addresses of one name are tried, and so the most sockets that one `connect()` has open at a time.
inline constexpr std::size_t max_connect_attempts = 8;

/// The order to try addresses in (RFC 8305, section 4): the families in turns, beginning with that of the first address,
/// each in the order the resolver gave, so that a family that doesn't work costs one delay and not one for each of its
/// addresses. Repeated ones and what is over `limit` are left out.
inline Endpoints attempt_order(const Endpoints& resolved, std::size_t limit = max_connect_attempts) {
    Endpoints families[2];
    for (const auto& endpoint : resolved) {
        Endpoints& family = families[endpoint.address().is_v6() == resolved.front().address().is_v6() ? 0 : 1];
        if (std::find(family.begin(), family.end(), endpoint) == family.end()) family.push_back(endpoint);
    }
    Endpoints order;
    for (std::size_t i = 0; i < std::max(families[0].size(), families[1].size()); ++i) {
        for (const Endpoints& family : families) {
            if (i < family.size() && order.size() < limit) order.push_back(family[i]);
        }
    }
    return order;
}

/// When to start which attempt (RFC 8305, section 5): one `delay` after another, or at once when the one started last has
/// failed; a delay of zero waits for that failure alone. Not thread-safe.
class AttemptSchedule {
public:
    AttemptSchedule(std::size_t attempts, Duration delay) : attempts_{attempts}, delay_{delay} {}

    /// The attempt to start now, counted from 0, if any is due.
    std::optional<std::size_t> next(TimePoint now) {
        if (started_ == attempts_ || now < due_) return std::nullopt;
        due_ = delay_ > Duration::zero() ? now + delay_ : TimePoint::max();
        return started_++;
    }

    /// When `next()` will give one even if no attempt fails; nothing when only a failure helps, or all are started.
    std::optional<TimePoint> due() const {
        if (started_ == attempts_ || due_ == TimePoint::max()) return std::nullopt;
        return due_;
    }

    /// Attempt `number` has failed. An older one than the last says nothing about the one that now has its time.
    void failed(std::size_t number, const std::error_code& error) {
        ++failed_;
        if (number + 1 == started_) due_ = TimePoint::min();
        if (!error_ || !is_missing_route(error) || is_missing_route(error_)) error_ = error;
    }

    /// Nothing is under way and nothing is left.
    bool exhausted() const noexcept { return failed_ == attempts_; }

    /// What to say then: the last error, but one that only tells that this host lacks the family just when there is no
    /// other. `host_not_found` when there was no address.
    std::error_code error() const { return attempts_ == 0 ? std::error_code{asio::error::host_not_found} : error_; }

private:
    static bool is_missing_route(const std::error_code& error) {
        return error == asio::error::network_unreachable || error == asio::error::address_family_not_supported ||
               error == std::error_code{EADDRNOTAVAIL, asio::error::get_system_category()};
    }

    std::size_t attempts_;
    Duration delay_;
    std::size_t started_ = 0;
    std::size_t failed_ = 0;
    TimePoint due_ = TimePoint::min();
    std::error_code error_;
};

}  // namespace rejoin

#endif
