#ifndef REJOIN_RESUME_END_REASON_HPP
#define REJOIN_RESUME_END_REASON_HPP

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <rejoin/version.hpp>

namespace rejoin {

/// How an attempt ended. These are different facts, never folded into one another: what was cut is not an end, and an
/// end by closing the connection is not the same promise as a last chunk (RFC 9112, section 8).
enum class EndReason : std::uint8_t {
    complete,         ///< The message was whole: last chunk seen, or Content-Length reached.
    close_delimited,  ///< The peer closed a body whose length nothing told. It may be whole; nobody can say.
    truncated,        ///< The peer closed inside a chunk, before the last chunk, or before Content-Length was reached.
    reset,            ///< The connection broke (RST, network error) after it stood.
    timed_out,        ///< A deadline of ours passed; the error names the phase.
    connect_failed,   ///< There never was a connection: resolve, connect or TLS failed. The request was not sent.
    protocol_error,   ///< The peer broke HTTP or the event-stream format, or one of our limits on them.
    closed,           ///< This side closed it.
};

inline constexpr std::size_t end_reason_count = 8;

/// The name as written above, for logs and metric labels.
constexpr std::string_view to_string(EndReason reason) noexcept {
    switch (reason) {
    case EndReason::complete: return "complete";
    case EndReason::close_delimited: return "close_delimited";
    case EndReason::truncated: return "truncated";
    case EndReason::reset: return "reset";
    case EndReason::timed_out: return "timed_out";
    case EndReason::connect_failed: return "connect_failed";
    case EndReason::protocol_error: return "protocol_error";
    case EndReason::closed: return "closed";
    }
    return "unknown";
}

}  // namespace rejoin

#endif
