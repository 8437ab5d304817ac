#ifndef REJOIN_RESUME_RETRY_POLICY_HPP
#define REJOIN_RESUME_RETRY_POLICY_HPP

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <system_error>

#include <rejoin/error.hpp>
#include <rejoin/resume/end_reason.hpp>

namespace rejoin {

/// How one attempt (connect, request, response, stream) ended: what a policy decides on.
struct Attempt {
    /// The response's status; 0: no response head arrived.
    int status = 0;
    /// The response was an event stream by its Content-Type.
    bool event_stream = false;
    /// `Retry-After` of the response, from then on.
    std::optional<std::chrono::milliseconds> retry_after = std::nullopt;
    EndReason end = EndReason::connect_failed;
    /// The cause where there is one; none for an end that is not a failure.
    std::error_code error = {};
    /// Bytes of the request may have reached the server. Known false only where no connection came about, or a pooled
    /// one was dead before the first byte.
    bool sent = true;
    /// The request may be sent again without harm (RFC 9110, 9.2.2): GET, HEAD, PUT, DELETE, OPTIONS, TRACE.
    bool idempotent = true;
    /// The stream has a cursor to resume from.
    bool has_cursor = false;
    /// At least one event of this request has arrived, on this or an earlier attempt.
    bool any_event = false;

    // --- filled in by `ReconnectionMachine` ---
    /// Retries without progress before this attempt.
    std::uint32_t number = 0;
    /// This attempt brought something: an event, or a healthy time.
    bool progressed = false;
    /// No attempt has ever opened a stream.
    bool initial = true;
};

/// What to do next.
struct Decision {
    enum class Kind : std::uint8_t {
        retry,  ///< Wait for the backoff, `min_delay` at least, and connect again.
        stop,   ///< The stream is over; `error` is none, or says why it is no failure (`no_content`, `closed`).
        fail,   ///< Give up with `error`.
    };
    Kind kind = Kind::retry;
    std::chrono::milliseconds min_delay{0};
    std::error_code error = {};

    static Decision retry(std::chrono::milliseconds at_least = std::chrono::milliseconds{0}) {
        return {Kind::retry, at_least, {}};
    }
    static Decision stop(std::error_code why = {}) { return {Kind::stop, std::chrono::milliseconds{0}, why}; }
    static Decision fail(std::error_code why) { return {Kind::fail, std::chrono::milliseconds{0}, why}; }
};

/// Decides after each attempt. Called from the stream's own executor; must not throw.
using RetryPolicy = std::function<Decision(const Attempt&)>;

struct RetryPolicyOptions {
    /// Retry when the very first attempts fail; false: fail fast until a stream once was open.
    bool retry_initial = true;
    /// A longer `Retry-After` is cut to this, milliseconds. Zero: not honoured.
    std::chrono::milliseconds retry_after_cap{300'000};
    /// Send a request that is not idempotent again when it was cut before its first event. It may then be carried out
    /// twice.
    bool resend_unanswered = false;
    /// Retry 409 where there is a cursor: the server may still count the cut stream as alive.
    bool retry_conflict = false;
};

/// The statuses that speak of the moment, not of the request: 408, 425, 429 and all 5xx.
inline bool is_retryable_status(int status) noexcept {
    return status == 408 || status == 425 || status == 429 || (status >= 500 && status <= 599);
}

/// The default policy.
///
/// 204 stops (WHATWG HTML 9.2.3). A stream of an idempotent request is connected again whichever way it ended. A stream
/// of another request is over when it ended by itself, and is never sent again once an event arrived, or while it may
/// have been carried out (`Error::not_resumable`). 408, 425, 429 and 5xx are retried, not before their `Retry-After`;
/// any other status fails with `Error::bad_status`, a 200 that is no event stream with `Error::bad_content_type`.
class DefaultRetryPolicy {
public:
    explicit DefaultRetryPolicy(const RetryPolicyOptions& options = {}) : options_{options} {}

    Decision operator()(const Attempt& attempt) const {
        if (attempt.end == EndReason::closed) return Decision::stop(make_error_code(Error::closed));
        if (attempt.status == 204) return Decision::stop(make_error_code(Error::no_content));
        if (is_hopeless(attempt.error)) return Decision::fail(attempt.error);
        if (attempt.status == 0) return unanswered(attempt);
        if (attempt.status == 200)
            return attempt.event_stream ? stream_ended(attempt)
                                        : Decision::fail(cause(attempt, Error::bad_content_type));
        return by_status(attempt);
    }

private:
    /// Failures that another attempt meets again for sure.
    static bool is_hopeless(const std::error_code& error) noexcept {
        return error == Error::bad_url || error == Error::unsupported_scheme || error == Error::bad_redirect ||
               error == Error::too_many_redirects || error == Error::bad_content_encoding ||
               error == Error::invalid_option || error == Error::invalid_field || error == Error::invalid_head ||
               error == Error::not_resumable;
    }

    static std::error_code cause(const Attempt& attempt, Error otherwise) noexcept {
        const bool told = attempt.error == Error::bad_status || attempt.error == Error::bad_content_type;
        return told ? attempt.error : make_error_code(otherwise);
    }

    Decision again(const Attempt& attempt, std::chrono::milliseconds at_least, std::error_code failure) const {
        if (attempt.initial && !options_.retry_initial) return Decision::fail(failure);
        return Decision::retry(at_least);
    }

    Decision unanswered(const Attempt& attempt) const {
        const std::error_code failure = attempt.error ? attempt.error : make_error_code(Error::end_of_stream);
        const bool not_sent = !attempt.sent || attempt.end == EndReason::connect_failed;
        if (!attempt.idempotent && (attempt.any_event || (!not_sent && !options_.resend_unanswered))) {
            return Decision::fail(make_error_code(Error::not_resumable));
        }
        return again(attempt, std::chrono::milliseconds{0}, failure);
    }

    Decision stream_ended(const Attempt& attempt) const {
        if (attempt.idempotent) return Decision::retry();
        if (attempt.end == EndReason::complete || attempt.end == EndReason::close_delimited) return Decision::stop();
        if (!attempt.any_event && options_.resend_unanswered) return Decision::retry();
        return Decision::fail(make_error_code(Error::not_resumable));
    }

    Decision by_status(const Attempt& attempt) const {
        const std::error_code failure = cause(attempt, Error::bad_status);
        const bool conflict = attempt.status == 409 && options_.retry_conflict && attempt.has_cursor;
        if (!conflict && !is_retryable_status(attempt.status)) return Decision::fail(failure);
        if (!attempt.idempotent && attempt.any_event) return Decision::fail(make_error_code(Error::not_resumable));
        const auto asked =
            std::max(attempt.retry_after.value_or(std::chrono::milliseconds{0}), std::chrono::milliseconds{0});
        return again(attempt, std::min(asked, options_.retry_after_cap), failure);
    }

    RetryPolicyOptions options_;
};

/// `DefaultRetryPolicy` as a `RetryPolicy`.
inline RetryPolicy default_retry_policy(const RetryPolicyOptions& options = {}) { return DefaultRetryPolicy{options}; }

/// For what stands between: as the default, and 409 is retried when resuming.
inline RetryPolicy resilient_retry_policy(RetryPolicyOptions options = {}) {
    options.retry_conflict = true;
    return DefaultRetryPolicy{options};
}

}  // namespace rejoin

#endif
