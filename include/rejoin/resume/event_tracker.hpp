#ifndef REJOIN_RESUME_EVENT_TRACKER_HPP
#define REJOIN_RESUME_EVENT_TRACKER_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <rejoin/error.hpp>
#include <rejoin/resume/detail/replay_check.hpp>
#include <rejoin/resume/detail/seen_window.hpp>
#include <rejoin/resume/id_order.hpp>
#include <rejoin/resume/resume_outcome.hpp>
#include <rejoin/sse/event.hpp>

namespace rejoin {

/// When an event counts as taken: from then on it is never delivered again and the cursor stands at it.
enum class CommitOn : std::uint8_t {
    delivered,     ///< The consumer has taken it (`commit()` is called then).
    parsed,        ///< `observe()` saw it. What was parsed but not consumed at a crash is lost.
    acknowledged,  ///< The consumer said so (`commit()` is called then). What was delivered without it comes again.
};

struct EventTrackerOptions {
    /// Events with own ids remembered for telling repeats after a reconnect, 16 bytes each, allocated as they come.
    /// Zero: none; nothing is dropped then.
    std::size_t window = 1024;
    IdOrder order = IdOrder::automatic;
    /// For `IdOrder::custom`.
    IdStepFunction step = {};
    CommitOn commit_on = CommitOn::delivered;
    /// Longest id that goes out as a header, bytes. Zero: no limit.
    std::size_t header_bytes = 4096;
    /// Seed of the hashes in the window. Zero: a random one.
    std::uint64_t hash_seed = 0;
};

/// The cursor (last event id) of one stream, which outlives its connections, and the check of what each new connection
/// sends.
///
/// Of each connection, in this order: `begin_connection()`, then `observe()` for each event and each cursor-only block
/// as they are parsed, `commit()` for each event delivered once it is taken. Only committed events count as seen, so
/// what was parsed but never taken is not mistaken for a repeat.
///
/// After a reconnect the first own id decides the outcome (`ResumeOutcome`), and only repeats of what was committed are
/// dropped, up to the first id not seen before: exact in id, type and data where they are in the window; by order or by
/// count on the way to it where a server started over. An event seen with other content is delivered and flagged. In
/// steady running nothing is ever dropped, and nothing costs more than a hash of the event. Events without own id are
/// never dropped, also not amidst a replay. Where the same id is used again and again, at most the exact repeats from
/// one place of the window on are dropped, and of several possible places the newest counts.
///
/// Everything up to a seeded cursor counts as taken where the ids have an order; such a replay is followed for at most
/// `window` events.
///
/// Not thread-safe; no clock, no I/O. Allocates when the window or the longest id grows.
class EventTracker {
public:
    enum class CursorState : std::uint8_t { never_set, cleared, value };
    using Verdict = ResumeVerdict;
    using Counters = TrackerCounters;

    /// Throws `std::system_error` (`Error::invalid_option`): a custom order without its function.
    explicit EventTracker(EventTrackerOptions options = {})
        : hash_seed_{options.hash_seed != 0 ? options.hash_seed : detail::fresh_seed()},
          window_{options.window},
          header_bytes_{options.header_bytes},
          check_{options.order, std::move(options.step), hash_seed_},
          order_{options.order},
          commit_on_{options.commit_on} {
        if (order_ == IdOrder::custom && !check_.has_custom_step()) {
            throw std::system_error{make_error_code(Error::invalid_option), "EventTrackerOptions::step"};
        }
    }

    // --- the cursor ---

    /// Sets the cursor from outside: a stored id, or the `Last-Event-ID` of a downstream request. Empty clears it. What
    /// was seen before is forgotten, for whoever moves the cursor wants what follows it; setting the cursor to what it
    /// is changes nothing.
    void seed(std::string_view id) {
        if (id == cursor_id() && (!id.empty() || state_ == CursorState::cleared)) return;
        window_.clear();
        seed_.assign(id);
        set_cursor(id);
        check_.disarm();
        deferred_after_ = 0;
        edited_pending_ = 0;
        unfit_told_ = false;
    }

    CursorState cursor_state() const noexcept { return state_; }

    /// The last event id taken; empty when never set or cleared. Valid until the next call that is not const.
    std::string_view cursor() const noexcept { return cursor_id(); }

    /// What goes out as `Last-Event-ID`, the bytes as they came (WHATWG HTML 9.2.3: UTF-8). None when never set,
    /// cleared, or unfit for a header: a control byte (below 0x20, or 0x7F), or over the limit; the cursor then stays,
    /// but cannot be sent.
    std::optional<std::string_view> header_value() const noexcept {
        if (cursor_id().empty() || !fits_header(cursor_id())) return std::nullopt;
        return cursor_id();
    }

    /// True once, when a cursor is there that cannot be sent: worth one diagnostic, not one per reconnect. `seed()`
    /// resets it.
    bool unfit() noexcept {
        if (unfit_told_ || cursor_id().empty() || fits_header(cursor_id())) return false;
        unfit_told_ = true;
        return true;
    }

    // --- a connection ---

    /// Each new connection starts here; it will be verified if anything was seen or seeded before its first own id.
    /// What was observed of the last connection and not committed is forgotten (it may still be committed).
    void begin_connection() {
        bool sparse = check_.sparse();
        if (order_ == IdOrder::automatic && previous_valid_)
            sparse = integer_step(ids_[!now_], cursor_id()).kind == IdStep::Kind::gap;
        check_.arm(sparse);
        pending_ = 0;
        edited_pending_ = 0;
        deferred_after_ = 0;
        previous_valid_ = fresh_cursor_ = false;
    }

    /// The next event or cursor-only block of this connection, in order. Other items pass (deliver = true) and change
    /// nothing. A cursor-only block fires no event (deliver = false); it moves the cursor as soon as the events before
    /// it are committed.
    Verdict observe(const SseEventView& item) {
        if (item.kind == SseItem::cursor) {
            observe_cursor(item);
            return nothing_to_deliver();
        }
        if (item.kind != SseItem::event) return {};
        Verdict verdict;
        if (check_.active() && item.has_id && !item.id.empty()) verdict = verify(item);
        if (verdict.deliver) {
            ++pending_;
            if (commit_on_ == CommitOn::parsed) take(item);
        }
        return verdict;
    }

    /// The consumer took this event (or acknowledged it): it will not be delivered again, and the cursor moves to it if
    /// it has an own id. A cursor-only block committed here moves the cursor at once. Nothing to do with
    /// `CommitOn::parsed`.
    void commit(const SseEventView& item) {
        if (item.kind == SseItem::cursor) {
            if (item.has_id) move_cursor(item.id);
        } else if (item.kind == SseItem::event && commit_on_ != CommitOn::parsed) {
            take(item);
        }
    }

    /// How the current connection took up the stream, as far as is known.
    ResumeOutcome outcome() const noexcept { return check_.outcome(); }

    /// Repeats may still be dropped on this connection.
    bool verifying() const noexcept { return check_.active(); }

    const Counters& counters() const noexcept { return counters_; }

private:
    static Verdict nothing_to_deliver() noexcept {
        Verdict verdict;
        verdict.deliver = false;
        return verdict;
    }

    const std::string& cursor_id() const noexcept { return ids_[now_]; }

    bool fits_header(std::string_view id) const noexcept {
        if (header_bytes_ != 0 && id.size() > header_bytes_) return false;
        for (const char c : id) {
            const auto byte = static_cast<unsigned char>(c);
            if (byte < 0x20 || byte == 0x7F) return false;
        }
        return true;
    }

    void set_cursor(std::string_view id) {
        ids_[now_].assign(id);
        state_ = id.empty() ? CursorState::cleared : CursorState::value;
        previous_valid_ = fresh_cursor_ = false;
    }

    void move_cursor(std::string_view id) {
        // The first ids are to be compared with what was asked for, not with what this connection announces.
        if (check_.undecided()) check_.anchor(cursor_id());
        set_cursor(id);
    }

    void observe_cursor(const SseEventView& item) {
        if (!item.has_id || check_.replaying()) return;  // amidst a replay it would go back
        if (pending_ == 0) {
            move_cursor(item.id);
        } else {
            deferred_.assign(item.id);
            deferred_after_ = pending_;
        }
    }

    Verdict verify(const SseEventView& event) {
        check_.anchor(cursor_id());
        const Verdict verdict = check_.check(event.id, detail::seen_event(event, hash_seed_), window_, seed_);
        if (!verdict.deliver) ++counters_.duplicates;
        if (verdict.edited) {
            ++counters_.edited;
            ++edited_pending_;
        }
        if (verdict.outcome != ResumeOutcome::none) ++counters_.outcomes[static_cast<std::size_t>(verdict.outcome)];
        if (verdict.outcome == ResumeOutcome::gap_possible) {
            ++counters_.gaps;
            constexpr std::uint64_t max = std::numeric_limits<std::uint64_t>::max();
            counters_.lost = verdict.lost > max - counters_.lost ? max : counters_.lost + verdict.lost;
        }
        if (verdict.outcome == ResumeOutcome::epoch_changed) {
            // The window was cleared. An event taken for an edit was the new numbering's first; if it waits to be
            // committed, it enters then.
            if (check_.edited_count() > 0 && edited_pending_ == 0) window_.push(check_.last_edited());
            edited_pending_ = 0;
            seed_.clear();
        }
        return verdict;
    }

    void take(const SseEventView& event) {
        if (pending_ > 0) --pending_;
        if (event.has_id) {
            if (event.id.empty()) {
                move_cursor({});
            } else {
                now_ = !now_;
                ids_[now_].assign(event.id);
                state_ = CursorState::value;
                previous_valid_ = fresh_cursor_;
                fresh_cursor_ = true;
                remember(detail::seen_event(event, hash_seed_));
            }
        }
        if (deferred_after_ > 0 && --deferred_after_ == 0) move_cursor(deferred_);
    }

    void remember(const detail::SeenEvent& event) {
        if (edited_pending_ > 0) {
            const auto use = window_.use_of(event.id);
            if (use.count == 1) {
                --edited_pending_;
                window_.replace(use.last, event);
                return;
            }
        }
        window_.push(event);
    }

    std::uint64_t hash_seed_;
    std::array<std::string, 2>
        ids_;               // the cursor and the id before it, in turn: swapping them would cost more than the copy
    std::string seed_;      // the cursor given from outside; empty if none
    std::string deferred_;  // a cursor-only block waiting for the events before it
    std::size_t deferred_after_ = 0;  // commits until then
    std::size_t pending_ = 0;         // delivered on this connection, not committed
    std::size_t edited_pending_ = 0;
    detail::SeenWindow window_;
    std::size_t header_bytes_;
    detail::ReplayCheck check_;
    Counters counters_;
    IdOrder order_;
    CommitOn commit_on_;
    CursorState state_ = CursorState::never_set;
    bool now_ = false;             // which of `ids_` is the cursor
    bool previous_valid_ = false;  // the other one came before it on the same connection
    bool fresh_cursor_ = false;    // the cursor was committed on this connection
    bool unfit_told_ = false;
};

}  // namespace rejoin

#endif
