#ifndef REJOIN_RESUME_DETAIL_SEEN_WINDOW_HPP
#define REJOIN_RESUME_DETAIL_SEEN_WINDOW_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <rejoin/sse/event.hpp>
#include <rejoin/resume/detail/hash.hpp>

namespace rejoin::detail {

/// What is remembered of an event: its id, and all of it. 64 bits under a secret seed: a chance match is one in 2^64 a
/// pair.
struct SeenEvent {
    std::uint64_t id = 0;
    std::uint64_t content = 0;

    friend bool operator==(const SeenEvent&, const SeenEvent&) = default;
};

inline SeenEvent seen_event(const SseEventView& event, std::uint64_t seed) noexcept {
    // Hashed apart, under different seeds, so that the three run side by side in the processor and their borders count.
    const std::uint64_t id = hash_bytes(event.id, seed);
    const std::uint64_t type = hash_bytes(event.type, ~seed);
    const std::uint64_t data = hash_bytes(event.data, seed + 0x9E3779B97F4A7C15u);
    return {id, fold_multiply(data ^ id, type ^ seed) ^ data};
}

/// The events with an own id that were taken, in order: the newest `capacity` of them, the first few of the stream, and
/// their count.
///
/// Memory grows with use up to `capacity` times 16 bytes and stays then; `push()` is constant time, searches are linear
/// and meant for the moment after a reconnect. Positions run from 0 (oldest kept) to `size() - 1`.
class SeenWindow {
public:
    static constexpr std::size_t head_capacity = 8;
    static constexpr std::size_t npos = static_cast<std::size_t>(-1);

    explicit SeenWindow(std::size_t capacity) noexcept : capacity_{capacity} {}

    std::size_t capacity() const noexcept { return capacity_; }
    std::size_t size() const noexcept { return ring_.size(); }
    bool empty() const noexcept { return ring_.empty(); }
    std::uint64_t total() const noexcept { return total_; }
    std::uint64_t evicted() const noexcept { return total_ - ring_.size(); }

    const SeenEvent& at(std::size_t position) const noexcept { return ring_[index(position)]; }

    /// The event at `position` came again with other content: it keeps its place, in the head too.
    void replace(std::size_t position, const SeenEvent& event) noexcept {
        SeenEvent& kept = ring_[index(position)];
        const std::size_t in_head = find_head(kept);
        if (in_head != npos) head_[in_head] = event;
        kept = event;
    }

    std::size_t head_size() const noexcept {
        return static_cast<std::size_t>(std::min<std::uint64_t>(total_, head_capacity));
    }
    const SeenEvent& head(std::size_t position) const noexcept { return head_[position]; }

    void push(const SeenEvent& event) {
        if (capacity_ == 0) return;
        if (total_ < head_capacity) head_[static_cast<std::size_t>(total_)] = event;
        ++total_;
        if (ring_.size() < capacity_) {
            if (ring_.size() == ring_.capacity())
                ring_.reserve(std::min(capacity_, std::max<std::size_t>(16, ring_.size() * 2)));
            ring_.push_back(event);
            return;
        }
        ring_[start_] = event;
        if (++start_ == ring_.size()) start_ = 0;
    }

    void clear() noexcept {
        ring_.clear();
        start_ = 0;
        total_ = 0;
    }

    /// How often an id occurs (2 stands for more), and where last.
    struct IdUse {
        unsigned count = 0;
        std::size_t last = npos;
    };
    IdUse use_of(std::uint64_t id) const noexcept {
        IdUse use;
        for (std::size_t position = size(); position-- > 0;) {
            if (at(position).id != id) continue;
            if (use.count == 0) use.last = position;
            if (++use.count == 2) break;
        }
        return use;
    }

    /// The same event: the nearest one behind position `after`, else the newest there is. `use` is `use_of(event.id)`.
    std::size_t find(const SeenEvent& event, const IdUse& use, std::size_t after = npos) const noexcept {
        if (use.count == 0) return npos;
        if (use.count == 1) return at(use.last) == event ? use.last : npos;
        if (after != npos) {
            for (std::size_t position = after + 1; position < size(); ++position) {
                if (at(position) == event) return position;
            }
        }
        for (std::size_t position = size(); position-- > 0;) {
            if (at(position) == event) return position;
        }
        return npos;
    }

    std::size_t find_head(const SeenEvent& event) const noexcept {
        for (std::size_t position = 0; position < head_size(); ++position) {
            if (head_[position] == event) return position;
        }
        return npos;
    }

private:
    std::size_t index(std::size_t position) const noexcept {
        const std::size_t sum = start_ + position;
        return sum < ring_.size() ? sum : sum - ring_.size();
    }

    std::size_t capacity_;
    std::size_t start_ = 0;
    std::uint64_t total_ = 0;
    std::vector<SeenEvent> ring_;
    std::array<SeenEvent, head_capacity> head_{};
};

}  // namespace rejoin::detail

#endif
