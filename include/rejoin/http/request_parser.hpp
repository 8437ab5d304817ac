#ifndef REJOIN_HTTP_REQUEST_PARSER_HPP
#define REJOIN_HTTP_REQUEST_PARSER_HPP

#include <string_view>

#include <rejoin/http/detail/llhttp_parser.hpp>
#include <rejoin/http/message.hpp>

namespace rejoin {

/// Bytes of a connection -> requests, pull style, without I/O (RFC 9112, strictly). See `ResponseParser` for how the
/// calls work, they are the same.
///
/// Refused with `Error::bad_message`, beyond what is malformed: versions other than HTTP/1.0 and 1.1 (so HTTP/0.9 and
/// the preface of HTTP/2); methods that llhttp does not know; a target with bytes outside visible ASCII or a `#`; `*`
/// with a method other than OPTIONS; a missing (HTTP/1.1), repeated or malformed Host; folded lines, white space
/// before a colon, a bare LF or CR, control bytes; Content-Length together with Transfer-Encoding, or more than one,
/// or not a number; any Transfer-Encoding but exactly `chunked`, or in HTTP/1.0; a body in CONNECT. Limits: see
/// `HttpLimits`.
///
/// Absolute-form targets are kept as they are. A request that asks for an upgrade is a request like any other: the
/// protocol never switches, and what the fields mean is the caller's to say. CONNECT is reported as a head without
/// body.
class RequestParser final : public detail::LlhttpParser<RequestParser, RequestHead, HTTP_REQUEST> {
    using Base = detail::LlhttpParser<RequestParser, RequestHead, HTTP_REQUEST>;

public:
    explicit RequestParser(const HttpLimits& limits = {}) : Base{limits} {}

private:
    friend Base;

    static void clear_start(Head& head) {
        head.method.clear();
        head.target.clear();
    }

    void on_start(std::string_view piece) { head_.target.append(piece); }

    const char* on_head(llhttp_t& parser) {
        head_.method = llhttp_method_name(static_cast<llhttp_method_t>(parser.method));
        const bool connect = head_.method == "CONNECT";
        if (!good_target_form(connect)) return "request target does not go with the method";
        if (connect && framing_ != HttpFraming::none) return "CONNECT with a body";
        keep_alive_ = !connect && connection_persists();
        return check_host();
    }

    // RFC 9112 3.2: authority-form is for CONNECT, asterisk-form for OPTIONS. What else does not begin with '/' is
    // absolute-form, which llhttp looks at.
    bool good_target_form(bool connect) const {
        const std::string_view target = head_.target;
        if (connect) return target.find_first_of("/?@") == target.npos && target.find(':') != target.npos;
        return target.front() != '*' || (target.size() == 1 && head_.method == "OPTIONS");
    }

    // RFC 9112 3.2: who forwards must not be made to disagree with the next one about the host.
    const char* check_host() const {
        const std::size_t hosts = head_.fields.count("host");
        if (hosts > 1) return "more than one Host";
        if (hosts == 0) return head_.minor == 0 ? nullptr : "no Host";
        const std::string_view host = *head_.fields.get("host");
        for (const char c : host) {
            const bool other = c == ':' || c == '[' || c == ']' || c == '%';
            if (!other && !detail::is_char(c, detail::char_host)) return "bad Host";
        }
        return nullptr;
    }
};

}  // namespace rejoin

#endif
