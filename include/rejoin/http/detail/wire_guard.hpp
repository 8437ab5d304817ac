#ifndef REJOIN_HTTP_DETAIL_WIRE_GUARD_HPP
#define REJOIN_HTTP_DETAIL_WIRE_GUARD_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <rejoin/error.hpp>
#include <rejoin/http/detail/ascii.hpp>
#include <rejoin/http/limits.hpp>

namespace rejoin::detail {

// Watches the bytes of a message that are not body: it holds them to the letter of RFC 9112 and to the limits.
//
// llhttp has no limits at all, and what it lets pass differs between its versions and build modes: obs-fold, white
// space before a colon, a bare LF, statuses of one digit, a missing CRLF after a chunk's data. A second parser in the
// chain that reads such bytes in another way is what request smuggling lives on, so they are refused here. Nothing is
// copied; the verdict on a byte depends on the bytes before it alone, not on how they were split.
class WireGuard {
public:
    enum class Side : std::uint8_t { request, response };

    explicit WireGuard(Side side) noexcept : side_{side} {}

    // Looks at the start line and header section. Returns how many bytes are part of it and good: all, unless
    // `section_ended()` or `failed()`.
    std::size_t head(std::string_view bytes, const HttpLimits& limits) noexcept {
        std::size_t room = bytes.size();
        if (limits.header_bytes != 0)
            room = std::min(room, limits.header_bytes - std::min(limits.header_bytes, bytes_));
        std::size_t used = 0;
        while (used < room && state_ != State::section_end) {
            if (state_ == State::value) {  // most of the bytes
                while (used < room && is_char(bytes[used], char_value)) ++used;
                if (used == room) break;
            }
            if (!head_byte(bytes[used], limits)) break;
            ++used;
        }
        bytes_ += used;
        if (used == room && room < bytes.size() && state_ != State::section_end && !failed()) {
            fail(Error::header_too_large, "header section too large");
        }
        return used;
    }

    // A chunked body follows the header section.
    void begin_chunks() noexcept {
        line_ = 0;
        state_ = State::chunk_size_first;
    }

    // Looks at framing of a chunked body: everything but the chunks' data. False: refused.
    bool chunk_framing(std::string_view bytes, const HttpLimits& limits) noexcept {
        while (!bytes.empty() && !failed()) {
            if (in_trailer_) {
                const std::size_t used = head(bytes, limits);
                if (used < bytes.size() && !failed()) fail(Error::bad_message, "bytes after the trailer section");
                break;
            }
            if (!chunk_byte(bytes.front(), limits)) break;
            bytes.remove_prefix(1);
        }
        return !failed();
    }

    // Whether chunk data is due: a size line other than zero has ended and nothing was seen since.
    bool in_chunk_data() const noexcept { return state_ == State::data_cr; }
    // Whether the empty line at the end of the header or trailer section was seen.
    bool section_ended() const noexcept { return state_ == State::section_end; }
    // Whether a message has begun: more was seen than empty lines before it.
    bool begun() const noexcept { return state_ != State::before && state_ != State::before_lf; }
    bool failed() const noexcept { return state_ == State::failed; }
    Error error() const noexcept { return error_; }
    const char* reason() const noexcept { return reason_; }

private:
    enum class State : std::uint8_t {
        before,
        before_lf,
        method,
        target,
        version,
        version_end,
        status,
        status_end,
        reason_phrase,
        line_lf,
        field_start,
        name,
        value,
        section_lf,
        section_end,
        chunk_size_first,
        chunk_size,
        chunk_extension,
        chunk_lf,
        data_cr,
        data_lf,
        failed,
    };

    bool fail(Error error, const char* reason) noexcept {
        state_ = State::failed;
        error_ = error;
        reason_ = reason;
        return false;
    }
    bool refuse(const char* reason) noexcept { return fail(Error::bad_message, reason); }

    bool go(State state) noexcept {
        state_ = state;
        line_ = 0;
        return true;
    }
    bool go_if(bool expected, State state, const char* reason) noexcept {
        return expected ? go(state) : refuse(reason);
    }

    bool head_byte(char c, const HttpLimits& limits) noexcept {
        switch (state_) {
        case State::before:
            if (c == '\r') return go(State::before_lf);
            go(side_ == Side::request ? State::method : State::version);
            return side_ == Side::request ? method_byte(c) : version_byte(c);
        case State::before_lf: return go_if(c == '\n', State::before, "CR without LF");
        case State::method: return method_byte(c);
        case State::target:
            if (c == ' ' && line_ != 0) return go(State::version);
            if (!is_char(c, char_target)) return refuse("byte not allowed in a request target");
            if (limits.target != 0 && line_ == limits.target)
                return fail(Error::target_too_long, "request target too long");
            ++line_;
            return true;
        case State::version: return version_byte(c);
        case State::version_end:
            if (side_ == Side::request) return go_if(c == '\r', State::line_lf, "no CRLF after the version");
            return go_if(c == ' ', State::status, "no space after the version");
        case State::status:
            if (!is_char(c, char_digit) || (line_ == 0 && (c < '1' || c > '5')))
                return refuse("status not within 100..599");
            if (++line_ == 3) go(State::status_end);
            return true;
        case State::status_end:
            if (c == ' ') return go(State::reason_phrase);
            return go_if(c == '\r', State::line_lf, "no space after the status");
        case State::reason_phrase:
            if (c == '\r') return go(State::line_lf);
            return is_char(c, char_value) || refuse("byte not allowed in a reason phrase");
        case State::line_lf: return go_if(c == '\n', State::field_start, "CR without LF");
        case State::field_start:
            if (c == '\r') return go(State::section_lf);
            if (c == ' ' || c == '\t') return refuse("folded field line");
            if (!is_char(c, char_token)) return refuse("byte not allowed in a field name");
            if (limits.header_count != 0 && count_ == limits.header_count) {
                return fail(Error::header_too_large, "too many field lines");
            }
            ++count_;
            return go(State::name);
        case State::name:
            if (c == ':') return go(State::value);
            return is_char(c, char_token) || refuse("byte not allowed in a field name");
        case State::value:
            if (c == '\r') return go(State::line_lf);
            return is_char(c, char_value) || refuse("byte not allowed in a field value");
        case State::section_lf: return go_if(c == '\n', State::section_end, "CR without LF");
        default: return refuse("out of order");
        }
    }

    bool method_byte(char c) noexcept {
        if (c == ' ' && line_ != 0) return go(State::target);
        if (!is_char(c, char_token)) return refuse("byte not allowed in a method");
        ++line_;
        return true;
    }

    // "HTTP/1.0" or "HTTP/1.1", case-sensitive (RFC 9112 2.3). HTTP/0.9 and the preface of HTTP/2 end here.
    bool version_byte(char c) noexcept {
        constexpr std::string_view prefix = "HTTP/1.";
        if (line_ < prefix.size()) {
            if (c != prefix[line_]) return refuse("not HTTP/1.0 or HTTP/1.1");
            ++line_;
            return true;
        }
        return go_if(c == '0' || c == '1', State::version_end, "not HTTP/1.0 or HTTP/1.1");
    }

    // RFC 9112 7.1, without the white space that 7.1.1 has for bad senders: llhttp takes none either.
    bool chunk_byte(char c, const HttpLimits& limits) noexcept {
        switch (state_) {
        case State::chunk_size_first:
            last_ = true;
            if (!is_char(c, char_hex)) return refuse("chunk size is no hexadecimal number");
            state_ = State::chunk_size;
            return size_digit(c, limits);
        case State::chunk_size:
            if (is_char(c, char_hex)) return size_digit(c, limits);
            if (c == '\r') return go(State::chunk_lf);
            if (c != ';') return refuse("chunk size is no hexadecimal number");
            state_ = State::chunk_extension;
            return count_chunk_line(limits);
        case State::chunk_extension:
            if (c == '\r') return go(State::chunk_lf);
            if (!is_char(c, char_value)) return refuse("byte not allowed in a chunk extension");
            return count_chunk_line(limits);
        case State::chunk_lf:
            in_trailer_ = last_;
            return go_if(c == '\n', last_ ? State::field_start : State::data_cr, "CR without LF");
        case State::data_cr: return go_if(c == '\r', State::data_lf, "no CRLF after the chunk's data");
        case State::data_lf: return go_if(c == '\n', State::chunk_size_first, "no CRLF after the chunk's data");
        default: return refuse("out of order");
        }
    }

    bool size_digit(char c, const HttpLimits& limits) noexcept {
        if (c != '0') last_ = false;
        return count_chunk_line(limits);
    }

    bool count_chunk_line(const HttpLimits& limits) noexcept {
        if (limits.chunk_line != 0 && line_ == limits.chunk_line) return refuse("chunk-size line too long");
        ++line_;
        return true;
    }

    std::size_t bytes_ = 0;  // of the header and trailer sections so far
    std::size_t line_ = 0;   // bytes of the current element, where they matter
    std::size_t count_ = 0;  // field lines so far
    const char* reason_ = "";
    Error error_ = Error::bad_message;
    Side side_;
    State state_ = State::before;
    bool last_ = false;        // only zeros in the current chunk size
    bool in_trailer_ = false;  // the last chunk's size line is behind us
};

}  // namespace rejoin::detail

#endif
