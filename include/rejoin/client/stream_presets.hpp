#ifndef REJOIN_CLIENT_STREAM_PRESETS_HPP
#define REJOIN_CLIENT_STREAM_PRESETS_HPP

#include <rejoin/client/reconnecting_stream_options.hpp>
#include <rejoin/resume/retry_policy.hpp>
#include <rejoin/sse/event.hpp>

namespace rejoin {

/// The last event of a completion: the data `[DONE]` (OpenAI and those who follow it) or the type `message_stop` (Anthropic).
inline bool is_done_event(const SseEventView& event) { return event.data == "[DONE]" || event.type == "message_stop"; }

/// As a browser's EventSource does it; see `event_source_policy()`.
inline ReconnectingStreamOptions event_source_options() {
    ReconnectingStreamOptions options;
    options.reconnection.policy = event_source_policy();
    return options;
}

/// The completion of a language model by POST: over at `is_done_event()`, cut where that did not come, tried again twice
/// while it surely was not begun. The wait for the first byte may be long.
inline ReconnectingStreamOptions llm_completion_options() {
    ReconnectingStreamOptions options;
    options.reconnection.policy = llm_completion_policy();
    options.reconnection.max_attempts = 2;
    options.client.response_timeout = std::chrono::minutes{10};
    options.terminal = is_done_event;
    return options;
}

/// A feed that is followed for ever: every status is retried, an event over the limits is passed over.
inline ReconnectingStreamOptions follow_forever_options() {
    ReconnectingStreamOptions options;
    options.reconnection.policy = follow_forever_policy();
    options.reconnection.poison_limit = 0;
    options.parser.limits.mode = OversizeMode::skip;
    return options;
}

}  // namespace rejoin

#endif
