#ifndef REJOIN_SSE_DETAIL_PARTIAL_LINE_HPP
#define REJOIN_SSE_DETAIL_PARTIAL_LINE_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <rejoin/sse/detail/byte_buffer.hpp>
#include <rejoin/sse/detail/field.hpp>
#include <rejoin/version.hpp>

namespace rejoin::detail {

/// A line that straddles reads: its bytes so far, as far as anybody needs them.
///
/// Comments and unknown fields that nobody wants are recognised by their first bytes and cost nothing, however long.
class PartialLine {
public:
    /// What to keep of lines that are no known field: `limit` bytes and one more, which tells that there were more.
    struct Keep {
        bool comments = false;
        bool fields = false;
        std::size_t limit = 0;
    };

    bool active() const noexcept { return state_ != State::none; }

    /// A known field, and enough of it to tell where its value begins.
    bool known() const noexcept { return state_ == State::known && bytes_.size() >= decisive_bytes; }

    /// The bytes so far, of a known field.
    std::string_view text() const noexcept { return bytes_.view(); }

    void begin() noexcept {
        bytes_.clear();
        state_ = State::undecided;
    }

    /// The rest of the line is of no interest.
    void drop() noexcept {
        bytes_.clear();
        state_ = State::dropped;
    }

    void clear() noexcept { state_ = State::none; }

    /// Takes as much of `piece` as tells what kind of line this is and where its value begins; returns what is left.
    std::string_view decide(std::string_view piece, const Keep& keep) {
        if (bytes_.size() >= decisive_bytes || state_ > State::known) return piece;
        const std::size_t taken = std::min(piece.size(), decisive_bytes - bytes_.size());
        bytes_.append(piece.substr(0, taken));
        switch (classify_beginning(bytes_.view())) {
        case LineClass::undecided: break;
        case LineClass::known: state_ = State::known; break;
        case LineClass::comment: keep_or_drop(keep.comments); break;
        case LineClass::unknown: keep_or_drop(keep.fields); break;
        }
        return piece.substr(taken);
    }

    /// For a known field.
    void append(std::string_view piece) { bytes_.append(piece); }

    /// For any line; ignores what is not to be kept.
    void append(std::string_view piece, const Keep& keep) {
        if (state_ == State::undecided || state_ == State::known) {
            bytes_.append(piece);
        } else if (state_ == State::capped && bytes_.size() <= keep.limit) {
            bytes_.append(piece.substr(0, std::max(keep.limit - bytes_.size() + 1, std::size_t{1})));
        }
    }

    /// The line has ended: what was kept of it, with an LF behind it; empty for one that was dropped. Valid until `begin()`.
    std::string_view finish() {
        state_ = State::none;
        bytes_.append("\n");
        return {bytes_.data(), bytes_.size() - 1};
    }

    void shrink() noexcept {
        if (!active()) bytes_.release();
    }

private:
    enum class State : std::uint8_t { none, undecided, known, capped, dropped };

    void keep_or_drop(bool keep) noexcept {
        if (keep) {
            state_ = State::capped;
        } else {
            drop();
        }
    }

    ByteBuffer bytes_;
    State state_ = State::none;
};

}  // namespace rejoin::detail

#endif
