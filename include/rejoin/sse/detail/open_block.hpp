#ifndef REJOIN_SSE_DETAIL_OPEN_BLOCK_HPP
#define REJOIN_SSE_DETAIL_OPEN_BLOCK_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <rejoin/sse/detail/borrowed_text.hpp>
#include <rejoin/sse/detail/utf8.hpp>
#include <rejoin/sse/event.hpp>
#include <rejoin/sse/limits.hpp>

namespace rejoin::detail {

/// The block of lines since the last blank line: what becomes an event, or only moves the cursor.
class OpenBlock {
public:
    /// Nothing of consequence has been seen.
    bool empty() const noexcept { return seen_ == 0; }
    bool skipped() const noexcept { return (seen_ & skips) != 0; }

    void set_type(std::string_view value) noexcept {
        type_.borrow(value);
        seen_ |= has_type;
    }

    void set_id(std::string_view value) noexcept {
        id_.borrow(value);
        seen_ |= has_id;
    }

    void add_data(std::string_view value) {
        if ((seen_ & has_data) != 0) {
            data_.append_line(value);
        } else {
            data_.borrow(value);
            seen_ |= has_data;
        }
    }

    /// Bytes of data that another data line would come behind, the joining LF included.
    std::size_t held() const noexcept { return (seen_ & has_data) != 0 ? data_.size() + 1 : 0; }

    /// The data is too large: the block can still move the cursor, but fires no event.
    void skip_data() noexcept { seen_ = static_cast<std::uint8_t>((seen_ & ~has_data) | skips); }

    /// The bytes that were borrowed from go away.
    void keep() {
        if ((seen_ & has_data) != 0) data_.keep();
        if ((seen_ & has_type) != 0) type_.keep();
        if ((seen_ & has_id) != 0) id_.keep();
    }

    /// The blank line, for modes other than `pass`: decodes what will be handed out. False: it is to be rejected.
    bool decode(Utf8Mode mode) {
        const bool fires = (seen_ & has_data) != 0;
        const bool typed = fires && (seen_ & has_type) != 0;
        const bool named = (seen_ & has_id) != 0;
        if (mode == Utf8Mode::reject) {
            return (!named || utf8_valid(id_.get())) && (!fires || utf8_valid(data_.get())) &&
                   (!typed || utf8_valid(type_.get()));
        }
        // The id outlives the block, the others need only last until the next one is decoded.
        if (named && !utf8_valid(id_.get())) id_.copy(utf8_replaced(id_.get(), decoded_data_));
        if (fires) data_.borrow(utf8_replaced(data_.get(), decoded_data_));
        if (typed) type_.borrow(utf8_replaced(type_.get(), decoded_type_));
        return true;
    }

    /// The blank line: moves `cursor` if the block has an id, fills `out` if there is something to hand out (always for
    /// an event; for a mere id where `cursors` asks for it), and is empty again.
    bool close(SseEventView& out, BorrowedText& cursor, bool cursors) noexcept {
        const std::uint8_t seen = seen_;
        seen_ = 0;
        const bool named = (seen & has_id) != 0;
        if (named) cursor.take(id_);
        if ((seen & has_data) != 0) {
            out.kind = SseItem::event;
            out.data = data_.get();
            out.type = (seen & has_type) != 0 ? type_.get() : std::string_view{};
            if (out.type.empty()) out.type = "message";
        } else if (named && cursors) {
            out.kind = SseItem::cursor;
            out.data = {};
            out.type = {};
        } else {
            return false;
        }
        out.last_event_id = cursor.get();
        out.id = named ? out.last_event_id : std::string_view{};
        out.has_id = named;
        out.truncated = false;
        return true;
    }

    void clear() noexcept { seen_ = 0; }

    void shrink() {
        if (!empty()) return;
        for (BorrowedText* text : {&data_, &type_, &id_}) text->release();
        decoded_data_ = std::string{};
        decoded_type_ = std::string{};
    }

private:
    enum : std::uint8_t { has_data = 1, has_type = 2, has_id = 4, skips = 8 };

    std::uint8_t seen_ = 0;
    BorrowedText data_;
    BorrowedText type_;
    BorrowedText id_;
    std::string decoded_data_;
    std::string decoded_type_;
};

}  // namespace rejoin::detail

#endif
