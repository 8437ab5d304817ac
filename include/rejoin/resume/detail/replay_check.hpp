#ifndef REJOIN_RESUME_DETAIL_REPLAY_CHECK_HPP
#define REJOIN_RESUME_DETAIL_REPLAY_CHECK_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <rejoin/resume/detail/seen_window.hpp>
#include <rejoin/resume/id_order.hpp>
#include <rejoin/resume/resume_outcome.hpp>

namespace rejoin::detail {

/// Follows the events with an own id of one connection from its first one to the first that was not seen before, and
/// tells which of them are repeats.
///
/// Four phases: *undecided* until the first own id; *overlap* while repeats from the window come; *skip* while the
/// replay runs through what the window no longer (or never) held, on its way to it; *off* from the first unseen id on:
/// ids need not be unique for ever.
class ReplayCheck {
public:
    enum class Phase : std::uint8_t { off, undecided, overlap, skip };

    ReplayCheck(IdOrder order, IdStepFunction step, std::uint64_t hash_seed)
        : custom_{std::move(step)}, hash_seed_{hash_seed}, order_{order} {}

    /// A new connection. `sparse`: the ids were seen to leave holes in normal running, so a jump says nothing.
    void arm(bool sparse) {
        phase_ = Phase::undecided;
        outcome_ = ResumeOutcome::none;
        sparse_ = sparse;
        repeated_.clear();
        anchored_ = drained_ = false;
        replayed_ = edited_ = 0;
    }

    void disarm() noexcept {
        phase_ = Phase::off;
        outcome_ = ResumeOutcome::none;
        sparse_ = false;
    }

    bool has_custom_step() const noexcept { return static_cast<bool>(custom_); }
    bool active() const noexcept { return phase_ != Phase::off; }
    bool undecided() const noexcept { return phase_ == Phase::undecided; }
    /// Amidst a replay: what comes is older than the cursor.
    bool replaying() const noexcept { return phase_ == Phase::skip || (phase_ == Phase::overlap && !drained_); }
    ResumeOutcome outcome() const noexcept { return outcome_; }
    bool sparse() const noexcept { return sparse_; }
    /// The events delivered as edited on this connection, and the last of them.
    unsigned edited_count() const noexcept { return edited_; }
    const SeenEvent& last_edited() const noexcept { return last_edited_; }

    /// Remembers the cursor that the connection was made with, if that has not been done.
    void anchor(std::string_view cursor) {
        if (anchored_) return;
        anchor_.assign(cursor);
        anchored_ = true;
    }

    IdStep step(std::string_view from, std::string_view to) const {
        if (from.empty()) return {};
        switch (order_) {
        case IdOrder::automatic:
        case IdOrder::integer: return integer_step(from, to);
        case IdOrder::ms_seq: return ms_seq_step(from, to);
        case IdOrder::ulid: return ulid_step(from, to);
        case IdOrder::custom: return custom_(from, to);
        case IdOrder::none: break;
        }
        return {};
    }

    /// The next event with an own id, while `active()`. `seed` is the cursor once given from outside (everything up to
    /// it counts as taken), empty if none. May clear the window: a new numbering has nothing to do with the old one.
    ResumeVerdict check(std::string_view id, const SeenEvent& event, SeenWindow& window, std::string_view seed) {
        const ResumeVerdict verdict = judge(id, event, window, seed);
        if (!verdict.deliver && order_ == IdOrder::automatic) {
            // Holes between ids replayed one behind the other are the way of these ids.
            if (integer_step(repeated_, id).kind == IdStep::Kind::gap) sparse_ = true;
            repeated_.assign(id);
        }
        return verdict;
    }

private:
    ResumeVerdict judge(std::string_view id, const SeenEvent& event, SeenWindow& window, std::string_view seed) {
        if (phase_ == Phase::overlap) {  // the usual case first: the one behind the last repeat
            const std::size_t next = place(window) + 1;
            if (next < window.size() && window.at(next) == event)
                return repeat(next, event.id, window, ResumeOutcome::none);
        }
        const SeenWindow::IdUse use = window.use_of(event.id);
        const IdStep to = step(anchor_, id);
        switch (phase_) {
        case Phase::undecided: return first(id, event, use, to, window, seed);
        case Phase::overlap: return overlap(event, use, to, window);
        case Phase::skip: return skip(id, event, use, to, window, seed);
        case Phase::off: break;
        }
        return {};
    }

    static bool newer(const IdStep& to) noexcept {
        return to.kind == IdStep::Kind::next || to.kind == IdStep::Kind::later || to.kind == IdStep::Kind::gap;
    }

    ResumeVerdict first(std::string_view id, const SeenEvent& event, const SeenWindow::IdUse& use, const IdStep& to,
                        SeenWindow& window, std::string_view seed) {
        if (anchor_.empty() && window.empty()) {  // nothing seen or seeded before
            phase_ = Phase::off;
            return {};
        }
        const bool at_cursor = !anchor_.empty() && id == anchor_;
        const bool ids_recur = !anchor_.empty() && window.use_of(hash_bytes(anchor_, hash_seed_)).count > 1;
        const bool from_start = window.head_size() > 0 && window.head(0).id == event.id;
        const ResumeOutcome by_place = from_start && !at_cursor ? ResumeOutcome::restarted : ResumeOutcome::overlapped;

        // Of several equal events the newest is meant: that drops the least. Where ids come round again, the cursor's
        // successor is news.
        const std::size_t found = window.find(event, use);
        if (found != SeenWindow::npos && !(ids_recur && to.kind == IdStep::Kind::next)) {
            phase_ = Phase::overlap;
            return repeat(found, event.id, window, by_place);
        }
        if (use.count == 1 && !newer(to)) {
            phase_ = Phase::overlap;
            return edited(use.last, event, window, by_place);
        }
        if (use.count == 0 && !seed.empty() && window.capacity() > 0) {
            if (id == seed) {  // its content is not known here: by id alone
                phase_ = window.empty() ? Phase::off : Phase::skip;
                enter_head(0, window);
                return drop(ResumeOutcome::overlapped);
            }
            if (step(seed, id).kind == IdStep::Kind::before && within_reach(id, seed, window)) {
                phase_ = Phase::skip;
                seed_passed_ = false;
                head_next_ = 0;
                skip_left_ = window.capacity() - 1;
                return drop(ResumeOutcome::restarted);
            }
        }
        const std::size_t in_head = window.find_head(event);
        if (in_head != SeenWindow::npos && use.count == 0 && !newer(to)) {
            phase_ = Phase::skip;
            enter_head(in_head + 1, window);
            return drop(ResumeOutcome::restarted);
        }
        return first_unseen(id, use, to, at_cursor, ids_recur, window);
    }

    ResumeVerdict first_unseen(std::string_view id, const SeenWindow::IdUse& use, const IdStep& to, bool at_cursor,
                               bool ids_recur, SeenWindow& window) {
        phase_ = Phase::off;
        if (to.kind == IdStep::Kind::next) return decide(ResumeOutcome::resumed);
        if (anchor_.empty() || use.count > 0 || ids_recur) return decide(ResumeOutcome::unverified);
        if (at_cursor) return decide(ResumeOutcome::overlapped);  // the cursor came without an event; here is one
        if (to.kind == IdStep::Kind::before) return new_epoch(window);
        if (to.kind == IdStep::Kind::gap && !sparse_) return gap(to);
        if (to.kind == IdStep::Kind::incomparable && order_ != IdOrder::none && id_shape(id) != id_shape(anchor_))
            return new_epoch(window);
        return decide(ResumeOutcome::unverified);
    }

    ResumeVerdict overlap(const SeenEvent& event, const SeenWindow::IdUse& use, const IdStep& to, SeenWindow& window) {
        const std::size_t here = place(window);
        // Behind the newest event taken, that very event (or its id) once more is no replay: no server replays one
        // event twice in a row.
        const bool again = drained_ && use.last == here;
        const std::size_t found = window.find(event, use, here);
        if (found != SeenWindow::npos && !again) return repeat(found, event.id, window, ResumeOutcome::none);
        if (use.count == 1 && !again && !newer(to)) {
            // The first two replayed ids both with other content: that is not an edit but a numbering begun anew.
            if (replayed_ == 1 && edited_ == 1) return new_epoch(window);
            return edited(use.last, event, window, ResumeOutcome::none);
        }
        // A hole that the replay fills; what follows it may be known again.
        if (use.count == 0 && to.kind == IdStep::Kind::before) return {};
        return unseen(to, again || use.count > 0);
    }

    ResumeVerdict skip(std::string_view id, const SeenEvent& event, const SeenWindow::IdUse& use, const IdStep& to,
                       SeenWindow& window, std::string_view seed) {
        const std::size_t found = window.find(event, use);
        if (found != SeenWindow::npos) {
            phase_ = Phase::overlap;
            return repeat(found, event.id, window, ResumeOutcome::none);
        }
        if (use.count == 1 && !newer(to)) {
            phase_ = Phase::overlap;
            return edited(use.last, event, window, ResumeOutcome::none);
        }
        if (!seed_passed_) {
            const IdStep::Kind to_seed = step(seed, id).kind;
            if (to_seed == IdStep::Kind::before || to_seed == IdStep::Kind::same) {
                if (skip_left_ == 0) return new_epoch(window);
                --skip_left_;
                return drop(ResumeOutcome::none);
            }
            enter_head(0, window);
        }
        if (skip_left_ > 0 && head_next_ < window.head_size() && window.head(head_next_) == event) {
            ++head_next_;
            --skip_left_;
            return drop(ResumeOutcome::none);
        }
        if (head_next_ == 0 || newer(to)) return unseen(to, false);
        // The beginning agreed and now it does not (a greeting, say), or the count is used up without having met
        // anything known.
        if (head_next_ < window.head_size() || skip_left_ == 0) return new_epoch(window);
        --skip_left_;
        return drop(ResumeOutcome::none);
    }

    /// What comes next should be the stream's event number `next` (from 0), then on to the window.
    void enter_head(std::size_t next, const SeenWindow& window) noexcept {
        seed_passed_ = true;
        head_next_ = next;
        skip_left_ = window.evicted() - std::min<std::uint64_t>(next, window.evicted());
    }

    /// Whether a replay beginning at `id` can be followed up to the seed within the window's size. A far smaller number
    /// with fewer digits is a counter begun anew; far apart but of one length are also time stamps, where distance is
    /// not count.
    bool within_reach(std::string_view id, std::string_view seed, const SeenWindow& window) const {
        const IdStep way = step(id, seed);
        return way.kind != IdStep::Kind::gap || way.lost < window.capacity() || id.size() >= seed.size();
    }

    /// The window's position of the last repeat; npos before the first one, or if it was evicted.
    std::size_t place(const SeenWindow& window) const noexcept {
        return at_ == none || at_ < window.evicted() ? SeenWindow::npos
                                                     : static_cast<std::size_t>(at_ - window.evicted());
    }

    ResumeVerdict repeat(std::size_t position, std::uint64_t id, const SeenWindow& window, ResumeOutcome outcome) {
        at_ = window.evicted() + position;
        drained_ = position + 1 == window.size();
        ++replayed_;
        // Recurring ids can't tell a further repeat from an event that is merely equal: stop where the replay has
        // caught up.
        if (drained_ && window.use_of(id).count > 1) phase_ = Phase::off;
        return drop(outcome);
    }

    ResumeVerdict edited(std::size_t position, const SeenEvent& event, const SeenWindow& window,
                         ResumeOutcome outcome) {
        at_ = window.evicted() + position;
        drained_ = position + 1 == window.size();
        ++replayed_;
        ++edited_;
        last_edited_ = event;
        ResumeVerdict verdict = decide(outcome);
        verdict.edited = true;
        return verdict;
    }

    ResumeVerdict drop(ResumeOutcome outcome) {
        ResumeVerdict verdict = decide(outcome);
        verdict.deliver = false;
        return verdict;
    }

    ResumeVerdict decide(ResumeOutcome outcome) {
        if (outcome != ResumeOutcome::none) outcome_ = outcome;
        ResumeVerdict verdict;
        verdict.outcome = outcome;
        return verdict;
    }

    ResumeVerdict gap(const IdStep& to) {
        ResumeVerdict verdict = decide(ResumeOutcome::gap_possible);
        verdict.lost = to.lost;
        return verdict;
    }

    /// The first new event behind a replay.
    ResumeVerdict unseen(const IdStep& to, bool id_known) {
        phase_ = Phase::off;
        if (to.kind == IdStep::Kind::gap && !sparse_ && !id_known) return gap(to);
        return {};
    }

    ResumeVerdict new_epoch(SeenWindow& window) {
        phase_ = Phase::off;
        sparse_ = false;
        window.clear();
        return decide(ResumeOutcome::epoch_changed);
    }

    static constexpr std::uint64_t none = static_cast<std::uint64_t>(-1);

    IdStepFunction custom_;
    std::string anchor_;    // the cursor of the time the connection was made
    std::string repeated_;  // the last id dropped
    SeenEvent last_edited_;
    std::uint64_t hash_seed_;
    std::uint64_t at_ = none;      // the last repeat, counted from the stream's first event
    std::uint64_t skip_left_ = 0;  // so many may still be dropped unseen
    std::size_t head_next_ = 0;    // the next event of the stream's beginning to agree with
    unsigned replayed_ = 0;
    unsigned edited_ = 0;
    IdOrder order_;
    Phase phase_ = Phase::off;
    ResumeOutcome outcome_ = ResumeOutcome::none;
    bool sparse_ = false;
    bool anchored_ = false;
    bool drained_ = false;  // the last repeat was the newest event taken
    bool seed_passed_ = true;
};

}  // namespace rejoin::detail

#endif
