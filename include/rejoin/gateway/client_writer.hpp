#ifndef REJOIN_GATEWAY_CLIENT_WRITER_HPP
#define REJOIN_GATEWAY_CLIENT_WRITER_HPP

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <rejoin/gateway/event_log.hpp>
#include <rejoin/gateway/gap_event.hpp>
#include <rejoin/gateway/metrics.hpp>
#include <rejoin/http/chunk.hpp>
#include <rejoin/net/async_event.hpp>
#include <rejoin/net/http_connection.hpp>

namespace rejoin {

/// What becomes of a client whose cursor falls out of the log.
enum class SlowClients : std::uint8_t {
    disconnect,  ///< It is cut; it may come back with its last id.
    skip,        ///< It goes on with the oldest event that is kept, behind a gap signal.
};

struct ClientWriterOptions {
    /// A comment line goes out when nothing else has for this long; zero = never.
    Duration heartbeat = std::chrono::seconds{15};
    /// A client that has not taken what was written for this long is cut; zero = no bound.
    Duration write_deadline = std::chrono::seconds{30};
    /// Bytes offered to the socket in one write, about.
    std::size_t batch_bytes = 256 * 1024;
    SlowClients slow = SlowClients::disconnect;
    /// With `SlowClients::skip`: type of the gap signal, without CR and LF; empty: none is sent.
    std::string gap_event = "sse-gap";
};

/// One client of a stream: a cursor on the log and the socket that it is written to.
///
/// Pull: nothing queues for a client. `pump()` offers the socket what the log holds behind the cursor, in one gathered
/// write that refers to the log's own bytes, and goes on when the socket takes more. No coroutine runs while a client
/// waits. Thread safety: one object only from its strand. Owned by shared_ptr, since socket completions refer to it.
template <class Traits = DefaultTraits>
class BasicClientWriter : public std::enable_shared_from_this<BasicClientWriter<Traits>> {
public:
    using Connection = BasicHttpServerConnection<Traits>;

    /// Why writing ended.
    enum class End {
        none,       ///< it has not
        completed,  ///< the stream's end was written in full
        cut,        ///< the stream was cut, and so was the client's, visibly
        left,       ///< the client closed, or its connection broke
        superseded, ///< a newer connection of the same client took its place
        too_slow,   ///< its cursor fell out of the log, or the write deadline passed
    };

    /// `chunked`: the body is framed in chunks; otherwise it lasts until the connection closes (HTTP/1.0).
    BasicClientWriter(std::shared_ptr<Connection> connection, std::shared_ptr<const EventLog> log, EventLog::Sequence cursor,
                      bool chunked, ClientWriterOptions options)
        : connection_{std::move(connection)},
          log_{std::move(log)},
          options_{options},
          done_{connection_->executor()},
          began_{cursor},
          cursor_{cursor},
          last_write_{Traits::Clock::now()},
          chunked_{chunked} {}

    /// Writes the response head and what belongs right behind it, then goes on with the log. `head` is whole HTTP;
    /// `lines` are event-stream lines, which may be empty.
    void start(std::string head, std::string_view lines) {
        text_ = std::move(head);
        append_text(lines);
        watch_client();
        pump();
    }

    /// Whose client this is. `space` is called whenever the cursor has moved on after the socket had been full, `leave` by
    /// `leave()`.
    void belong(std::function<void()> space, std::function<void()> leave) {
        space_ = std::move(space);
        leave_ = std::move(leave);
    }

    /// The client is served no more.
    void leave() {
        space_ = nullptr;
        if (const auto leave = std::exchange(leave_, nullptr)) leave();
    }

    /// Offers the socket all that the log has for this client. Cheap when there is nothing or the socket is full.
    void pump() {
        while (end_ == End::none && !blocked_) {
            if (text_.empty() && reading_) {
                batch_ = log_->read(cursor_, options_.batch_bytes);
                if (batch_.evicted) {
                    if (options_.slow == SlowClients::disconnect) return finish(End::too_slow);
                    skip_evicted();
                    continue;
                }
            }
            if (text_.empty() && batch_.count == 0) return at_end_of_log();
            write_some();
        }
    }

    /// No more will be appended to the log: `complete` ends the body in the orderly way once all is written, otherwise it
    /// is broken off so that nobody can take it for whole.
    void close_after_log(bool complete) {
        if (closing_) return;
        closing_ = true;
        complete_ = complete;
        pump();
    }

    /// No more will be appended to the log; once all of it is written, the client goes on with `log` behind `cursor`. `moved` is
    /// called when it does.
    void continue_with(std::shared_ptr<const EventLog> log, EventLog::Sequence cursor, std::function<void()> moved) {
        if (closing_) return;
        next_log_ = std::move(log);
        next_cursor_ = cursor;
        moved_ = std::move(moved);
        pump();
    }

    /// Ends the body in the orderly way behind the event that is being written, after `lines`. The log is read no further.
    void close_now(std::string_view lines) {
        if (closing_) return;
        closing_ = true;
        complete_ = true;
        reading_ = false;
        farewell_ = lines;
        pump();
    }

    /// Puts event-stream lines before whatever comes next. They must be whole lines.
    void insert(std::string_view lines) {
        if (end_ != End::none || blocked_) return;
        append_text(lines);
        pump();
    }

    /// Does what is due at `now`: a heartbeat, or cutting a client that takes nothing.
    void check(TimePoint now) {
        if (end_ != End::none) return;
        if (blocked_) {
            if (options_.write_deadline > Duration::zero() && now - last_write_ >= options_.write_deadline) finish(End::too_slow);
        } else if (options_.heartbeat > Duration::zero() && now - last_write_ >= options_.heartbeat) {
            ++heartbeats_;
            insert(":\n");
        }
    }

    /// Ends writing now, since a newer connection goes on with the stream.
    void displace() { finish(End::superseded); }

    /// Ends writing now. A response that was not completed is broken off.
    void stop() { finish(End::cut); }

    /// Completes when writing has ended. Cancellation: `operation_aborted`.
    Awaitable<> wait_end() {
        while (end_ == End::none) co_await done_.wait();
    }

    /// Counts what was written since the last call.
    void tell(GatewayMetrics& metrics) {
        const Counts now{events_, bytes_written_, heartbeats_, skips_, skipped_};
        metrics.events_delivered.add(now.events - told_.events);
        metrics.client_bytes.add(now.bytes - told_.bytes);
        metrics.heartbeats.add(now.heartbeats - told_.heartbeats);
        if (now.skips != told_.skips) metrics.skipped(now.skips - told_.skips, now.skipped - told_.skipped);
        told_ = now;
    }

    End end() const noexcept { return end_; }
    /// The end was brought about by `close_now()`, before that of the stream.
    bool said_farewell() const noexcept { return closing_ && !reading_; }
    /// The cursor that it began with in the log it reads.
    EventLog::Sequence began() const noexcept { return began_; }
    /// The sequence of the last event written in full.
    EventLog::Sequence cursor() const noexcept { return cursor_; }
    /// Events written in full.
    std::uint64_t events() const noexcept { return events_; }
    bool blocked() const noexcept { return blocked_; }
    std::uint64_t heartbeats() const noexcept { return heartbeats_; }
    std::uint64_t bytes_written() const noexcept { return bytes_written_; }

private:
    struct Counts {
        std::uint64_t events = 0;
        std::uint64_t bytes = 0;
        std::uint64_t heartbeats = 0;
        std::uint64_t skips = 0;
        std::uint64_t skipped = 0;
    };

    // Head, heartbeats and inserted lines: rare, so they own their bytes. A chunk of their own each.
    void append_text(std::string_view lines) {
        if (lines.empty()) return;
        if (chunked_) {
            append_chunk(text_, lines);
        } else {
            text_ += lines;
        }
    }

    // A cursor before the log's beginning goes to its beginning.
    void skip_evicted() {
        const std::uint64_t lost = log_->first() - 1 - cursor_;
        cursor_ += lost;
        skipped_ += lost;
        ++skips_;
        std::string frame;
        append_gap_event(frame, options_.gap_event, "slow_client", {}, lost);
        append_text(frame);
    }

    void at_end_of_log() {
        if (next_log_ && !closing_) {
            log_ = std::exchange(next_log_, nullptr);
            cursor_ = began_ = next_cursor_;
            const auto moved = std::exchange(moved_, nullptr);
            return moved();  // leads back to pump()
        }
        if (!closing_) return;
        if (!complete_) return finish(End::cut);
        if (!chunked_ || last_chunk_written_) return finish(End::completed);
        last_chunk_written_ = true;
        append_text(farewell_);
        text_ += last_chunk;
        write_some();
        if (end_ == End::none && !blocked_) finish(End::completed);
    }

    void write_some() {
        const ChunkFraming framing{chunked_ && text_.empty() ? batch_.bytes : 0};
        std::array<asio::const_buffer, EventLog::max_pieces + 3> buffers;
        std::size_t count = 0;
        std::size_t skip = sent_;
        std::size_t total = 0;
        const auto add = [&](std::string_view bytes) {
            total += bytes.size();
            const std::size_t skipped = std::min(skip, bytes.size());
            skip -= skipped;
            if (skipped < bytes.size()) buffers[count++] = asio::buffer(bytes.substr(skipped));
        };
        const bool is_text = !text_.empty();
        if (is_text) {
            add(text_);
        } else {
            add(framing.head());
            for (std::size_t i = 0; i < batch_.count; ++i) add(batch_.pieces[i].bytes);
            add(framing.tail());
        }
        std::error_code error;
        const std::size_t written = connection_->try_write({buffers.data(), count}, error);
        if (error) return finish(End::left);
        sent_ += written;
        bytes_written_ += written;
        if (written > 0) last_write_ = Traits::Clock::now();
        if (sent_ < total) return wait_for_room();
        sent_ = 0;
        if (is_text) {
            text_ = std::string{};
        } else {
            events_ += batch_.last - cursor_;
            cursor_ = batch_.last;
            batch_ = {};
        }
    }

    void wait_for_room() {
        blocked_ = true;
        connection_->socket().async_wait(Connection::Socket::wait_write,
                                         [self = this->shared_from_this()](std::error_code error) {
                                             self->blocked_ = false;
                                             if (self->end_ != End::none) return;
                                             if (error) return self->finish(End::left);
                                             self->write_some();
                                             self->pump();
                                             if (self->space_) self->space_();
                                         });
    }

    void watch_client() {
        connection_->on_peer_close([weak = this->weak_from_this()] {
            if (const auto self = weak.lock()) self->finish(End::left);
        });
    }

    void finish(End end) {
        if (end_ != End::none) return;
        end_ = end;
        batch_ = {};
        text_ = {};
        if (end == End::completed) {
            connection_->cancel();
        } else if (chunked_ || end == End::left) {
            connection_->close();
        } else {
            connection_->abort();
        }
        done_.notify();
        if (space_) space_();
    }

    std::shared_ptr<Connection> connection_;
    std::shared_ptr<const EventLog> log_;
    ClientWriterOptions options_;
    AsyncEvent done_;
    std::function<void()> space_;
    std::function<void()> leave_;
    std::string text_;
    std::string farewell_;
    EventLog::Batch batch_;
    std::shared_ptr<const EventLog> next_log_;
    std::function<void()> moved_;
    EventLog::Sequence began_;
    EventLog::Sequence cursor_;
    EventLog::Sequence next_cursor_ = 0;
    std::uint64_t events_ = 0;
    std::uint64_t skipped_ = 0;
    std::uint64_t skips_ = 0;
    TimePoint last_write_;
    std::size_t sent_ = 0;
    std::uint64_t heartbeats_ = 0;
    std::uint64_t bytes_written_ = 0;
    Counts told_;
    End end_ = End::none;
    bool chunked_;
    bool blocked_ = false;
    bool closing_ = false;
    bool complete_ = false;
    bool reading_ = true;
    bool last_chunk_written_ = false;
};

using ClientWriter = BasicClientWriter<>;

}  // namespace rejoin

#endif
