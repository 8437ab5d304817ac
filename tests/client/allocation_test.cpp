// What reading events as views costs: no allocation and no copy for those that lie whole in a read.

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rejoin/net/read_buffer.hpp>

#include "client/support.hpp"

namespace {

// Of this thread; the program's other tests are not looked at.
thread_local std::size_t allocations = 0;

void* counted(std::size_t size, std::size_t alignment) noexcept {
    ++allocations;
    if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) return std::malloc(std::max<std::size_t>(size, 1));
    return std::aligned_alloc(alignment, (std::max<std::size_t>(size, 1) + alignment - 1) / alignment * alignment);
}

void* counted_or_throw(std::size_t size, std::size_t alignment) {
    void* const made = counted(size, alignment);
    if (made == nullptr) throw std::bad_alloc{};
    return made;
}

}  // namespace

// All of them, for the whole program: a sanitizer's own would not take back what malloc() gave.
void* operator new(std::size_t size) { return counted_or_throw(size, 1); }
void* operator new[](std::size_t size) { return counted_or_throw(size, 1); }
void* operator new(std::size_t size, std::align_val_t alignment) { return counted_or_throw(size, static_cast<std::size_t>(alignment)); }
void* operator new[](std::size_t size, std::align_val_t alignment) { return counted_or_throw(size, static_cast<std::size_t>(alignment)); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted(size, 1); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return counted(size, 1); }
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return counted(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return counted(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t, const std::nothrow_t&) noexcept { std::free(memory); }

namespace rejoin::testing {
namespace {

constexpr std::size_t events_of_a_read = 600;

// All of one length, longer than what a std::string keeps in itself.
std::string event_text(std::size_t number) {
    std::string digits = std::to_string(number);
    digits.insert(0, 20 - digits.size(), '0');
    return "id: " + digits + "\ndata: token " + digits + "\n\n";
}

std::string events_text(std::size_t first, std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += event_text(first + i);
    return text;
}

std::string in_chunks_of_their_own(std::size_t first, std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) append_chunk(text, event_text(first + i));
    return text;
}

// What one drain of the stream gave.
struct Drained {
    std::vector<const char*> data;  // where each event's data lay
    std::size_t size = 0;           // of the data of each
    std::size_t allocations = 0;

    std::size_t bytes_from_first_to_last() const { return static_cast<std::size_t>(data.back() + size - data.front()); }

    // How far apart in memory; 0: not all the same.
    std::size_t distance() const {
        const auto step = data[1] - data[0];
        for (std::size_t i = 2; i < data.size(); ++i) {
            if (data[i] - data[i - 1] != step) return 0;
        }
        return static_cast<std::size_t>(step);
    }
};

// A stream whose server sends one piece whenever it is let.
class Feed {
public:
    explicit Feed(Framing framing) : reaction_{Reaction::stream(framing)} { drained_.data.reserve(events_of_a_read + 1); }

    Feed& piece(std::string_view bytes) {
        gates_.emplace_back();
        reaction_.wait(gates_.back()).body(bytes);
        return *this;
    }
    Feed& raw_piece(std::string_view bytes) {
        gates_.emplace_back();
        reaction_.wait(gates_.back()).send(bytes);
        return *this;
    }

    void connect() {
        world_.server.then(std::move(reaction_.stall()));
        stream_ = world_.open();
        while (!stream_->connected()) {
            Task<bool> task{world_.io, stream_->wait()};
            REQUIRE(task.wait());
        }
        StreamItem item;
        while (stream_->try_next(item)) CHECK(item.kind == StreamItem::Kind::opened);
    }

    // The next piece, which is all there before it is read.
    const Drained& drain() {
        gates_.at(next_++).open();
        run_until_idle(world_.io);
        Task<bool> task{world_.io, stream_->wait()};
        REQUIRE(task.wait());
        drained_.data.clear();
        StreamItem item;
        const std::size_t before = allocations;
        while (stream_->try_next(item)) {
            if (item.kind != StreamItem::Kind::event || drained_.data.size() == drained_.data.capacity()) std::abort();
            drained_.data.push_back(item.event.data.data());
            drained_.size = item.event.data.size();
            last_.assign(item.event.data.substr(item.event.data.size() - 20));
        }
        drained_.allocations = allocations - before;
        return drained_;
    }

    // The digits of the event read last.
    std::size_t last() const { return std::stoul(last_); }

private:
    World world_;
    Reaction reaction_;
    std::vector<Gate> gates_;
    std::size_t next_ = 0;
    std::unique_ptr<Stream> stream_;
    Drained drained_;
    std::string last_ = std::string(40, ' ');
};

}  // namespace

TEST_CASE("events that lie whole in a read are neither copied nor allocated for", "[client][allocation]") {
    // The window of ids that were seen has its full size after 513 events, when it doubles to 1,024.
    constexpr std::size_t reads = 4;
    for (const Framing framing : {Framing::chunked, Framing::close_delimited}) {
        CAPTURE(static_cast<int>(framing));
        Feed feed{framing};
        for (std::size_t i = 0; i < reads; ++i) feed.piece(events_text(1 + i * events_of_a_read, events_of_a_read));
        feed.connect();
        feed.drain();
        feed.drain();
        for (std::size_t i = 2; i < reads; ++i) {
            const Drained& drained = feed.drain();
            REQUIRE(drained.data.size() == events_of_a_read);
            CHECK(feed.last() == (i + 1) * events_of_a_read);
            CHECK(drained.allocations == 0);
            // They lie as they came over the wire, in one read buffer.
            CHECK(drained.distance() == event_text(1).size());
            CHECK(drained.bytes_from_first_to_last() <= ReadBuffer::size);
        }
    }
}

TEST_CASE("events in chunks of their own are neither copied nor allocated for", "[client][allocation]") {
    Feed feed{Framing::chunked};
    constexpr std::size_t count = 500;
    for (std::size_t i = 0; i < 3; ++i) feed.raw_piece(in_chunks_of_their_own(1 + i * count, count));
    feed.connect();
    feed.drain();
    feed.drain();
    const Drained& drained = feed.drain();
    REQUIRE(drained.data.size() == count);
    CHECK(feed.last() == 3 * count);
    CHECK(drained.allocations == 0);
    CHECK(drained.distance() == in_chunks_of_their_own(1, 1).size());
    CHECK(drained.bytes_from_first_to_last() <= ReadBuffer::size);
}

TEST_CASE("an event that is cut by the end of a read is the only one copied, without an allocation", "[client][allocation]") {
    // Each piece ends within an event, a byte later than the one before it.
    const std::string text = events_text(1, 1200);
    constexpr std::size_t pieces = 12;
    const std::size_t size = event_text(1).size() * 100 + 1;
    Feed feed{Framing::chunked};
    for (std::size_t i = 0; i < pieces; ++i) feed.piece(std::string_view{text}.substr(i * size, size));
    feed.connect();
    // What holds the cut event grows to its size once, and the window of ids has its full size after 513.
    for (std::size_t i = 0; i < pieces / 2; ++i) feed.drain();
    for (std::size_t i = pieces / 2; i < pieces; ++i) {
        CAPTURE(i);
        Drained drained = feed.drain();
        REQUIRE(drained.data.size() >= 99);
        CHECK(feed.last() == size * (i + 1) / event_text(1).size());
        CHECK(drained.allocations == 0);
        drained.data.erase(drained.data.begin());
        CHECK(drained.distance() == event_text(1).size());
        CHECK(drained.bytes_from_first_to_last() <= ReadBuffer::size);
    }
}

}  // namespace rejoin::testing
