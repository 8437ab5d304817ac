#ifndef REJOIN_EXAMPLES_CONTRACT_OPTIONS_HPP
#define REJOIN_EXAMPLES_CONTRACT_OPTIONS_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include <rejoin/client/reconnecting_stream_options.hpp>

#include "contract_stream_request.hpp"

namespace examples {

/// A delay of zero is asked for in earnest, but a server that refuses every attempt is not to be asked in a tight loop.
inline std::chrono::milliseconds contract_breather(std::uint32_t retries_without_progress) {
    if (retries_without_progress == 0) return std::chrono::milliseconds{0};
    const std::uint32_t doublings = std::min<std::uint32_t>(retries_without_progress - 1, 7);
    return std::min(std::chrono::milliseconds{10 * (1 << doublings)}, std::chrono::milliseconds{1'000});
}

/// EventSource, with the patience that WHATWG HTML 9.2.3 leaves room for: 204 stops, a 200 of another type fails for good,
/// 408, 425, 429 and 5xx back off, not before their Retry-After, every other status fails, every end of a stream is a drop.
///
/// A stream made by POST or REPORT is made anew as one made by GET is, also after events: to the harness it is a
/// subscription. The library's default would not do that, for it can't know that repeating the request is harmless.
inline rejoin::RetryPolicy contract_policy() {
    return [decide = rejoin::event_source_policy()](const rejoin::Attempt& attempt) {
        rejoin::Decision decision = decide(attempt);
        if (decision.kind == rejoin::Decision::Kind::retry) {
            decision.min_delay = std::max(decision.min_delay, contract_breather(attempt.number));
        }
        return decision;
    };
}

/// How the client is set up for a harness, which expects what the standard says to the letter: delays without jitter,
/// `retry:` as it is, comments in full, and each event that the server sends, a repeated one too.
inline rejoin::ReconnectingStreamOptions contract_options(const ContractStreamRequest& asked) {
    constexpr std::size_t largest = 32 * 1024 * 1024;
    rejoin::ReconnectingStreamOptions options;
    options.parser.comments = true;
    options.parser.limits.line = largest;
    options.parser.limits.event = largest;
    options.parser.limits.comment = largest;
    options.tracker.window = 0;
    options.error_body = 0;

    rejoin::BackoffOptions& backoff = options.reconnection.backoff;
    backoff.jitter = rejoin::Jitter::none;
    backoff.retry_floor = std::chrono::milliseconds{0};
    if (asked.initial_delay) backoff.base = *asked.initial_delay;
    backoff.cap = std::max(backoff.cap, backoff.base);
    options.reconnection.policy = contract_policy();

    if (asked.read_timeout) {
        options.health.idle = *asked.read_timeout;
        options.client.response_timeout = *asked.read_timeout;
    }
    return options;
}

}  // namespace examples

#endif
