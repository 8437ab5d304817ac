#ifndef REJOIN_HTTP_STEP_HPP
#define REJOIN_HTTP_STEP_HPP

#include <cstdint>

namespace rejoin {

/// What one call of a parser's `parse()` came to.
enum class HttpStep : std::uint8_t {
    need_more,  ///< All input is consumed (or, after `complete`, none): bring more bytes.
    head,       ///< The head is there: `head()`, `framing()`, `keep_alive()`.
    body,       ///< A piece of the body is there: `body()`.
    complete,   ///< The message is whole. Once for each message; then nothing is consumed until `reset()`.
    error,      ///< Refused, see `error()`. Final until `reset()`.
};

/// How a message's body is delimited (RFC 9112 6.3).
enum class HttpFraming : std::uint8_t {
    none,            ///< No body.
    content_length,  ///< As many bytes as Content-Length says.
    chunked,         ///< By the chunked coding.
    until_close,     ///< (responses) All bytes until the peer closes; it can't be told from a truncated body.
};

}  // namespace rejoin

#endif
