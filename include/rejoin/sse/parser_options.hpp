#ifndef REJOIN_SSE_PARSER_OPTIONS_HPP
#define REJOIN_SSE_PARSER_OPTIONS_HPP

#include <rejoin/sse/limits.hpp>
#include <rejoin/version.hpp>

namespace rejoin {

/// How a parser is bounded, what it does about bytes that are not UTF-8, and what it reports beside events.
struct SseParserOptions {
    SseLimits limits = {};
    Utf8Mode utf8 = Utf8Mode::pass;
    bool comments = false;  ///< Report `SseItem::comment`.
    bool cursors = false;   ///< Report `SseItem::cursor`.
    bool retries = false;   ///< Report `SseItem::retry`.
    bool fields = false;    ///< Report `SseItem::field`.
};

}  // namespace rejoin

#endif
