#ifndef REJOIN_NET_TRAITS_HPP
#define REJOIN_NET_TRAITS_HPP

#include <chrono>

#include <rejoin/net/asio.hpp>

namespace rejoin {

/// What the Asio classes are made of. Tests replace the clock and its timer (`rejoin/testing/manual_clock.hpp`) and keep
/// the sockets; every class `BasicX<Traits>` has the alias `X` for this default.
///
/// A replaced clock must share `steady_clock`'s `time_point`, so that everything below this layer stays free of it.
struct DefaultTraits {
    using Clock = std::chrono::steady_clock;
    using Timer = asio::steady_timer;
    using Resolver = asio::ip::tcp::resolver;
    using Socket = asio::ip::tcp::socket;
};

using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

}  // namespace rejoin

#endif
