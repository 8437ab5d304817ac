#ifndef REJOIN_TESTING_RANDOM_HPP
#define REJOIN_TESTING_RANDOM_HPP

#include <cstdint>
#include <limits>

#include <rejoin/resume/detail/hash.hpp>

namespace rejoin::testing {

/// Random numbers of a seed, the same on every platform and with every standard library: a test that failed fails again.
///
/// A generator in the sense of the standard (`std::shuffle` and the distributions take it; those of the standard are not
/// the same everywhere, `below()` and `chance()` are). Not for secrets. Not thread-safe.
class Random {
public:
    using result_type = std::uint64_t;

    explicit Random(std::uint64_t seed) noexcept : state_{seed} {}

    static constexpr result_type min() noexcept { return 0; }
    static constexpr result_type max() noexcept { return std::numeric_limits<result_type>::max(); }

    result_type operator()() noexcept { return rejoin::detail::splitmix64(state_); }

    /// Evenly from 0 to `limit - 1`; 0 for a limit of 0. (Its bias is below `limit` in 2^64.)
    std::uint64_t below(std::uint64_t limit) noexcept { return limit == 0 ? 0 : (*this)() % limit; }

    /// Evenly from `low` to `high`, both included. Precondition: `low <= high`.
    std::uint64_t between(std::uint64_t low, std::uint64_t high) noexcept { return low + below(high - low + 1); }

    /// True `times` times out of `of`.
    bool chance(std::uint64_t times, std::uint64_t of) noexcept { return below(of) < times; }

    /// One of a container's elements. Precondition: it has some.
    template <class Container>
    auto& pick(Container& from) noexcept {
        return from[below(from.size())];
    }

    /// A generator of its own, so that what one part of a test draws does not change what another does.
    Random fork() noexcept { return Random{(*this)()}; }

private:
    std::uint64_t state_;
};

}  // namespace rejoin::testing

#endif
