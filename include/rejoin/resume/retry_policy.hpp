#ifndef REJOIN_RESUME_RETRY_POLICY_HPP
#define REJOIN_RESUME_RETRY_POLICY_HPP

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <system_error>

#include <rejoin/error.hpp>
#include <rejoin/resume/end_reason.hpp>
#include <rejoin/resume/phase.hpp>

namespace rejoin {

/// The header fields of a response, as a policy asks for them, whatever they are kept in. Valid during the policy's call.
class ResponseFields {
public:
    using Lookup = std::optional<std::string_view> (*)(const void* fields, std::string_view name);

    ResponseFields() = default;
    ResponseFields(const void* fields, Lookup lookup) noexcept : fields_{fields}, lookup_{lookup} {}

    /// The first field of that name, in any case.
    std::optional<std::string_view> get(std::string_view name) const {
        return lookup_ != nullptr ? lookup_(fields_, name) : std::nullopt;
    }

private:
    const void* fields_ = nullptr;
    Lookup lookup_ = nullptr;
};

/// How one attempt (connect, request, response, stream) ended: what a policy decides on.
struct Attempt {
    /// The response's status; 0: no response head arrived.
    int status = 0;
    /// Its header fields; none without a response.
    ResponseFields headers = {};
    /// The response was an event stream by its Content-Type.
    bool event_stream = false;
    /// `Retry-After` of the response, from then on.
    std::optional<std::chrono::milliseconds> retry_after = std::nullopt;
    EndReason end = EndReason::connect_failed;
    /// How far the attempt came.
    Phase phase = Phase::connect;
    /// The cause where there is one; none for an end that is not a failure.
    std::error_code error = {};
    /// Bytes of the request may have reached the server. Known false only where no connection came about, or a pooled
    /// one was dead before the first byte.
    bool sent = true;
    /// The request may be sent again without harm (RFC 9110, 9.2.2): GET, HEAD, PUT, DELETE, OPTIONS, TRACE.
    bool idempotent = true;
    /// The stream has a cursor to resume from: `cursor`, valid during the policy's call.
    bool has_cursor = false;
    std::string_view cursor = {};
    /// At least one event of this request has arrived, on this or an earlier attempt.
    bool any_event = false;
    /// The server has said that it has carried the request out (303), whatever came after.
    bool carried_out = false;
    /// The request can't be sent again as it is, but be resumed by GET behind its cursor, or is being resumed so already.
    bool resumable_by_get = false;
    /// The stream is known to end with a certain event, and that one has not come: whatever ended it cut it.
    bool unfinished = false;
    /// What the request asked for has come: an end by itself is the end.
    bool answered = false;
    /// What the request is made of is renewed before each attempt, and the attempt before this one was not refused with
    /// 401: asking again makes sense.
    bool renewable = false;
    /// The next attempt goes to another server, which has not failed lately.
    bool elsewhere = false;

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
    /// `retry`: without the backoff. It counts as a retry all the same.
    bool at_once = false;

    static Decision retry(std::chrono::milliseconds at_least = std::chrono::milliseconds{0}) {
        return {Kind::retry, at_least, {}, false};
    }
    static Decision retry_at_once() { return {Kind::retry, std::chrono::milliseconds{0}, {}, true}; }
    static Decision stop(std::error_code why = {}) { return {Kind::stop, std::chrono::milliseconds{0}, why, false}; }
    static Decision fail(std::error_code why) { return {Kind::fail, std::chrono::milliseconds{0}, why, false}; }
};

/// Decides after each attempt. Called from the stream's own executor; must not throw.
using RetryPolicy = std::function<Decision(const Attempt&)>;

/// When a request that is not idempotent (POST) may be sent again although the server may have acted on it.
enum class Resend : std::uint8_t {
    never,       ///< Only what surely did not arrive, or was refused for the moment (429, 503, ...).
    unanswered,  ///< Also one that was cut before its first event. It may then be carried out twice.
    always,      ///< As if it were idempotent: for a subscription that happens to be made by POST.
};

struct RetryPolicyOptions {
    /// Retry when the very first attempts fail; false: fail fast until a stream once was open.
    bool retry_initial = true;
    /// A longer `Retry-After` is cut to this, milliseconds. Zero: not honoured.
    std::chrono::milliseconds retry_after_cap{300'000};
    Resend resend = Resend::never;
    /// Retry 408, 425, 429 and 5xx; false: any status but 200 ends it, to the letter of WHATWG HTML 9.2.3.
    bool retry_statuses = true;
    /// Retry 409 where there is a cursor, or once was a stream: the server may still count the cut one as alive.
    bool retry_conflict = false;
    /// Retry 409 before the first event: somebody holds a lock.
    bool retry_lock = false;
    /// Retry every other status, too, 204 and a 200 that is no event stream included.
    bool retry_everything = false;
};

/// The statuses that speak of the moment, not of the request: 408, 425, 429 and all 5xx.
inline bool is_retryable_status(int status) noexcept {
    return status == 408 || status == 425 || status == 429 || (status >= 500 && status <= 599);
}

/// The default policy; others are made of it by its options.
///
/// 204 stops (WHATWG HTML 9.2.3). A stream of an idempotent request is connected again whichever way it ended. A stream
/// of another request is over when it ended by itself, unless its last event is known and has not come; it is never sent
/// again once an event arrived, or while it may have been carried out (`Error::not_resumable`), but resumed by GET where
/// that is possible. 408, 425, 429 and 5xx are retried, not before their `Retry-After`; 401 once, at once, where the
/// request is renewed before each attempt; any other status fails with `Error::bad_status`, a 200 that is no event stream
/// with `Error::bad_content_type`.
class DefaultRetryPolicy {
public:
    explicit DefaultRetryPolicy(const RetryPolicyOptions& options = {}) : options_{options} {}

    Decision operator()(const Attempt& attempt) const {
        if (attempt.end == EndReason::closed) return Decision::stop(make_error_code(Error::closed));
        if (attempt.status == 204 && !options_.retry_everything) return Decision::stop(make_error_code(Error::no_content));
        if (is_hopeless(attempt.error)) return Decision::fail(attempt.error);
        if (attempt.status == 0) return unanswered(attempt);
        if (attempt.event_stream) return stream_ended(attempt);
        return by_status(attempt);
    }

private:
    /// Failures that another attempt meets again for sure.
    static bool is_hopeless(const std::error_code& error) noexcept {
        return error == Error::bad_url || error == Error::unsupported_scheme || error == Error::bad_redirect ||
               error == Error::too_many_redirects || error == Error::bad_content_encoding ||
               error == Error::invalid_option || error == Error::invalid_field || error == Error::invalid_head ||
               error == Error::not_resumable || error == Error::proxy_authentication;
    }

    static std::error_code cause(const Attempt& attempt, Error otherwise) noexcept {
        const bool told = attempt.error == Error::bad_status || attempt.error == Error::bad_content_type;
        return told ? attempt.error : make_error_code(otherwise);
    }

    bool repeatable(const Attempt& attempt) const noexcept {
        return attempt.idempotent || options_.resend == Resend::always;
    }

    Decision again(const Attempt& attempt, std::chrono::milliseconds at_least, std::error_code failure) const {
        if (attempt.initial && !options_.retry_initial && !attempt.elsewhere) return Decision::fail(failure);
        return Decision::retry(at_least);
    }

    Decision unanswered(const Attempt& attempt) const {
        const std::error_code failure = attempt.error ? attempt.error : make_error_code(Error::end_of_stream);
        const bool not_sent = !attempt.sent || attempt.end == EndReason::connect_failed;
        const bool may_be_lost = not_sent || options_.resend == Resend::unanswered;
        if (!repeatable(attempt) && (attempt.any_event || attempt.carried_out || !may_be_lost)) return not_again(attempt);
        return again(attempt, std::chrono::milliseconds{0}, failure);
    }

    Decision stream_ended(const Attempt& attempt) const {
        const bool by_itself = attempt.end == EndReason::complete || attempt.end == EndReason::close_delimited;
        if (by_itself && attempt.answered) return Decision::stop();
        if (repeatable(attempt)) return Decision::retry();
        if (by_itself && !attempt.unfinished) return Decision::stop();
        if (!attempt.any_event && options_.resend == Resend::unanswered) return Decision::retry();
        return not_again(attempt);
    }

    static Decision not_again(const Attempt& attempt, std::chrono::milliseconds at_least = std::chrono::milliseconds{0}) {
        if (attempt.resumable_by_get) return Decision::retry(at_least);
        if (attempt.answered) return Decision::stop();
        return Decision::fail(make_error_code(Error::not_resumable));
    }

    bool for_the_moment(const Attempt& attempt) const noexcept {
        if (options_.retry_everything) return true;
        const bool resuming = attempt.has_cursor || !attempt.initial;
        if (attempt.status == 409 && resuming && options_.retry_conflict) return true;
        if (attempt.status == 409) return options_.retry_lock && !attempt.has_cursor && !attempt.any_event;
        return options_.retry_statuses && is_retryable_status(attempt.status);
    }

    Decision by_status(const Attempt& attempt) const {
        const Error kind = attempt.status == 200 ? Error::bad_content_type : Error::bad_status;
        const std::error_code failure = cause(attempt, kind);
        if (attempt.status == 401 && attempt.renewable) return Decision::retry_at_once();
        if (!for_the_moment(attempt)) return Decision::fail(failure);
        const auto asked =
            std::max(attempt.retry_after.value_or(std::chrono::milliseconds{0}), std::chrono::milliseconds{0});
        const auto at_least = std::min(asked, options_.retry_after_cap);
        // Refused again while it is resumed by GET, it stays a matter of GET.
        if (!repeatable(attempt) && (attempt.any_event || attempt.carried_out)) return not_again(attempt, at_least);
        return again(attempt, at_least, failure);
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

/// As a browser's EventSource: whatever the method, every end of a stream is connected again, and a response that is no
/// event stream ends it. `strict`: so does every status but 200, to the letter of WHATWG HTML 9.2.3; else those that speak
/// of the moment are retried.
inline RetryPolicy event_source_policy(bool strict = false) {
    RetryPolicyOptions options;
    options.resend = Resend::always;
    options.retry_statuses = !strict;
    return DefaultRetryPolicy{options};
}

/// For the completion of a language model, a POST that costs: tried again only while it surely was not begun (no
/// connection; 408, 409, 425, 429, 5xx). A cut answer is told as cut (`Error::not_resumable`).
inline RetryPolicy llm_completion_policy() {
    RetryPolicyOptions options;
    options.retry_lock = true;
    return DefaultRetryPolicy{options};
}

/// For a feed that is to be followed whatever its server says meanwhile: every status is retried, 404 and 204 included.
inline RetryPolicy follow_forever_policy() {
    RetryPolicyOptions options;
    options.retry_everything = true;
    options.resend = Resend::always;
    return DefaultRetryPolicy{options};
}

}  // namespace rejoin

#endif
