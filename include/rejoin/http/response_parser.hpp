#ifndef REJOIN_HTTP_RESPONSE_PARSER_HPP
#define REJOIN_HTTP_RESPONSE_PARSER_HPP

#include <string_view>

#include <rejoin/http/detail/llhttp_parser.hpp>
#include <rejoin/http/message.hpp>

namespace rejoin {

/// Bytes of a connection -> responses, pull style, without I/O (RFC 9112, strictly).
///
/// ```
/// for (;;) switch (parser.parse(input)) {              // takes from the front of input, stops at each step
/// case HttpStep::head: use(parser.head()); break;
/// case HttpStep::body: use(parser.body()); break;      // a view into input: no copy, no allocation
/// case HttpStep::complete: return done();              // bytes of the next message stay in input
/// case HttpStep::error: return failed(parser.error());
/// case HttpStep::need_more: input = read_more(); break;  // the peer closed: parser.finish() instead
/// }
/// ```
/// - `parse(input)`: call it until it says `need_more`, also with empty input: `complete` may be due without a
///   further byte. The result is the same however the bytes are split, except for the cuts between pieces of body.
/// - `finish()`: the peer closed. `complete` for a body that lasts until then, `need_more` when nothing of a message
///   had begun (a clean end), else `error` with `Error::truncated`.
/// - `reset()`: the next message; limits and expectations stay. Releases what the head held.
/// - `head()` is valid from `head` on, `take_head()` moves it out; `body()` until the next call, and no longer than the
///   bytes of input themselves; `reason()` says in a few words (static storage) why a message was refused.
/// - `framing()`, `content_length()` and `keep_alive()` (whether the connection may serve another message after this
///   one is complete) are valid from `head` on. `begun()`: bytes of the current message were seen.
///
/// An interim response (1xx) is a message of its own: head, complete, then the caller resets and goes on. Trailer
/// fields are checked, counted and dropped. Once the head is there, nothing is buffered; an idle parser owns no
/// memory. May be moved, not synchronised: one thread at a time.
///
/// Refused with `Error::bad_message`, beyond what is malformed: versions other than HTTP/1.0 and 1.1; a status
/// outside 100..599 (RFC 9110 15 has it treated like a 5xx; for a stream that is the same as a broken response); 101,
/// since no upgrade is ever asked for, and 2xx in answer to CONNECT; folded lines, white space before a colon, a bare
/// LF or CR, control bytes; Content-Length together with Transfer-Encoding, or more than one, or not a number; any
/// Transfer-Encoding but exactly `chunked`, or in HTTP/1.0. Limits: see `HttpLimits`.
class ResponseParser final : public detail::LlhttpParser<ResponseParser, ResponseHead, HTTP_RESPONSE> {
    using Base = detail::LlhttpParser<ResponseParser, ResponseHead, HTTP_RESPONSE>;

public:
    explicit ResponseParser(const HttpLimits& limits = {}) : Base{limits} {}

    /// The responses to come answer HEAD: they have no body, whatever their fields say. Stays over `reset()`.
    void expect_no_body(bool expected) noexcept { no_body_ = expected; }

    /// The responses to come answer a request of that method: HEAD and CONNECT have rules of their own. Stays over
    /// `reset()`.
    void expect_answer_to(std::string_view method) noexcept {
        no_body_ = method == "HEAD";
        connect_ = method == "CONNECT";
    }

private:
    friend Base;

    static void clear_start(Head& head) { head.status = 0; }

    void on_start(std::string_view piece) { head_.reason.append(piece); }

    // RFC 9112 6.3, points 1, 2 and 8.
    const char* on_head(llhttp_t& parser) {
        head_.status = parser.status_code;
        const int status = head_.status;
        if (status == 101) return "switching protocols was not asked for";
        if (connect_ && status / 100 == 2) return "tunnels are not supported";
        const bool never_has_body = status / 100 == 1 || status == 204;
        keep_alive_ = connection_persists();
        if (no_body_ || never_has_body || status == 304) {
            // A body that must not be there may follow all the same: its bytes are not the next response.
            if (never_has_body && framing_ != HttpFraming::none) keep_alive_ = false;
            framing_ = HttpFraming::none;
        } else if (framing_ == HttpFraming::none) {
            framing_ = HttpFraming::until_close;
            keep_alive_ = false;
        }
        return nullptr;
    }

    bool no_body_ = false;
    bool connect_ = false;
};

}  // namespace rejoin

#endif
