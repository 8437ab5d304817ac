#ifndef REJOIN_CLIENT_BODY_SOURCE_HPP
#define REJOIN_CLIENT_BODY_SOURCE_HPP

#include <cstdint>
#include <optional>
#include <string_view>

#include <rejoin/net/asio.hpp>
#include <rejoin/result.hpp>

namespace rejoin {

/// The body of a request that is not one string in memory: read piece by piece while it is sent.
///
/// A request may be sent more than once (a redirect, a retry), so a source can be rewound, or says that it can't.
/// Used by one request at a time, from the client's executor.
class BodySource {
public:
    virtual ~BodySource() = default;

    /// Bytes from the beginning to the end, where that is known: they go out with a Content-Length, else chunked.
    virtual std::optional<std::uint64_t> size() const = 0;

    /// Called before each time the body is sent, the first included: the next piece is the first. False when that can't be;
    /// the request then fails with `Error::not_resumable`.
    virtual bool rewind() = 0;

    /// The next piece, valid until the next call; empty at the end. An error ends the request with it. Cancellation: the
    /// awaitable should end at once, as Asio's do.
    virtual Awaitable<Result<std::string_view>> next() = 0;
};

}  // namespace rejoin

#endif
