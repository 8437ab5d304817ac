#ifndef REJOIN_SSE_DETAIL_BORROWED_TEXT_HPP
#define REJOIN_SSE_DETAIL_BORROWED_TEXT_HPP

#include <cstddef>
#include <string_view>

#include <rejoin/sse/detail/byte_buffer.hpp>
#include <rejoin/version.hpp>

namespace rejoin::detail {

/// A text that is a view into somebody's bytes until it must outlive them. Its own storage keeps its capacity.
class BorrowedText {
public:
    std::string_view get() const noexcept { return view_; }
    std::size_t size() const noexcept { return view_.size(); }

    void borrow(std::string_view text) noexcept { view_ = text; }

    /// `text` must not stand in this object.
    void copy(std::string_view text) {
        own_.assign(text);
        view_ = own_.view();
    }

    /// The lender's bytes go away.
    void keep() {
        if (view_.data() != own_.data()) copy(view_);
    }

    /// Appends an LF and `line`. One byte behind `line` must be readable; it is copied with it and becomes the next LF, so
    /// that a line costs one copy.
    REJOIN_SSE_DETAIL_HOT void append_line(std::string_view line) {
        if (view_.data() != own_.data() || own_.size() != view_.size() + 1) {
            keep();
            own_.append("\n");
        }
        own_.append_some({line.data(), line.size() + 1});
        own_.data()[own_.size() - 1] = '\n';
        view_ = {own_.data(), own_.size() - 1};
    }

    /// Becomes what `other` is; `other` is unspecified then.
    void take(BorrowedText& other) noexcept {
        if (other.view_.data() == other.own_.data()) own_.swap(other.own_);
        view_ = other.view_;
    }

    /// Gives back the storage; the text is empty then.
    void release() noexcept {
        own_.release();
        view_ = {};
    }

private:
    ByteBuffer own_;
    std::string_view view_;
};

}  // namespace rejoin::detail

#endif
