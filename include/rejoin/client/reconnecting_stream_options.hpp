#ifndef REJOIN_CLIENT_RECONNECTING_STREAM_OPTIONS_HPP
#define REJOIN_CLIENT_RECONNECTING_STREAM_OPTIONS_HPP

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include <rejoin/client/attempt_hook.hpp>
#include <rejoin/client/sse_http_client.hpp>
#include <rejoin/client/stream_observer.hpp>
#include <rejoin/resume/circuit_breakers.hpp>
#include <rejoin/resume/event_tracker.hpp>
#include <rejoin/resume/health_monitor.hpp>
#include <rejoin/resume/reconnection_machine.hpp>
#include <rejoin/sse/parser_options.hpp>

namespace rejoin {

struct ReconnectingStreamOptions {
    SseHttpClientOptions client;
    /// What of the stream beside events is handed out (comments, unknown fields), limits, and what becomes of bytes that are
    /// not UTF-8. `cursors` and `retries` are on in any case.
    SseParserOptions parser = {.limits = {}, .utf8 = Utf8Mode::replace};
    EventTrackerOptions tracker;
    HealthMonitorOptions health;
    ReconnectionOptions reconnection;
    /// The origin's breaker is asked before each attempt and told how it went; shared by streams. Null = none.
    std::shared_ptr<CircuitBreakers> breakers = nullptr;
    /// Awaited before each attempt: fresh credentials, another target. Empty = none.
    AttemptHook before_attempt = {};
    /// Whether an event is the last of its stream (`[DONE]`): it is handed out, and the stream is over, whatever the
    /// connection does. Empty = none is.
    std::function<bool(const SseEventView&)> terminal = {};
    /// Whether an event is what the request asked for: once it has come, an end of the connection by itself is the end of
    /// the stream, and before that it is not (a JSON-RPC response, which others may follow). Empty = nothing is known.
    std::function<bool(const SseEventView&)> answer = {};
    /// Told of each item. Null = none.
    std::shared_ptr<StreamObserver> observer = nullptr;
    /// Other URLs of the same stream, which know the same ids: asked while those before them have failed lately. The
    /// request's headers, credentials included, go to each.
    std::vector<Url> alternatives = {};
    /// With alternatives: how long one that failed is passed over, milliseconds.
    std::chrono::milliseconds cool_down{30'000};
    /// A request that must not be sent again goes on by GET at the same URL behind its cursor, with the same headers but
    /// those of the body: the resumption of MCP and of `detach`ed completions.
    bool resume_by_get = false;
    /// A permanent redirect (301, 308) within the same origin is where later attempts begin.
    bool remember_redirects = false;
    /// Bytes kept of the body of a response that is not a stream, for error reports; zero = none are read.
    std::size_t error_body = 4096;
};

}  // namespace rejoin

#endif
