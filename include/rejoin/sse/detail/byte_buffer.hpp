#ifndef REJOIN_SSE_DETAIL_BYTE_BUFFER_HPP
#define REJOIN_SSE_DETAIL_BYTE_BUFFER_HPP

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include <rejoin/sse/detail/attributes.hpp>
#include <rejoin/version.hpp>

namespace rejoin::detail {

/// Bytes that grow at their end and keep their capacity. Appending is a comparison and a copy, where std::string's is a call
/// that costs several times that: it runs once for each line of a multi-line event. Views survive a move.
class ByteBuffer {
public:
    ByteBuffer() = default;
    ByteBuffer(ByteBuffer&& other) noexcept
        : bytes_{std::move(other.bytes_)},
          size_{std::exchange(other.size_, 0)},
          capacity_{std::exchange(other.capacity_, 0)} {}
    ByteBuffer& operator=(ByteBuffer&& other) noexcept {
        swap(other);
        return *this;
    }

    const char* data() const noexcept { return bytes_.get(); }
    char* data() noexcept { return bytes_.get(); }
    std::size_t size() const noexcept { return size_; }
    std::string_view view() const noexcept { return {bytes_.get(), size_}; }

    void clear() noexcept { size_ = 0; }

    /// `text` must not stand in this buffer.
    void append(std::string_view text) {
        if (!text.empty()) append_some(text);
    }

    /// The same for what is known not to be empty.
    REJOIN_SSE_DETAIL_HOT void append_some(std::string_view text) {
        if (text.size() > capacity_ - size_) grow(text.size());
        std::memcpy(bytes_.get() + size_, text.data(), text.size());
        size_ += text.size();
    }

    void assign(std::string_view text) {
        size_ = 0;
        append(text);
    }

    void swap(ByteBuffer& other) noexcept {
        bytes_.swap(other.bytes_);
        std::swap(size_, other.size_);
        std::swap(capacity_, other.capacity_);
    }

    void release() noexcept {
        bytes_.reset();
        size_ = 0;
        capacity_ = 0;
    }

private:
    REJOIN_SSE_DETAIL_COLD void grow(std::size_t more) {
        const std::size_t capacity = std::max({size_ + more, capacity_ + capacity_, std::size_t{32}});
        std::unique_ptr<char[]> bytes{new char[capacity]};
        if (size_ != 0) std::memcpy(bytes.get(), bytes_.get(), size_);
        bytes_ = std::move(bytes);
        capacity_ = capacity;
    }

    std::unique_ptr<char[]> bytes_;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace rejoin::detail

#endif
