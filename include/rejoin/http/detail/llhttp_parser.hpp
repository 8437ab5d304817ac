#ifndef REJOIN_HTTP_DETAIL_LLHTTP_PARSER_HPP
#define REJOIN_HTTP_DETAIL_LLHTTP_PARSER_HPP

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <llhttp.h>

#include <rejoin/error.hpp>
#include <rejoin/http/detail/ascii.hpp>
#include <rejoin/http/detail/wire_guard.hpp>
#include <rejoin/http/fields.hpp>
#include <rejoin/http/limits.hpp>
#include <rejoin/http/step.hpp>

#if LLHTTP_VERSION_MAJOR < 8
#error "rejoin needs llhttp 8 or newer"
#endif

namespace rejoin::detail {

// What requests and responses have in common. `Derived` brings
//   HeadType head_;
//   void on_start(std::string_view piece)       a piece of the target or of the reason phrase
//   const char* on_head(llhttp_t&)              completes the head; a reason to refuse it, or nullptr
template <class Derived, class HeadType, llhttp_type_t type>
class LlhttpParser {
public:
    using Head = HeadType;

    HttpStep parse(std::string_view& input) {
        body_ = {};
        switch (phase_) {
        case Phase::head: return parse_head(input);
        case Phase::body: return parse_body(input);
        case Phase::ending: phase_ = Phase::done; return HttpStep::complete;
        case Phase::done: return HttpStep::need_more;
        case Phase::failed: break;
        }
        return HttpStep::error;
    }

    HttpStep finish() {
        std::string_view nothing;
        const HttpStep step = parse(nothing);
        if (step != HttpStep::need_more || phase_ == Phase::done) return step;
        if (phase_ == Phase::head && !guard_.begun()) return HttpStep::need_more;
        if (phase_ == Phase::body && framing_ == HttpFraming::until_close) {
            phase_ = Phase::done;
            return HttpStep::complete;
        }
        return fail(Error::truncated, "connection ended inside the message");
    }

    void reset() {
        init();
        guard_ = make_guard();
        head_ = empty_head();
        body_ = {};
        error_ = {};
        reason_ = "";
        content_length_ = 0;
        phase_ = Phase::head;
        framing_ = HttpFraming::none;
        keep_alive_ = false;
        value_seen_ = true;
    }

    const Head& head() const noexcept { return head_; }
    Head take_head() { return std::exchange(head_, empty_head()); }
    std::string_view body() const noexcept { return body_; }
    std::error_code error() const noexcept { return error_; }
    std::string_view reason() const noexcept { return reason_; }
    HttpFraming framing() const noexcept { return framing_; }
    bool keep_alive() const noexcept { return keep_alive_; }
    bool begun() const noexcept { return guard_.begun(); }
    bool complete() const noexcept { return phase_ == Phase::done; }
    const HttpLimits& limits() const noexcept { return limits_; }

    std::optional<std::uint64_t> content_length() const noexcept {
        if (framing_ != HttpFraming::content_length) return std::nullopt;
        return content_length_;
    }

protected:
    explicit LlhttpParser(const HttpLimits& limits) : guard_{make_guard()}, limits_{limits}, head_{empty_head()} {
        init();
    }

    // Content-Length and Transfer-Encoding as RFC 9112 6 has them, all that is ambiguous refused. Sets the framing of a
    // message that has no other rule; leaves it at none when neither field is there.
    const char* read_framing() {
        const HttpFields& fields = head_.fields;
        const std::size_t lengths = fields.count("content-length");
        const std::size_t codings = fields.count("transfer-encoding");
        if (codings != 0) {
            if (lengths != 0) return "both Content-Length and Transfer-Encoding";
            if (head_.minor == 0) return "Transfer-Encoding in HTTP/1.0";
            if (codings > 1 || !iequals(*fields.get("transfer-encoding"), "chunked"))
                return "transfer coding other than chunked";
            framing_ = HttpFraming::chunked;
        } else if (lengths != 0) {
            const std::string_view text = *fields.get("content-length");
            const char* const end = text.data() + text.size();
            const auto [at, failure] = std::from_chars(text.data(), end, content_length_);
            if (lengths > 1) return "more than one Content-Length";
            if (failure != std::errc{} || at != end) return "Content-Length is no number";
            framing_ = HttpFraming::content_length;
        }
        return nullptr;
    }

    // RFC 9112 9.3
    bool connection_persists() const {
        if (head_.fields.has_token("connection", "close")) return false;
        return head_.minor == 1 || head_.fields.has_token("connection", "keep-alive");
    }

    HttpFraming framing_ = HttpFraming::none;
    bool keep_alive_ = false;

private:
    enum class Phase : std::uint8_t { head, body, ending, done, failed };

    static WireGuard make_guard() noexcept {
        return WireGuard{type == HTTP_REQUEST ? WireGuard::Side::request : WireGuard::Side::response};
    }

    static Head empty_head() {
        Head head;
        Derived::clear_start(head);
        return head;
    }

    void init() { llhttp_init(&llhttp_, type, &settings()); }

    static Derived& self(llhttp_t* parser) { return *static_cast<Derived*>(static_cast<LlhttpParser*>(parser->data)); }

    static const llhttp_settings_t& settings() {
        static const llhttp_settings_t instance = [] {
            llhttp_settings_t made;
            llhttp_settings_init(&made);
            const auto on_start = [](llhttp_t* parser, const char* at, std::size_t size) {
                self(parser).on_start(std::string_view{at, size});
                return 0;
            };
            if constexpr (type == HTTP_REQUEST)
                made.on_url = on_start;
            else
                made.on_status = on_start;
            made.on_header_field = [](llhttp_t* parser, const char* at, std::size_t size) {
                self(parser).on_name(std::string_view{at, size});
                return 0;
            };
            made.on_header_field_complete = [](llhttp_t* parser) {
                self(parser).value_seen_ = true;
                return 0;
            };
            made.on_header_value = [](llhttp_t* parser, const char* at, std::size_t size) {
                self(parser).on_value(std::string_view{at, size});
                return 0;
            };
            made.on_headers_complete = [](llhttp_t*) -> int { return HPE_PAUSED; };
            made.on_body = [](llhttp_t* parser, const char* at, std::size_t size) -> int {
                if (size == 0) return 0;
                self(parser).body_ = {at, size};
                return HPE_PAUSED;
            };
            made.on_message_complete = [](llhttp_t*) -> int { return HPE_PAUSED; };
            return made;
        }();
        return instance;
    }

    // Trailer fields are looked at by the guard and dropped: they may be merged into the head only by who knows them.
    void on_name(std::string_view piece) {
        if (phase_ != Phase::head) return;
        if (value_seen_) head_.fields.add({}, {});
        value_seen_ = false;
        head_.fields.back().name.append(piece);
    }
    void on_value(std::string_view piece) {
        if (phase_ == Phase::head) head_.fields.back().value.append(piece);
    }

    HttpStep fail(Error error, const char* reason) {
        phase_ = Phase::failed;
        error_ = error;
        reason_ = reason;
        body_ = {};
        keep_alive_ = false;
        return HttpStep::error;
    }
    HttpStep fail_by_guard() { return fail(guard_.error(), guard_.reason()); }
    HttpStep fail_by_llhttp() {
        const char* const reason = llhttp_get_error_reason(&llhttp_);
        return fail(Error::bad_message, reason == nullptr ? "refused" : reason);
    }

    llhttp_errno_t execute(std::string_view bytes) {
        llhttp_.data = static_cast<LlhttpParser*>(this);  // anew each time, so that a parser may be moved
        return llhttp_execute(&llhttp_, bytes.data(), bytes.size());
    }

    // llhttp is shown nothing that the guard did not take, and must see the end of the header section where the guard
    // does.
    HttpStep parse_head(std::string_view& input) {
        if (input.empty()) return HttpStep::need_more;
        const std::string_view piece = input.substr(0, guard_.head(input, limits_));
        input.remove_prefix(piece.size());
        const llhttp_errno_t result = execute(piece);
        if (result == HPE_PAUSED) {
            const bool at_end = llhttp_get_error_pos(&llhttp_) == piece.data() + piece.size();
            if (!guard_.section_ended() || !at_end)
                return fail(Error::bad_message, "end of the header section is not clear");
            return end_head();
        }
        if (result != HPE_OK) return fail_by_llhttp();
        if (guard_.failed()) return fail_by_guard();
        if (guard_.section_ended()) return fail(Error::bad_message, "end of the header section is not clear");
        return HttpStep::need_more;
    }

    // An upgrade can't come into play: llhttp leaves HTTP behind a message or before a body that is not there, and is
    // asked for neither.
    HttpStep end_head() {
        for (HttpField& field : head_.fields) {  // llhttp leaves white space at the end
            const std::string_view kept = trim(field.value);
            if (kept.size() != field.value.size()) field.value = std::string{kept};
        }
        head_.minor = llhttp_.http_minor;
        const char* refused = read_framing();
        if (refused == nullptr) refused = static_cast<Derived&>(*this).on_head(llhttp_);
        if (refused != nullptr) return fail(Error::bad_message, refused);
        const bool chunked = framing_ == HttpFraming::chunked;
        const bool empty = framing_ == HttpFraming::content_length && content_length_ == 0;
        phase_ = framing_ == HttpFraming::none || empty ? Phase::ending : Phase::body;
        if (phase_ == Phase::body) {
            const bool same_coding = ((llhttp_.flags & F_CHUNKED) != 0) == chunked;
            const bool same_length =
                framing_ != HttpFraming::content_length || llhttp_.content_length == content_length_;
            if (!same_coding || !same_length) return fail(Error::bad_message, "length of the body is not clear");
            if (chunked) guard_.begin_chunks();
        }
        return HttpStep::head;
    }

    HttpStep parse_body(std::string_view& input) {
        llhttp_resume(&llhttp_);
        const std::string_view bytes = input.data() == nullptr ? std::string_view{""} : input;
        const llhttp_errno_t result = execute(bytes);
        const char* stop = result == HPE_OK ? bytes.data() + bytes.size() : llhttp_get_error_pos(&llhttp_);
        if (stop == nullptr) stop = bytes.data();
        input.remove_prefix(static_cast<std::size_t>(stop - bytes.data()));
        const bool has_body = !body_.empty();
        if (framing_ == HttpFraming::chunked) {
            const char* const end = has_body ? body_.data() : stop;
            if (!guard_.chunk_framing({bytes.data(), static_cast<std::size_t>(end - bytes.data())}, limits_))
                return fail_by_guard();
            if (has_body && !guard_.in_chunk_data()) return fail(Error::bad_message, "end of a chunk is not clear");
        }
        if (result == HPE_OK) return HttpStep::need_more;
        if (result != HPE_PAUSED) return fail_by_llhttp();
        if (has_body) return HttpStep::body;
        if (framing_ == HttpFraming::chunked && !guard_.section_ended()) {
            return fail(Error::bad_message, "end of the body is not clear");
        }
        phase_ = Phase::done;
        return HttpStep::complete;
    }

    llhttp_t llhttp_;
    WireGuard guard_;
    HttpLimits limits_;
    std::string_view body_;
    std::error_code error_;
    const char* reason_ = "";
    std::uint64_t content_length_ = 0;
    Phase phase_ = Phase::head;
    bool value_seen_ = true;  // the next piece of a field name begins a new field

protected:
    Head head_;
};

}  // namespace rejoin::detail

#endif
