#ifndef REJOIN_GATEWAY_POST_STREAMS_HPP
#define REJOIN_GATEWAY_POST_STREAMS_HPP

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <rejoin/client/reconnecting_stream_options.hpp>
#include <rejoin/gateway/json_rpc.hpp>
#include <rejoin/http/message.hpp>
#include <rejoin/resume/retry_policy.hpp>

namespace rejoin {

/// What becomes of an event stream that answers a request with side effects (POST). Such a request is never sent twice.
enum class PostStreams : std::uint8_t {
    /// It ends downstream as it ended upstream; the client's leaving ends it upstream.
    cut,
    /// As `cut`, but where its events carried ids and it was cut upstream, it goes on by GET at the same URL behind the last
    /// id, in the client's open response.
    resume,
    /// The Model Context Protocol's streamable HTTP, up to version 2025-11-25: as `resume`, and a client that left comes
    /// back by GET with `Last-Event-ID`. The stream is whole when the JSON-RPC response was in it; an end before that is a
    /// pause (SEP-1699) that lasts as long as `retry:` says. Where it can't go on, an error response precedes the cut.
    mcp,
    /// The answer goes on into the log when the client leaves, under ids of the gateway's own; the client comes back for it
    /// by GET at the same URL, with the last id it saw or with the `SSE-Stream-Id` of the response's head.
    detach,
};

/// The MCP version that a request names, or an empty text.
inline std::string_view mcp_version(const RequestHead& request) {
    return request.fields.get("MCP-Protocol-Version").value_or("");
}

/// From 2026-07-28 on MCP has no resumption, and closing a stream cancels its request.
inline bool mcp_resumes(std::string_view version) noexcept { return version < "2026-07-28"; }

/// Whether a resumed MCP stream begins with an event that holds nothing but the id it resumes behind.
inline bool mcp_primes(std::string_view version) noexcept { return version >= "2025-11-25" && mcp_resumes(version); }

/// What a request's stream is treated as on a route of `mode`.
inline PostStreams post_streams_of(PostStreams mode, const RequestHead& request) {
    return mode == PostStreams::mcp && !mcp_resumes(mcp_version(request)) ? PostStreams::cut : mode;
}

/// Whether a client that left such a stream may come back to it.
inline bool keeps_for_return(PostStreams mode) noexcept { return mode == PostStreams::mcp || mode == PostStreams::detach; }

namespace detail {

// MCP 2025-11-25, "Sending messages to the server": the client waits for as long as `retry:` says, no less.
inline std::chrono::milliseconds mcp_delay(const DelayRequest& request) {
    const std::uint32_t doublings = std::min<std::uint32_t>(request.attempt - 1, 10);
    return std::min<std::chrono::milliseconds>(request.base * (1 << doublings), std::max<std::chrono::milliseconds>(request.base, std::chrono::seconds{30}));
}

}  // namespace detail

/// Sets up the upstream side of a stream that answers a request with side effects.
inline void set_post_stream(ReconnectingStreamOptions& options, PostStreams mode) {
    // Also of a PUT or a DELETE: idempotent or not, its body is gone.
    options.reconnection.policy = [decide = resilient_retry_policy()](Attempt attempt) {
        attempt.idempotent = false;
        return decide(attempt);
    };
    options.resume_by_get = mode != PostStreams::cut;
    if (mode != PostStreams::mcp) return;
    options.answer = [](const SseEventView& event) { return has_json_rpc_response(event.data); };
    options.reconnection.delay = detail::mcp_delay;
}

/// What is said to the client of an MCP request before its stream is broken off unanswered: an error response for each
/// request in `body`. Nothing for a body that is no JSON-RPC.
inline std::vector<std::string> mcp_farewell(std::string_view body) {
    std::vector<std::string> events;
    for (const JsonRpcMessage& message : read_json_rpc(body)) {
        if (message.request && !message.id.empty()) events.push_back(json_rpc_connection_error(message.id));
    }
    return events;
}

}  // namespace rejoin

#endif
