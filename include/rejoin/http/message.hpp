#ifndef REJOIN_HTTP_MESSAGE_HPP
#define REJOIN_HTTP_MESSAGE_HPP

#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>

#include <rejoin/error.hpp>
#include <rejoin/http/detail/ascii.hpp>
#include <rejoin/http/fields.hpp>

namespace rejoin {

/// A request without its body (RFC 9112 3). The version is HTTP/1.`minor`, `minor` being 0 or 1.
struct RequestHead {
    std::string method = "GET";
    std::string target =
        "/";  ///< As on the wire: origin-, absolute-, authority- or asterisk-form, percent-encoding untouched.
    int minor = 1;
    HttpFields fields;

    friend bool operator==(const RequestHead&, const RequestHead&) = default;
};

/// A response without its body (RFC 9112 4). The version is HTTP/1.`minor`, `minor` being 0 or 1.
struct ResponseHead {
    int status = 200;
    std::string reason;  ///< Empty: `write_head()` puts `default_reason(status)`.
    int minor = 1;
    HttpFields fields;

    friend bool operator==(const ResponseHead&, const ResponseHead&) = default;
};

/// Whether sending a request of that method twice means the same as sending it once (RFC 9110 9.2.2). Methods are
/// case-sensitive; unknown ones are not idempotent.
inline bool is_idempotent(std::string_view method) noexcept {
    for (const std::string_view known : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"}) {
        if (method == known) return true;
    }
    return false;
}

/// The reason phrase that goes with a status (RFC 9110 15); empty for one that has none.
inline std::string_view default_reason(int status) noexcept {
    switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 102: return "Processing";
    case 103: return "Early Hints";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 407: return "Proxy Authentication Required";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 511: return "Network Authentication Required";
    default: return {};
    }
}

namespace detail {

// The field lines and the empty line that ends the section; puts `out` back to `start` when one can't be sent.
inline std::error_code write_fields(std::string& out, std::size_t start, const HttpFields& fields) {
    for (const HttpField& field : fields) {
        if (!is_token(field.name) || !all_chars(field.value, char_value)) {
            out.resize(start);
            return Error::invalid_head;
        }
        out.append(field.name).append(": ").append(field.value).append("\r\n");
    }
    out.append("\r\n");
    return {};
}

inline std::string_view version_text(int minor) noexcept { return minor == 0 ? "HTTP/1.0" : "HTTP/1.1"; }

}  // namespace detail

/// Appends the head as it goes on the wire, the empty line included, with exactly the fields that are in it: nothing is
/// added and nothing left out.
///
/// `Error::invalid_head`, with nothing appended, when a part can't be sent: the method is no token; the target is
/// empty or has a byte outside visible ASCII, or a `#`; the version is not 1.0 or 1.1; a field name is no token; a
/// field value has a control byte other than HTAB. So CR, LF and NUL can't be smuggled in (RFC 9112 11.1).
inline std::error_code write_head(std::string& out, const RequestHead& head) {
    const bool good_version = head.minor == 0 || head.minor == 1;
    const bool good_target = !head.target.empty() && detail::all_chars(head.target, detail::char_target);
    if (!good_version || !good_target || !detail::is_token(head.method)) return Error::invalid_head;
    const std::size_t start = out.size();
    out.append(head.method).append(" ").append(head.target).append(" ");
    out.append(detail::version_text(head.minor)).append("\r\n");
    return detail::write_fields(out, start, head.fields);
}

/// Appends the head as it goes on the wire, the empty line included. `Error::invalid_head`, with nothing appended,
/// when the status is not within 100..599, the reason has a control byte, or for the causes named at the other
/// overload.
inline std::error_code write_head(std::string& out, const ResponseHead& head) {
    const bool good_version = head.minor == 0 || head.minor == 1;
    const bool good_status = head.status >= 100 && head.status <= 599;
    if (!good_version || !good_status || !detail::all_chars(head.reason, detail::char_value))
        return Error::invalid_head;
    const std::size_t start = out.size();
    out.append(detail::version_text(head.minor)).append(" ").append(std::to_string(head.status)).append(" ");
    out.append(head.reason.empty() ? default_reason(head.status) : std::string_view{head.reason}).append("\r\n");
    return detail::write_fields(out, start, head.fields);
}

}  // namespace rejoin

#endif
