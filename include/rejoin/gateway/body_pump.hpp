#ifndef REJOIN_GATEWAY_BODY_PUMP_HPP
#define REJOIN_GATEWAY_BODY_PUMP_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include <rejoin/error.hpp>
#include <rejoin/http/chunk.hpp>
#include <rejoin/net/deadline.hpp>
#include <rejoin/net/traits.hpp>

namespace rejoin {

struct BodyPumpOptions {
    bool chunked = false;  ///< frame what is written in chunks
    Duration idle{};       ///< bound on the wait for the next bytes; zero = none
    Duration write{};      ///< bound on one write; zero = none
    /// Takes a copy of the body, or nothing when that is longer than `copy_limit`; must live as long as the pump. Null = none.
    std::string* copy = nullptr;
    std::size_t copy_limit = 0;
};

/// Where a pump failed, so that the other side can be told apart.
struct BodyPumpResult {
    std::error_code read_error;   ///< the source did not come whole
    std::error_code write_error;  ///< the sink did not take it
    std::uint64_t bytes = 0;      ///< of the body, that the sink took
    explicit operator bool() const noexcept { return !read_error && !write_error; }
};

/// Copies the current message's body from one connection to the other, piece by piece: never more in memory than one read.
/// A body that does not come whole is not given an orderly end.
template <class Traits, class From, class To>
Awaitable<BodyPumpResult> pump_body(From& from, To& to, BodyPumpOptions options) {
    BodyPumpResult result;
    std::string_view piece;
    for (;;) {
        while (from.next_body(piece)) {
            if (options.copy) {
                const bool fits = piece.size() <= options.copy_limit - options.copy->size();
                if (fits) options.copy->append(piece);
                else options.copy->clear();
                if (!fits) options.copy = nullptr;
            }
            const ChunkFraming framing{options.chunked ? piece.size() : 0};
            const std::array<asio::const_buffer, 3> buffers{asio::buffer(framing.head()), asio::buffer(piece),
                                                            asio::buffer(framing.tail())};
            result.write_error = co_await to.write(buffers, options.write);
            if (result.write_error) co_return result;
            result.bytes += piece.size();
        }
        if (from.body_ended()) break;
        Deadline<Traits> deadline{from.executor(), options.idle, [&from] { from.cancel(); }};
        co_await from.fill();
        if (deadline.expired() && from.body_error()) {
            result.read_error = Error::body_timeout;
            co_return result;
        }
    }
    result.read_error = from.body_error();
    if (!result.read_error && options.chunked) result.write_error = co_await to.write(last_chunk, options.write);
    co_return result;
}

}  // namespace rejoin

#endif
