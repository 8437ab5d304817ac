#ifndef REJOIN_ERROR_HPP
#define REJOIN_ERROR_HPP

#include <string>
#include <string_view>
#include <system_error>

#include <rejoin/version.hpp>

namespace rejoin {

/// What can go wrong, as values of one error category.
///
/// A timeout names the phase it struck in. Only the user's own cancellation is reported as Asio's `operation_aborted`
/// (`ErrorCondition::canceled`; not every version of Asio lets it compare equal to `std::errc::operation_canceled`), never
/// a timeout. What the operating system says (refused, reset, no route) is passed on in its own category.
enum class Error {
    // --- event stream (WHATWG HTML 9.2) ---
    line_too_long = 1,   ///< A field line passed `SseLimits::line` bytes.
    event_too_large,     ///< The data of one event passed `SseLimits::event` bytes.
    invalid_utf8,        ///< The stream is not UTF-8 and the mode is to reject that.
    invalid_field,       ///< A value given to the writer can't be a field: CR, LF or NUL where the format has none.

    // --- HTTP messages (RFC 9110, 9112) ---
    bad_message,         ///< The peer sent something that is not HTTP/1.x, or is ambiguous in its framing.
    invalid_head,        ///< A head given to the writer can't be sent: bad method, target, status, field name or value.
    header_too_large,    ///< The header section passed its byte limit or its count limit.
    target_too_long,     ///< The request target passed its limit.
    body_too_large,      ///< A body that had to be kept passed its limit.
    truncated,           ///< The connection ended inside a message: before its last chunk or its Content-Length.
    bad_status,          ///< A status that the caller's policy does not take.
    bad_content_type,    ///< 200, but not `text/event-stream`.
    bad_content_encoding,///< A content coding that was not asked for.
    bad_redirect,        ///< `Location` missing, unparsable, or a scheme the policy refuses.
    too_many_redirects,  ///< More redirects than the limit.
    bad_url,             ///< Not an absolute http(s) URL.
    unsupported_scheme,  ///< https without `rejoin::tls`, or no http scheme at all.

    // --- timeouts, one for each phase ---
    resolve_timeout,     ///< Name resolution took too long.
    connect_timeout,     ///< No TCP connection in time.
    proxy_timeout,       ///< The HTTP proxy did not answer CONNECT in time.
    tls_timeout,         ///< The TLS handshake took too long.
    write_timeout,       ///< The peer did not take our bytes in time.
    response_timeout,    ///< No complete response head in time.
    header_timeout,      ///< (server) No complete request head in time.
    body_timeout,        ///< A regular body stood still for too long.
    idle_timeout,        ///< An event stream without any byte for too long.
    stalled,             ///< An event stream with bytes but no event for too long (opt-in).

    // --- ends and policy ---
    end_of_stream,       ///< The peer ended the connection where a message may begin, or a close-delimited body there.
    no_content,          ///< 204: the server says that the stream is over (WHATWG HTML 9.2.3).
    closed,              ///< `close()` was called on this side.
    retries_exhausted,   ///< The attempts or the outage time allowed by the policy are used up.
    circuit_open,        ///< The circuit breaker refuses attempts now.
    poison_event,        ///< The same failure at the same cursor again and again.
    hook_failed,         ///< The user's hook before an attempt threw something that is no `std::system_error`.
    not_resumable,       ///< A request that must not be sent again was cut.
    limit_reached,       ///< A count bound (streams, clients, connections) is reached.

    // --- on the way to a connection ---
    tls_failed,             ///< The TLS handshake failed; the cause is not the server's certificate.
    certificate_untrusted,  ///< No chain of certificates leads from the server's to a trusted one.
    certificate_expired,    ///< The server's certificate, or one that signed it, is not valid now.
    certificate_mismatch,   ///< The server's certificate is for other names than the host asked for (RFC 9110 4.3.4).
    proxy_refused,          ///< The HTTP proxy answered CONNECT with a status other than 2xx.
    proxy_authentication,   ///< The HTTP proxy wants credentials, or others: 407.

    // --- configuration ---
    invalid_option,      ///< An option is out of its domain.
};

/// What callers compare with: `if (ec == ErrorCondition::timeout)`.
enum class ErrorCondition {
    timeout = 1,  ///< Any phase's timeout (also `std::errc::timed_out`).
    protocol,     ///< The peer broke HTTP or the event-stream format, or a limit on them.
    canceled,     ///< The user's cancellation or `close()`.
};

namespace detail {

class ErrorCategory final : public std::error_category {
public:
    const char* name() const noexcept override { return "rejoin"; }

    std::string message(int value) const override {
        switch (static_cast<Error>(value)) {
        case Error::line_too_long: return "event stream line too long";
        case Error::event_too_large: return "event too large";
        case Error::invalid_utf8: return "event stream is not UTF-8";
        case Error::invalid_field: return "value not allowed in an event stream field";
        case Error::bad_message: return "malformed HTTP message";
        case Error::invalid_head: return "value not allowed in an HTTP head";
        case Error::header_too_large: return "HTTP header section too large";
        case Error::target_too_long: return "request target too long";
        case Error::body_too_large: return "body too large";
        case Error::truncated: return "connection ended inside the message";
        case Error::bad_status: return "unexpected HTTP status";
        case Error::bad_content_type: return "response is not text/event-stream";
        case Error::bad_content_encoding: return "content coding that was not asked for";
        case Error::bad_redirect: return "redirect cannot be followed";
        case Error::too_many_redirects: return "too many redirects";
        case Error::bad_url: return "not an absolute http URL";
        case Error::unsupported_scheme: return "URL scheme not supported";
        case Error::resolve_timeout: return "timed out resolving the host name";
        case Error::connect_timeout: return "timed out connecting";
        case Error::proxy_timeout: return "timed out waiting for the proxy";
        case Error::tls_timeout: return "timed out in the TLS handshake";
        case Error::write_timeout: return "timed out writing";
        case Error::response_timeout: return "timed out waiting for the response head";
        case Error::header_timeout: return "timed out waiting for the request head";
        case Error::body_timeout: return "timed out waiting for the body";
        case Error::idle_timeout: return "event stream silent for too long";
        case Error::stalled: return "event stream without events for too long";
        case Error::end_of_stream: return "connection ended";
        case Error::no_content: return "server ended the stream (204)";
        case Error::closed: return "closed";
        case Error::retries_exhausted: return "gave up reconnecting";
        case Error::circuit_open: return "circuit breaker is open";
        case Error::poison_event: return "same failure at the same event again";
        case Error::hook_failed: return "the hook before the attempt failed";
        case Error::not_resumable: return "request was cut and must not be sent again";
        case Error::limit_reached: return "limit reached";
        case Error::tls_failed: return "TLS handshake failed";
        case Error::certificate_untrusted: return "server certificate is not trusted";
        case Error::certificate_expired: return "server certificate is not valid now";
        case Error::certificate_mismatch: return "server certificate is for another host";
        case Error::proxy_refused: return "proxy refused the connection";
        case Error::proxy_authentication: return "proxy wants credentials (407)";
        case Error::invalid_option: return "invalid option";
        }
        return "unknown rejoin error";
    }

    std::error_condition default_error_condition(int value) const noexcept override;
};

class ErrorConditionCategory final : public std::error_category {
public:
    const char* name() const noexcept override { return "rejoin condition"; }

    std::string message(int value) const override {
        switch (static_cast<ErrorCondition>(value)) {
        case ErrorCondition::timeout: return "timed out";
        case ErrorCondition::protocol: return "protocol error";
        case ErrorCondition::canceled: return "canceled";
        }
        return "unknown rejoin condition";
    }

    bool equivalent(const std::error_code& code, int condition) const noexcept override {
        switch (static_cast<ErrorCondition>(condition)) {
        case ErrorCondition::timeout:
            if (is_from_system(code, std::errc::timed_out)) return true;
            break;
        case ErrorCondition::canceled:
            if (is_from_system(code, std::errc::operation_canceled)) return true;
            break;
        case ErrorCondition::protocol: break;
        }
        return code.default_error_condition() == std::error_condition{condition, *this};
    }

private:
    // Asio's own category for what the system says has no mapping to the generic conditions in every version.
    static bool is_from_system(const std::error_code& code, std::errc value) noexcept {
        if (code == value) return true;
        return std::string_view{code.category().name()} == "asio.system" && code.value() == static_cast<int>(value);
    }
};

inline const std::error_category& error_condition_category() noexcept {
    static const ErrorConditionCategory category;
    return category;
}

inline std::error_condition ErrorCategory::default_error_condition(int value) const noexcept {
    const auto is = [](ErrorCondition condition) {
        return std::error_condition{static_cast<int>(condition), error_condition_category()};
    };
    switch (static_cast<Error>(value)) {
    case Error::resolve_timeout:
    case Error::connect_timeout:
    case Error::proxy_timeout:
    case Error::tls_timeout:
    case Error::write_timeout:
    case Error::response_timeout:
    case Error::header_timeout:
    case Error::body_timeout:
    case Error::idle_timeout:
    case Error::stalled: return is(ErrorCondition::timeout);
    case Error::line_too_long:
    case Error::event_too_large:
    case Error::invalid_utf8:
    case Error::bad_message:
    case Error::header_too_large:
    case Error::bad_content_encoding:
    case Error::bad_redirect:
    case Error::truncated: return is(ErrorCondition::protocol);
    case Error::closed: return is(ErrorCondition::canceled);
    default: return std::error_condition{value, *this};
    }
}

}  // namespace detail

inline const std::error_category& error_category() noexcept {
    static const detail::ErrorCategory category;
    return category;
}

inline std::error_code make_error_code(Error error) noexcept { return {static_cast<int>(error), error_category()}; }

inline std::error_condition make_error_condition(ErrorCondition condition) noexcept {
    return {static_cast<int>(condition), detail::error_condition_category()};
}

}  // namespace rejoin

template <>
struct std::is_error_code_enum<rejoin::Error> : std::true_type {};
template <>
struct std::is_error_condition_enum<rejoin::ErrorCondition> : std::true_type {};

#endif
