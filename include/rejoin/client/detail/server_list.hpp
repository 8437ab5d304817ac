#ifndef REJOIN_CLIENT_DETAIL_SERVER_LIST_HPP
#define REJOIN_CLIENT_DETAIL_SERVER_LIST_HPP

#include <chrono>
#include <cstddef>
#include <vector>

#include <rejoin/http/url.hpp>
#include <rejoin/resume/failover.hpp>

namespace rejoin::detail {

// The URLs of one stream, and which of them is asked.
class ServerList {
public:
    using TimePoint = Failover::TimePoint;

    ServerList(const Url& first, const std::vector<Url>& others, std::chrono::milliseconds cool_down)
        : urls_{first}, failover_{others.size() + 1, cool_down} {
        urls_.insert(urls_.end(), others.begin(), others.end());
    }

    const Url& pick(TimePoint now) noexcept {
        current_ = failover_.pick(now);
        return urls_[current_];
    }

    // Of the one picked last.
    void failed(TimePoint now) noexcept { failover_.failed(current_, now); }
    void succeeded() noexcept { failover_.succeeded(current_); }

    // The next attempt goes to another one than the last, and that one is worth it.
    bool elsewhere(TimePoint now) const noexcept { return failover_.pick(now) != current_ && failover_.any_ready(now); }

    // Credentials must not follow to another origin for good.
    void moved(const Url& url) {
        if (urls_[current_].same_origin(url)) urls_[current_] = url;
    }

private:
    std::vector<Url> urls_;
    Failover failover_;
    std::size_t current_ = 0;
};

}  // namespace rejoin::detail

#endif
