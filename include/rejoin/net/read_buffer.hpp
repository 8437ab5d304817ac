#ifndef REJOIN_NET_READ_BUFFER_HPP
#define REJOIN_NET_READ_BUFFER_HPP

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace rejoin {

/// A read buffer on loan from the thread's small stock. A connection takes one when bytes are there to be read and gives
/// it back as soon as they are consumed, so idle connections hold none and busy ones share a few hot ones.
///
/// A loan may be returned on another thread: the buffer then joins that thread's stock.
class ReadBuffer {
public:
    /// 64 KiB: at full speed fewer, larger reads are what makes a relay cheap.
    static constexpr std::size_t size = 64 * 1024;
    /// Buffers kept for reuse by one thread; past it they are freed.
    static constexpr std::size_t kept_per_thread = 4;

    ReadBuffer() = default;
    ~ReadBuffer() { release(); }
    ReadBuffer(ReadBuffer&& other) noexcept : data_{std::move(other.data_)} {}
    ReadBuffer& operator=(ReadBuffer&& other) noexcept {
        release();
        data_ = std::move(other.data_);
        return *this;
    }

    void acquire() {
        if (data_) return;
        auto& kept = stock();
        if (kept.empty()) {
            data_.reset(new char[size]);
        } else {
            data_ = std::move(kept.back());
            kept.pop_back();
        }
    }

    void release() noexcept {
        if (!data_) return;
        auto& kept = stock();
        if (kept.size() < kept_per_thread) {
            kept.push_back(std::move(data_));
        } else {
            data_.reset();
        }
    }

    explicit operator bool() const noexcept { return static_cast<bool>(data_); }
    char* data() noexcept { return data_.get(); }

private:
    using Stock = std::vector<std::unique_ptr<char[]>>;

    static Stock& stock() {
        thread_local Stock kept = [] {
            Stock stock;
            stock.reserve(kept_per_thread);
            return stock;
        }();
        return kept;
    }

    std::unique_ptr<char[]> data_;
};

}  // namespace rejoin

#endif
