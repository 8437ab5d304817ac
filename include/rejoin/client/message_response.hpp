#ifndef REJOIN_CLIENT_MESSAGE_RESPONSE_HPP
#define REJOIN_CLIENT_MESSAGE_RESPONSE_HPP

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <rejoin/http/detail/ascii.hpp>
#include <rejoin/http/media_type.hpp>
#include <rejoin/http/message.hpp>
#include <rejoin/http/url.hpp>
#include <rejoin/net/http_connection.hpp>

namespace rejoin {

/// What a request came back with: an event stream or a regular response, told apart by status and Content-Type alone.
///
/// Owns its connection. Either hand it to a stream (`take_connection()`), or read the body here.
/// Thread safety: distinct objects safe; one object only from its strand.
template <class Traits = DefaultTraits>
class BasicMessageResponse {
public:
    using Connection = BasicHttpClientConnection<Traits>;

    /// `coding_asked`: the request named content codings of its own choice, so that the body may have one.
    BasicMessageResponse(ResponseHead head, Url url, std::shared_ptr<Connection> connection, bool coding_asked = false)
        : head_{std::move(head)}, url_{std::move(url)}, connection_{std::move(connection)}, coding_asked_{coding_asked} {}

    const ResponseHead& head() const noexcept { return head_; }
    int status() const noexcept { return head_.status; }

    /// Where the response came from, after redirects.
    const Url& url() const noexcept { return url_; }

    /// Where the resource has moved for good, if redirects said so all the way (301, 308): the URL to ask next time.
    const std::optional<Url>& lasting_url() const noexcept { return lasting_url_; }
    void set_lasting_url(Url url) { lasting_url_ = std::move(url); }

    /// True for 200 with Content-Type `text/event-stream` and no content coding.
    bool is_event_stream() const {
        return head_.status == 200 && has_event_stream_type() && !has_content_coding();
    }

    bool has_event_stream_type() const {
        const auto type = head_.fields.get("Content-Type");
        return type && rejoin::is_event_stream(*type);
    }

    bool has_content_coding() const {
        const auto coding = head_.fields.get("Content-Encoding");
        return coding && !detail::iequals(*coding, "identity");
    }

    /// Reads the whole body of a regular response. Errors: `body_too_large` past `limit` bytes, `body_timeout` when no
    /// byte came for `idle` (zero = no bound), `truncated`, `bad_content_encoding` for a coding that was not asked for
    /// (nothing is read then), or what the socket says. `body_so_far()` keeps what came. A connection whose response was
    /// read whole is given back to its pool at once.
    Awaitable<std::error_code> read_body(std::size_t limit, Duration idle) {
        if (!connection_) co_return std::error_code{};  // was read already
        if (has_content_coding() && !coding_asked_ && connection_->parser().framing() != HttpFraming::none) {
            co_return Error::bad_content_encoding;
        }
        if (too_large_) co_return Error::body_too_large;
        std::string_view piece;
        for (;;) {
            while (connection_->next_body(piece)) {
                const std::size_t room = limit > body_.size() ? limit - body_.size() : 0;
                body_.append(piece.substr(0, room));
                too_large_ = piece.size() > room;  // and the rest is gone
                if (too_large_) co_return Error::body_too_large;
            }
            if (connection_->body_ended()) {
                const std::error_code error = connection_->body_error();
                if (!error) connection_.reset();
                co_return error;
            }
            Deadline<Traits> deadline{connection_->executor(), idle, [this] { connection_->cancel(); }};
            co_await connection_->fill();
            if (deadline.expired() && connection_->body_error()) co_return Error::body_timeout;
        }
    }

    /// The body as far as `read_body()` got.
    const std::string& body_so_far() const noexcept { return body_; }

    /// Ends a `read_body()` under way, which then returns `operation_aborted`.
    void cancel() {
        if (connection_) connection_->cancel();
    }

    /// Precondition: the body has not been read whole.
    Connection& connection() noexcept { return *connection_; }
    std::shared_ptr<Connection> take_connection() noexcept { return std::move(connection_); }

private:
    ResponseHead head_;
    Url url_;
    std::shared_ptr<Connection> connection_;
    std::optional<Url> lasting_url_;
    std::string body_;
    bool coding_asked_;
    bool too_large_ = false;
};

using MessageResponse = BasicMessageResponse<>;

}  // namespace rejoin

#endif
