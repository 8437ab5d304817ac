#ifndef REJOIN_RESUME_CIRCUIT_BREAKERS_HPP
#define REJOIN_RESUME_CIRCUIT_BREAKERS_HPP

#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include <rejoin/resume/circuit_breaker.hpp>

namespace rejoin {

/// One circuit breaker for each origin, shared by all who ask that origin: that a thousand streams do not each find out by
/// themselves that a server is down. A breaker lives as long as somebody holds it, as a stream does with that of the origin
/// it asked last.
///
/// Not thread-safe: one for each thread.
class CircuitBreakers {
public:
    /// Throws `std::system_error` (`Error::invalid_option`).
    explicit CircuitBreakers(const CircuitBreakerOptions& options = {}) : options_{options} {
        const CircuitBreaker checked{options};
    }

    /// The breaker of `origin` (scheme, host and port, in one form of the caller's).
    std::shared_ptr<CircuitBreaker> of(const std::string& origin) {
        if (breakers_.size() >= next_look_) forget_gone();
        auto& known = breakers_[origin];
        auto breaker = known.lock();
        if (!breaker) known = breaker = std::make_shared<CircuitBreaker>(options_);
        return breaker;
    }

    /// Origins known, at most twice those whose breakers live, and a few.
    std::size_t size() const noexcept { return breakers_.size(); }

private:
    // Not at each new origin: looking through them all is to cost a constant for each.
    void forget_gone() {
        std::erase_if(breakers_, [](const auto& entry) { return entry.second.expired(); });
        next_look_ = 2 * breakers_.size() + 16;
    }

    CircuitBreakerOptions options_;
    std::map<std::string, std::weak_ptr<CircuitBreaker>> breakers_;
    std::size_t next_look_ = 16;
};

}  // namespace rejoin

#endif
