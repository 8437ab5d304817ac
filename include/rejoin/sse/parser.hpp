#ifndef REJOIN_SSE_PARSER_HPP
#define REJOIN_SSE_PARSER_HPP

#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <rejoin/error.hpp>
#include <rejoin/sse/detail/attributes.hpp>
#include <rejoin/sse/detail/borrowed_text.hpp>
#include <rejoin/sse/detail/field.hpp>
#include <rejoin/sse/detail/limit_check.hpp>
#include <rejoin/sse/detail/line_scan.hpp>
#include <rejoin/sse/detail/open_block.hpp>
#include <rejoin/sse/detail/partial_line.hpp>
#include <rejoin/sse/detail/seam.hpp>
#include <rejoin/sse/detail/side_line.hpp>
#include <rejoin/sse/event.hpp>
#include <rejoin/sse/parser_options.hpp>

namespace rejoin {

/// Turns the bytes of a `text/event-stream` into events (WHATWG HTML 9.2.5 and 9.2.6), pulled one by one:
///
///     parser.feed(bytes);
///     while (parser.next(event)) use(event);
///     if (parser.error()) ...
///
/// Linear in the bytes, however they are cut, and the result does not depend on the cuts. Views point into the fed bytes;
/// only what straddles reads or has several data lines is copied, into buffers that keep their capacity.
/// One thing differs from the standard's letter: the last event id is seeded by the caller, so that an event without id
/// after a reconnect does not clear it.
///
/// *Thread safety*: distinct objects safe, one object not. *Moving*: only while `next()` has last returned false.
class SseParser {
public:
    /// `last_event_id` is the cursor that this stream continues from; it is copied.
    explicit SseParser(SseParserOptions options = {}, std::string_view last_event_id = {})
        : options_{options}, limits_{options.limits}, side_{options} {
        cursor_.copy(last_event_id);
    }

    /// Hands over the next bytes of the stream. *Precondition*: `next()` has returned false since the last `feed()`.
    /// *Lifetime*: the bytes must stay until `next()` returns false; by then everything still needed has been copied.
    /// After an error they are ignored.
    void feed(std::string_view bytes);

    /// Fills `out` with the next item, in stream order. False: all bytes are used up, or `error()` is set.
    bool next(SseEventView& out);

    /// Why the parser gave up: `Error::line_too_long`, `event_too_large` or `invalid_utf8`. Stays until `reset()`.
    std::error_code error() const noexcept { return error_; }

    /// The last event id: moved by each blank line whose block carried an id, dispatched or not; else as seeded.
    /// *Lifetime*: as an `SseEventView`'s.
    std::string_view last_event_id() const noexcept { return cursor_.get(); }

    /// The reconnection time set by the last valid `retry` line, in force as soon as that line ends; survives `reset()`.
    /// A number too large becomes `milliseconds::max()`: bound it before adding it to a time point.
    std::optional<std::chrono::milliseconds> retry() const noexcept { return retry_; }

    /// Events dropped by `OversizeMode::skip` so far.
    std::uint64_t skipped() const noexcept { return skipped_; }

    /// Whether the stream, if it ended here, would lose something: an event without its blank line, or part of a line.
    /// Meaningful while `next()` has last returned false.
    bool mid_event() const noexcept { return !block_.empty() || mid_line(); }

    /// Whether the last line lacks its line end. Meaningful while `next()` has last returned false.
    bool mid_line() const noexcept { return partial_.active() || seam_.in_bom(); }

    /// A new connection: what was open is dropped, a BOM is allowed again, errors are forgotten, capacity is kept.
    /// It continues from `last_event_id`, which may be this parser's own.
    void reset(std::string_view last_event_id);

    /// Gives back buffers that hold nothing now, for a stream that falls silent after something large.
    /// *Precondition*: `next()` has last returned false.
    void shrink();

private:
    // substr() without its check.
    static std::string_view tail(std::string_view text, std::size_t offset) noexcept {
        return {text.data() + offset, text.size() - offset};
    }

    // Of one line, one blank line: whether next() must return.
    bool take_line(std::string_view line, SseEventView& out);
    bool take_data(std::string_view line, std::string_view value);
    bool take_retry(std::string_view value, SseEventView& out);
    bool over_limit(Error error);
    bool give_up(Error error);

    std::size_t after_line_end(std::string_view bytes, std::size_t at) noexcept;
    bool end_bytes(std::size_t line);
    bool finish_line(std::string_view& line);
    void extend_line(std::string_view piece);
    void extend_other_line(std::string_view piece);
    void check_growing(std::size_t more);

    SseParserOptions options_;
    detail::LimitCheck limits_;
    detail::SideLine side_;

    std::string_view bytes_;  // of the current read
    std::size_t line_ = 0;    // where the next line begins in them
    detail::LineScanner scan_;
    detail::PartialLine partial_;
    detail::OpenBlock block_;
    detail::BorrowedText cursor_;
    detail::Seam seam_;

    std::optional<std::chrono::milliseconds> retry_;
    std::error_code error_;
    std::uint64_t skipped_ = 0;
};

inline void SseParser::feed(std::string_view bytes) {
    assert(bytes_.empty() && "next() must have returned false");
    if (!seam_.plain()) {
        const std::string_view begun = seam_.cross(bytes);
        if (!begun.empty()) {
            partial_.begin();
            extend_other_line(begun);
        }
    }
    bytes_ = bytes;
    line_ = 0;
    scan_.start(bytes);
}

inline bool SseParser::next(SseEventView& out) {
    const std::string_view bytes = bytes_;
    std::size_t begin = line_;
    bool straddles = partial_.active();
    while (begin < bytes.size()) {
        std::string_view line;
        if (straddles) {
            if (!finish_line(line)) return end_bytes(bytes_.size());
            begin = line_;
            straddles = false;
            if (line.empty()) continue;
        } else if (const char first = bytes[begin]; first <= '\r' && (first == '\n' || first == '\r')) {
            // A blank line needs no search: it is seen where the next line should begin.
            begin = after_line_end(bytes, begin);
            if (block_.empty()) continue;
            if (options_.utf8 != Utf8Mode::pass && !block_.decode(options_.utf8)) return !give_up(Error::invalid_utf8);
            if (!block_.close(out, cursor_, options_.cursors)) continue;
            line_ = begin;
            return true;
        } else {
            const std::size_t end = scan_.find(begin);
            if (end == detail::LineScanner::npos) break;
            line = {bytes.data() + begin, end - begin};
            begin = after_line_end(bytes, end);
        }
        if (take_line(line, out)) {
            line_ = begin;
            return !error_;
        }
    }
    return end_bytes(begin);
}

inline void SseParser::reset(std::string_view last_event_id) {
    cursor_.copy(std::string{last_event_id});  // it may be a view into cursor_
    bytes_ = {};
    line_ = 0;
    partial_.clear();
    block_.clear();
    seam_.restart();
    error_ = {};
}

inline void SseParser::shrink() {
    partial_.shrink();
    block_.shrink();
    side_.shrink();
}

// --- lines ---

REJOIN_SSE_DETAIL_HOT inline bool SseParser::take_line(std::string_view line, SseEventView& out) {
    std::size_t offset = 0;
    const char first = line.front();
    if (first == 'd') {
        offset = detail::value_offset(line, "data");
        if (offset != 0) return take_data(line, tail(line, offset));
    }
    switch (first) {
    case 'i':
        offset = detail::value_offset(line, "id");
        if (offset == 0) break;
        if (!limits_.line_fits(line.size())) return over_limit(Error::line_too_long);
        if (!detail::has_nul(line)) block_.set_id(tail(line, offset));
        return false;
    case 'e':
        offset = detail::value_offset(line, "event");
        if (offset == 0) break;
        if (!limits_.line_fits(line.size())) return over_limit(Error::line_too_long);
        block_.set_type(tail(line, offset));
        return false;
    case 'r':
        offset = detail::value_offset(line, "retry");
        if (offset == 0) break;
        if (!limits_.line_fits(line.size())) return over_limit(Error::line_too_long);
        return take_retry(tail(line, offset), out);
    default: break;
    }
    return side_.wanted() && side_.report(line, cursor_.get(), out);
}

REJOIN_SSE_DETAIL_HOT inline bool SseParser::take_data(std::string_view line, std::string_view value) {
    if (block_.skipped()) return false;
    const std::size_t held = block_.held();
    if (!limits_.surely_fits(line.size(), held) && !limits_.data_fits(line.size(), value.size(), held)) {
        return over_limit(limits_.data_error(line.size(), value.size(), held));
    }
    block_.add_data(value);
    return false;
}

REJOIN_SSE_DETAIL_COLD inline bool SseParser::take_retry(std::string_view value, SseEventView& out) {
    const auto retry = detail::parse_retry(value);
    if (!retry) return false;
    retry_ = retry;
    if (!options_.retries) return false;
    out = {};
    out.kind = SseItem::retry;
    out.type = {};
    out.data = value;
    out.last_event_id = cursor_.get();
    return true;
}

REJOIN_SSE_DETAIL_COLD inline bool SseParser::over_limit(Error error) {
    if (options_.limits.mode == OversizeMode::fail) return give_up(error);
    if (!block_.skipped()) ++skipped_;
    block_.skip_data();
    return false;
}

REJOIN_SSE_DETAIL_COLD inline bool SseParser::give_up(Error error) {
    error_ = error;
    cursor_.keep();
    bytes_ = {};
    line_ = 0;
    partial_.clear();
    block_.clear();
    seam_.stop();
    return true;
}

// --- seams: line ends, reads, the beginning of the stream ---

REJOIN_SSE_DETAIL_HOT inline std::size_t SseParser::after_line_end(std::string_view bytes, std::size_t at) noexcept {
    if (bytes[at] == '\n') return at + 1;
    // A CR ends its line at once; an LF behind it, perhaps in the next read, belongs to it.
    if (at + 1 < bytes.size()) return bytes[at + 1] == '\n' ? at + 2 : at + 1;
    seam_.after_cr();
    return at + 1;
}

inline bool SseParser::end_bytes(std::size_t line) {
    block_.keep();
    cursor_.keep();
    if (line < bytes_.size()) {
        // Not before: what was kept above may have stood in the partial line that this read completed.
        partial_.begin();
        extend_other_line(bytes_.substr(line));
    }
    bytes_ = {};
    line_ = 0;
    return false;
}

/// Looks for the end of a line that began in an earlier read. False: it is not in this one.
inline bool SseParser::finish_line(std::string_view& line) {
    const std::size_t end = scan_.find(0);
    extend_line(bytes_.substr(0, end));
    if (end == detail::LineScanner::npos || error_) return false;
    line_ = after_line_end(bytes_, end);
    line = partial_.finish();
    return true;
}

REJOIN_SSE_DETAIL_HOT inline void SseParser::extend_line(std::string_view piece) {
    if (partial_.known() && limits_.surely_fits(partial_.text().size() + piece.size(), block_.held())) {
        partial_.append(piece);
    } else {
        extend_other_line(piece);
    }
}

REJOIN_SSE_DETAIL_COLD inline void SseParser::extend_other_line(std::string_view piece) {
    piece = partial_.decide(piece, side_.keep());
    // Limits apply while the line is still growing: never is more than the limit held.
    if (partial_.known()) check_growing(piece.size());
    partial_.append(piece, side_.keep());
}

/// Drops a growing line that passes a limit, or that belongs to data which did.
inline void SseParser::check_growing(std::size_t more) {
    const std::string_view begun = partial_.text();
    const std::size_t size = begun.size() + more;
    const std::size_t offset = detail::value_offset(begun, "data");
    const std::size_t held = block_.held();
    if (offset == 0) {
        if (limits_.line_fits(size)) return;
        partial_.drop();
        over_limit(Error::line_too_long);
    } else if (block_.skipped()) {
        partial_.drop();
    } else if (!limits_.data_fits(size, size - offset, held)) {
        partial_.drop();
        over_limit(limits_.data_error(size, size - offset, held));
    }
}

}  // namespace rejoin

#endif
