#ifndef REJOIN_CLIENT_ATTEMPT_HOOK_HPP
#define REJOIN_CLIENT_ATTEMPT_HOOK_HPP

#include <cstdint>
#include <functional>
#include <optional>
#include <system_error>
#include <utility>

#include <rejoin/client/http_request.hpp>
#include <rejoin/http/message.hpp>
#include <rejoin/net/asio.hpp>

namespace rejoin {

/// What a hook sees before an attempt, and what it may change.
struct UpcomingAttempt {
    explicit UpcomingAttempt(HttpRequest request_) : request{std::move(request_)} {}

    /// The request as given to the stream (behind a failover: with the URL picked). Target, headers, body and method may be
    /// changed, for this attempt alone. `Last-Event-ID` is set afterwards, from the cursor.
    HttpRequest request;
    /// Attempts of this stream before this one.
    std::uint64_t attempts = 0;
    /// The head of the response before, if there was one: 401 asks for other credentials.
    std::optional<ResponseHead> last_response = std::nullopt;
    /// What ended the attempt before, if it was a failure.
    std::error_code last_error = {};
};

/// Called before each attempt and awaited; its error, or what it throws, is that of the attempt, in `Phase::prepare`. Called
/// on the stream's executor. Lifetime: the argument lives until the awaitable has completed. Cancellation: closing the
/// stream cancels the awaitable (terminal).
using AttemptHook = std::function<Awaitable<std::error_code>(UpcomingAttempt&)>;

}  // namespace rejoin

#endif
