#ifndef REJOIN_GATEWAY_EVENT_LOG_HPP
#define REJOIN_GATEWAY_EVENT_LOG_HPP

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <rejoin/error.hpp>

namespace rejoin {

/// Why an event left a log.
enum class EvictionReason : std::uint8_t {
    events,  ///< The stream's bound on events.
    bytes,   ///< The stream's bound on bytes.
    age,     ///< It was kept for as long as events are kept.
    budget,  ///< The bound on all logs together.
};

inline constexpr std::size_t eviction_reason_count = 4;

/// The name as written above, for logs and metric labels.
constexpr std::string_view to_string(EvictionReason reason) noexcept {
    switch (reason) {
    case EvictionReason::events: return "events";
    case EvictionReason::bytes: return "bytes";
    case EvictionReason::age: return "age";
    case EvictionReason::budget: return "budget";
    }
    return "unknown";
}

struct EventLogOptions {
    /// Events kept; the oldest goes first. At least 1.
    std::size_t events = 1024;
    /// Bytes of frames kept. A single larger frame is kept alone, until the next one.
    std::size_t bytes = 1024 * 1024;
    /// How long an event is kept; zero = no bound.
    std::chrono::steady_clock::duration age = std::chrono::minutes{10};
};

/// The events of one stream as framed bytes: written once, sent by reference, read by any number of cursors. Replay and
/// live are the same read.
///
/// A cursor is the sequence number of the last event taken; sequence numbers start at 1 and have no holes. Frames lie in
/// shared blocks, so what a reader holds stays valid after eviction. A log without events holds no memory. One that was
/// moved from may only be destroyed or assigned to.
/// Thread safety: distinct objects safe; one object only from one thread at a time.
class EventLog {
public:
    using TimePoint = std::chrono::steady_clock::time_point;
    using Sequence = std::uint64_t;

    /// A run of whole frames, kept alive by `block`.
    struct Piece {
        std::shared_ptr<const char[]> block;
        std::string_view bytes;
    };

    static constexpr std::size_t max_pieces = 8;

    struct Batch {
        std::array<Piece, max_pieces> pieces;
        std::size_t count = 0;   ///< pieces in use
        std::size_t bytes = 0;   ///< of all pieces
        Sequence last = 0;       ///< the cursor after this batch
        bool evicted = false;    ///< events behind the cursor are gone: nothing is returned, never a partial range
    };

    /// Throws `std::system_error{Error::invalid_option}` when a bound that must be positive is zero, or the age negative.
    explicit EventLog(EventLogOptions options = {}) : options_{options} {
        if (options_.events == 0 || options_.bytes == 0 || options_.age < options_.age.zero()) {
            throw std::system_error{Error::invalid_option};
        }
    }

    EventLog(EventLog&&) noexcept = default;
    EventLog& operator=(EventLog&&) noexcept = default;

    /// Appends one framed event of less than 4 GiB. `id` is the id that the frame carries (a view into `frame` or equal to
    /// what stands there; one that does not is not found later), or nothing for a frame without one. Evicts what the
    /// bounds no longer allow.
    Sequence append(std::string_view frame, std::optional<std::string_view> id, TimePoint now) {
        char* const place = reserve(frame.size());
        frame.copy(place, frame.size());
        Entry entry{};
        entry.block = blocks_.back().number;
        entry.offset = static_cast<std::uint32_t>(place - blocks_.back().bytes.get());
        entry.length = static_cast<std::uint32_t>(frame.size());
        entry.at = now;
        if (const std::size_t found = id ? frame.rfind(*id) : std::string_view::npos; found != std::string_view::npos) {
            entry.has_id = true;
            entry.id_length = static_cast<std::uint32_t>(id->size());
            entry.id_offset = static_cast<std::uint32_t>(found);
        }
        // Room is made before the ring takes the entry, so that it never grows past the bound.
        while (size_ >= options_.events) drop_oldest(EvictionReason::events);
        while (size_ > 0 && bytes_ + frame.size() > options_.bytes) drop_oldest(EvictionReason::bytes);
        push(entry);
        if (entry.has_id) last_with_id_ = last_;
        bytes_ += frame.size();
        appended_bytes_ += frame.size();
        evict_older(now);
        return last_;
    }

    /// Drops what is older than the age bound.
    void evict_older(TimePoint now) {
        if (options_.age <= options_.age.zero()) return;
        while (size_ > 0 && now - at(0).at > options_.age) evict_oldest(EvictionReason::age);
    }

    /// Drops the oldest event, for a budget that spans several logs. No effect on an empty log.
    void evict_oldest(EvictionReason reason = EvictionReason::budget) {
        if (size_ == 0) return;
        drop_oldest(reason);
        if (size_ > 0) return;
        std::vector<Block>{}.swap(blocks_);
        std::vector<Entry>{}.swap(entries_);
        head_ = 0;
    }

    /// Everything after `cursor`, up to about `max_bytes` (at least one event) and `max_pieces` pieces.
    Batch read(Sequence cursor, std::size_t max_bytes) const {
        Batch batch;
        batch.last = cursor;
        if (cursor >= last_) return batch;
        if (cursor + 1 < first()) {
            batch.evicted = true;
            return batch;
        }
        for (std::size_t i = static_cast<std::size_t>(cursor + 1 - first()); i < size_; ++i) {
            const Entry& entry = at(i);
            if (batch.bytes > 0 && batch.bytes + entry.length > max_bytes) break;
            const Block& block = block_of(entry);
            const char* const begin = block.bytes.get() + entry.offset;
            Piece* const current = batch.count > 0 ? &batch.pieces[batch.count - 1] : nullptr;
            if (current && current->bytes.data() + current->bytes.size() == begin && current->block == block.bytes) {
                current->bytes = {current->bytes.data(), current->bytes.size() + entry.length};
            } else {
                if (batch.count == max_pieces) break;
                batch.pieces[batch.count++] = {block.bytes, {begin, entry.length}};
            }
            batch.bytes += entry.length;
            ++batch.last;
        }
        return batch;
    }

    /// The newest kept event that carries `id`, of those up to `last`.
    std::optional<Sequence> find(std::string_view id, Sequence last = std::numeric_limits<Sequence>::max()) const {
        const Sequence behind = last < last_ ? last_ - last : 0;
        for (std::size_t i = behind < size_ ? size_ - static_cast<std::size_t>(behind) : 0; i-- > 0;) {
            const Entry& entry = at(i);
            if (entry.has_id && id_of(entry) == id) return first() + i;
        }
        return std::nullopt;
    }

    /// True when a reader at `cursor` gets exactly what follows it.
    bool holds(Sequence cursor) const noexcept { return cursor + 1 >= first() && cursor <= last_; }

    /// Sequence of the oldest kept event; `last() + 1` when none is kept.
    Sequence first() const noexcept { return last_ + 1 - size_; }
    /// Sequence of the newest event ever appended; 0 before the first.
    Sequence last() const noexcept { return last_; }
    /// Sequence of the newest event ever appended that carries an id; 0 before the first.
    Sequence last_with_id() const noexcept { return last_with_id_; }
    std::size_t size() const noexcept { return size_; }
    std::size_t bytes() const noexcept { return bytes_; }
    /// Bytes of all frames ever appended.
    std::uint64_t appended_bytes() const noexcept { return appended_bytes_; }
    /// Events dropped so far.
    std::uint64_t evicted(EvictionReason reason) const noexcept { return evicted_[static_cast<std::size_t>(reason)]; }
    std::uint64_t evicted() const noexcept {
        std::uint64_t sum = 0;
        for (const std::uint64_t count : evicted_) sum += count;
        return sum;
    }
    const EventLogOptions& options() const noexcept { return options_; }

    /// Bytes of frames between `cursor` and the end of the log, for deciding on backpressure.
    std::size_t bytes_after(Sequence cursor) const {
        std::size_t sum = 0;
        for (std::size_t i = size_; i-- > 0 && first() + i > cursor;) sum += at(i).length;
        return sum;
    }

private:
    struct Block {
        std::shared_ptr<char[]> bytes;
        std::size_t capacity = 0;
        std::size_t used = 0;
        std::uint32_t number = 0;
    };

    struct Entry {
        TimePoint at;
        std::uint32_t block;
        std::uint32_t offset;
        std::uint32_t length;
        std::uint32_t id_offset;
        std::uint32_t id_length;
        bool has_id;
    };

    static constexpr std::size_t smallest_block = 1024;
    static constexpr std::size_t largest_block = 64 * 1024;

    // Keeps the newest block even when no event is left in it: it is the one being filled.
    void drop_oldest(EvictionReason reason) {
        bytes_ -= at(0).length;
        head_ = (head_ + 1) & (entries_.size() - 1);
        --size_;
        ++evicted_[static_cast<std::size_t>(reason)];
        const std::uint32_t needed = size_ > 0 ? at(0).block : blocks_.back().number;
        const std::uint32_t unused = needed - blocks_.front().number;
        if (unused > 0) blocks_.erase(blocks_.begin(), blocks_.begin() + static_cast<std::ptrdiff_t>(unused));
    }

    char* reserve(std::size_t size) {
        if (blocks_.empty() || blocks_.back().capacity - blocks_.back().used < size) {
            // Blocks grow with the stream, so that a quiet one stays small.
            const std::size_t grown = blocks_.empty() ? smallest_block : std::min(blocks_.back().capacity * 2, largest_block);
            const std::size_t capacity = std::max(grown, size);
            blocks_.push_back({std::shared_ptr<char[]>{new char[capacity]}, capacity, 0, next_block_++});
        }
        Block& block = blocks_.back();
        char* const place = block.bytes.get() + block.used;
        block.used += size;
        return place;
    }

    void push(const Entry& entry) {
        if (size_ == entries_.size()) {
            std::vector<Entry> grown(entries_.empty() ? 4 : entries_.size() * 2);
            for (std::size_t i = 0; i < size_; ++i) grown[i] = at(i);
            entries_ = std::move(grown);
            head_ = 0;
        }
        entries_[(head_ + size_) & (entries_.size() - 1)] = entry;
        ++size_;
        ++last_;
    }

    const Entry& at(std::size_t index) const { return entries_[(head_ + index) & (entries_.size() - 1)]; }

    const Block& block_of(const Entry& entry) const { return blocks_[entry.block - blocks_.front().number]; }

    std::string_view id_of(const Entry& entry) const {
        return {block_of(entry).bytes.get() + entry.offset + entry.id_offset, entry.id_length};
    }

    EventLogOptions options_;
    std::vector<Block> blocks_;
    std::vector<Entry> entries_;  // a ring; its size is a power of two
    std::size_t head_ = 0;
    std::size_t size_ = 0;
    std::size_t bytes_ = 0;
    std::uint64_t appended_bytes_ = 0;
    Sequence last_ = 0;
    Sequence last_with_id_ = 0;
    std::array<std::uint64_t, eviction_reason_count> evicted_{};
    std::uint32_t next_block_ = 0;
};

}  // namespace rejoin

#endif
