#ifndef REJOIN_CLIENT_RECONNECTING_STREAM_OPTIONS_HPP
#define REJOIN_CLIENT_RECONNECTING_STREAM_OPTIONS_HPP

#include <cstddef>
#include <memory>

#include <rejoin/client/sse_http_client.hpp>
#include <rejoin/resume/circuit_breaker.hpp>
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
    /// Asked before each attempt and told how it went; shared by the streams of one origin. Null = none.
    std::shared_ptr<CircuitBreaker> breaker;
    /// Bytes kept of the body of a response that is not a stream, for error reports; zero = none are read.
    std::size_t error_body = 4096;
};

}  // namespace rejoin

#endif
