#ifndef REJOIN_CLIENT_DETAIL_ITEM_QUEUE_HPP
#define REJOIN_CLIENT_DETAIL_ITEM_QUEUE_HPP

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>

#include <rejoin/client/stream_item.hpp>

namespace rejoin::detail {

// The few items that wait to be handed out.
class ItemQueue {
public:
    // At most three stand in line, since nothing goes on before they are taken: two of dropped, unsendable, waiting and
    // opened, and finished by close().
    static constexpr std::size_t capacity = 4;

    bool empty() const noexcept { return size_ == 0; }

    StreamItem& add(StreamItem::Kind kind) {
        assert(size_ < capacity);
        StreamItem& item = items_[size_++];
        item = {};
        item.kind = kind;
        return item;
    }

    bool take(StreamItem& item) {
        if (size_ == 0) return false;
        item = items_[0];
        --size_;
        std::copy_n(items_.begin() + 1, size_, items_.begin());
        return true;
    }

private:
    std::array<StreamItem, capacity> items_;
    std::size_t size_ = 0;
};

}  // namespace rejoin::detail

#endif
