#ifndef REJOIN_SSE_LIMITS_HPP
#define REJOIN_SSE_LIMITS_HPP

#include <cstddef>
#include <cstdint>

#include <rejoin/version.hpp>

namespace rejoin {

/// What becomes of an event that passes a limit.
enum class OversizeMode : std::uint8_t {
    fail,  ///< The parser gives up: `error()` says which limit, `last_event_id()` where.
    skip,  ///< That event is dropped and counted, its id still moves the cursor, parsing goes on behind its blank line.
};

/// What becomes of bytes that are not UTF-8 in what the parser hands out.
enum class Utf8Mode : std::uint8_t {
    pass,     ///< Handed on as they are. Right for a proxy, and free.
    replace,  ///< Each maximal ill-formed part becomes U+FFFD, as WHATWG "UTF-8 decode" does. Right for applications.
    reject,   ///< The parser gives up at an event with ill-formed data, type or id. Other lines: replaced.
};

/// How much a peer may make the parser hold. The bounds are on bytes received, before any replacement.
///
/// Comments and unknown fields are never errors, however long; unreported they cost no memory at all.
struct SseLimits {
    /// Bytes of one `data`, `event`, `id` or `retry` line, its name included and its line end not. 0 = no limit.
    std::size_t line = 1024 * 1024;
    /// Bytes of one event's data, the joining LFs included. 0 = no limit.
    std::size_t event = 4 * 1024 * 1024;
    /// Bytes kept of a comment or unknown field line where those are reported; the rest of the line is dropped. 0 = all of it.
    std::size_t comment = 64 * 1024;
    OversizeMode mode = OversizeMode::fail;
};

}  // namespace rejoin

#endif
