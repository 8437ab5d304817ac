#ifndef REJOIN_GATEWAY_STREAM_DIRECTORY_HPP
#define REJOIN_GATEWAY_STREAM_DIRECTORY_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <rejoin/gateway/live_stream.hpp>
#include <rejoin/gateway/stream_identity.hpp>

namespace rejoin {

struct StreamDirectoryOptions {
    /// How long a stream without clients is kept reading its upstream; zero = not at all.
    Duration linger = std::chrono::seconds{10};
    /// How long a stream that has ended is kept for clients that come back for its rest, or longer where it would linger longer.
    Duration keep_ended = std::chrono::seconds{60};
    /// Bytes of all logs together; past it the largest without clients gives way first. Zero = no bound.
    std::size_t bytes = 256 * 1024 * 1024;
    /// Streams at once; one more is refused. At least 1.
    std::size_t streams = 10'000;
};

/// The streams that a gateway keeps, by the identity they were made for: the memory store of their histories.
///
/// Thread safety: one object only from its strand.
template <class Traits = DefaultTraits>
class BasicStreamDirectory {
public:
    using Stream = BasicLiveStream<Traits>;
    using StreamPtr = std::shared_ptr<Stream>;

    struct Found {
        StreamPtr stream;
        EventLog::Sequence cursor = 0;
        bool answers_get = true;

        /// The stream was cut for good and the client has had all of it: what there is now only the upstream can tell.
        bool is_dead_end() const { return stream->ended() && !stream->is_final() && !stream->joined() && stream->is_over_at(cursor); }
    };

    explicit BasicStreamDirectory(StreamDirectoryOptions options) : options_{options} {}

    bool full() const noexcept { return streams_.size() >= options_.streams; }
    std::size_t size() const noexcept { return streams_.size(); }

    /// How a stream is kept.
    struct Keeping {
        /// Clients may come back to it by an event id; otherwise it goes with its client.
        bool resumable = true;
        /// It answers a GET, which is safe to ask for again.
        bool answers_get = true;
        /// It is what a request without an id may be given.
        bool joinable = true;
        /// How long it is read without clients.
        Duration linger{};
    };

    void add(const StreamIdentity& identity, StreamPtr stream, Keeping keeping) {
        streams_.emplace(identity.text(), Entry{std::move(stream), keeping});
    }

    /// Ends and forgets all streams of `identity`.
    void erase(const StreamIdentity& identity) {
        const auto [begin, end] = streams_.equal_range(identity.text());
        for (auto entry = begin; entry != end; ++entry) {
            cut(*entry->second.stream);
        }
        streams_.erase(begin, end);
    }

    /// Ends and forgets one stream.
    void retire(Stream& stream) {
        cut(stream);
        std::erase_if(streams_, [&stream](const auto& entry) { return entry.second.stream.get() == &stream; });
    }

    /// Ends all streams now; they are kept.
    void stop() {
        for (const auto& [identity, entry] : streams_) cut(*entry.stream);
    }

    Duration linger() const noexcept { return options_.linger; }

    /// The stream of `identity` whose log has the event with that id, and the cursor behind it. Where several have it, one
    /// without clients is preferred, and among those the one that is furthest on: most likely the one that was left.
    /// `Id`: the id as clients know it, or a `MintedId`.
    template <class Id>
    std::optional<Found> find(const StreamIdentity& identity, const Id& id) const {
        std::optional<Found> best;
        const auto [begin, end] = streams_.equal_range(identity.text());
        for (auto entry = begin; entry != end; ++entry) {
            if (!entry->second.keeping.resumable) continue;
            const StreamPtr& stream = entry->second.stream;
            const auto cursor = stream->find(id);
            if (!cursor) continue;
            Found found{stream, *cursor, entry->second.keeping.answers_get};
            if (!best || better(found, *best)) best = std::move(found);
        }
        return best;
    }

    /// The stream of `identity` that minted ids of that epoch; null when it is gone.
    StreamPtr of_epoch(const StreamIdentity& identity, std::uint64_t epoch) const {
        const auto [begin, end] = streams_.equal_range(identity.text());
        for (auto entry = begin; entry != end; ++entry) {
            if (entry->second.keeping.resumable && entry->second.stream->epoch() == epoch) return entry->second.stream;
        }
        return nullptr;
    }

    /// A joinable stream of `identity` that is still being read; null when there is none.
    StreamPtr live(const StreamIdentity& identity) const {
        const auto [begin, end] = streams_.equal_range(identity.text());
        for (auto entry = begin; entry != end; ++entry) {
            if (entry->second.keeping.joinable && !entry->second.stream->ended()) return entry->second.stream;
        }
        return nullptr;
    }

    /// Does what is due: heartbeats, write deadlines, lingering, the byte budget.
    void check(TimePoint now) {
        std::size_t bytes = 0;
        for (auto entry = streams_.begin(); entry != streams_.end();) {
            Stream& stream = *entry->second.stream;
            stream.check(now);
            if (due(entry->second, now)) {
                stream.stop();
                entry = streams_.erase(entry);
            } else {
                bytes += stream.log()->bytes();
                ++entry;
            }
        }
        while (options_.bytes > 0 && bytes > options_.bytes) {
            EventLog* const found = largest();
            if (found == nullptr) break;
            EventLog& log = *found;
            const std::size_t before = log.bytes();
            // By an eighth at a time, so that one stream is not emptied for the sake of all.
            while (log.size() > 0 && log.bytes() > before - before / 8) log.evict_oldest();
            bytes -= before - log.bytes();
        }
    }

    /// Ends the clients of `identity` on streams that answer a GET, in favour of a newer one.
    void displace(const StreamIdentity& identity) {
        const auto [begin, end] = streams_.equal_range(identity.text());
        for (auto entry = begin; entry != end; ++entry) {
            if (entry->second.keeping.answers_get) entry->second.stream->displace();
        }
    }

    /// Calls `visit(Stream&, bool answers_get)` for each.
    template <class F>
    void for_each(F visit) const {
        for (const auto& [identity, entry] : streams_) visit(*entry.stream, entry.keeping.answers_get);
    }

private:
    struct Entry {
        StreamPtr stream;
        Keeping keeping;
    };

    // With its clients, whose deadlines nobody may look after any more.
    static void cut(Stream& stream) {
        stream.stop();
        for (const auto& client : stream.clients()) client->stop();
    }

    static bool better(const Found& found, const Found& best) {
        const Stream& one = *found.stream;
        const Stream& other = *best.stream;
        if (found.is_dead_end() != best.is_dead_end()) return best.is_dead_end();
        if (one.clients().empty() != other.clients().empty()) return one.clients().empty();
        if (one.ended() != other.ended()) return !one.ended();
        return one.log()->last() > other.log()->last();
    }

    bool due(const Entry& entry, TimePoint now) const {
        if (!entry.stream->clients().empty()) return false;
        if (!entry.keeping.resumable) return true;
        const Duration linger = entry.keeping.linger;
        if (!entry.stream->ended()) return now - entry.stream->idle_since() >= linger;
        // However often somebody comes back meanwhile.
        return entry.stream->joined() || now - entry.stream->ended_at() >= std::max(options_.keep_ended, linger);
    }

    // The one that gives way first; null when all are empty.
    EventLog* largest() {
        EventLog* best = nullptr;
        bool best_idle = false;
        for (auto& [identity, entry] : streams_) {
            EventLog& log = *entry.stream->log();
            if (log.bytes() == 0) continue;
            const bool idle = entry.stream->clients().empty();
            if (!best || (idle && !best_idle) || (idle == best_idle && log.bytes() > best->bytes())) {
                if (best && best_idle && !idle) continue;
                best = &log;
                best_idle = idle;
            }
        }
        return best;
    }

    StreamDirectoryOptions options_;
    std::unordered_multimap<std::string, Entry> streams_;
};

using StreamDirectory = BasicStreamDirectory<>;

}  // namespace rejoin

#endif
