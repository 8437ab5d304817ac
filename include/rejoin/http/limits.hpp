#ifndef REJOIN_HTTP_LIMITS_HPP
#define REJOIN_HTTP_LIMITS_HPP

#include <cstddef>

namespace rejoin {

/// How much of a message's framing a parser takes. A message of exactly the limit passes; zero = off.
///
/// Bodies have no limit here: they are handed on piece by piece and never kept.
struct HttpLimits {
    /// Bytes of the start line, the header section and the trailer section together, line ends and empty lines
    /// included; past it `Error::header_too_large`.
    std::size_t header_bytes = 32 * 1024;
    /// Field lines in the header and trailer sections together; past it `Error::header_too_large`.
    std::size_t header_count = 100;
    /// Bytes of the request target; past it `Error::target_too_long`.
    std::size_t target = 8 * 1024;
    /// Bytes of one chunk-size line with its extensions, without CRLF; past it `Error::bad_message`.
    std::size_t chunk_line = 1024;
};

}  // namespace rejoin

#endif
