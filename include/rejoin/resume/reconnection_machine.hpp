#ifndef REJOIN_RESUME_RECONNECTION_MACHINE_HPP
#define REJOIN_RESUME_RECONNECTION_MACHINE_HPP

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <rejoin/error.hpp>
#include <rejoin/resume/backoff.hpp>
#include <rejoin/resume/end_reason.hpp>
#include <rejoin/resume/retry_policy.hpp>

namespace rejoin {

/// What a delay strategy knows.
struct DelayRequest {
    /// The number of the retry without progress, from 1.
    std::uint32_t attempt = 1;
    /// The base in force: of the options, or the server's `retry:` within its bounds.
    std::chrono::milliseconds base{0};
    /// What the policy asks for at least (`Retry-After`); a shorter delay is raised to it.
    std::chrono::milliseconds at_least{0};
    /// What ended the attempt, if it was a failure.
    std::error_code error = {};
};

/// Says how long to wait before a retry; what is negative counts as zero, what is over a day as a day. Called from the
/// stream's own executor; must not throw.
using DelayStrategy = std::function<std::chrono::milliseconds(const DelayRequest&)>;

struct ReconnectionOptions {
    BackoffOptions backoff{};
    /// Stands in place of the backoff's growth and jitter; empty: those.
    DelayStrategy delay{};
    /// Decides after each attempt; empty: `default_retry_policy()`.
    RetryPolicy policy{};
    /// Retries in a row without progress. Zero: no limit.
    std::uint32_t max_attempts = 0;
    /// Longest outage, milliseconds, counted from the drop (at first: from the start) until there is progress again.
    /// The last attempt is made when it is over. Zero: no limit.
    std::chrono::milliseconds max_outage{0};
    /// An open stream of this age counts as progress without an event, milliseconds. Zero: only events do.
    std::chrono::milliseconds healthy_after{5'000};
    /// The first retry after a stream that had progress comes at once. A server that ends each stream after one event
    /// is then asked without pause.
    bool immediate_first_retry = false;
    /// So many times the same failure of the stream's format or limits at the same cursor in a row end it. Zero: never.
    std::uint32_t poison_limit = 3;
};

/// What the owner of the machine has to do.
struct ReconnectionAction {
    using TimePoint = std::chrono::steady_clock::time_point;
    enum class Kind : std::uint8_t {
        none,     ///< Nothing; go on.
        connect,  ///< Make attempt `generation`. What is left of an earlier one is to be closed first.
        wait,     ///< Call `on_timer()` at `deadline`.
        finish,   ///< The stream is over.
    };
    Kind kind = Kind::none;
    /// `wait`: until when.
    TimePoint deadline{};
    /// `wait`: from now until `deadline`.
    std::chrono::milliseconds delay{0};
    /// `wait`: what ended the attempt, if it was a failure. `finish`: why; none or `Error::no_content` for a regular
    /// end.
    std::error_code error{};
    /// `finish`: the last failure, where `error` names a limit of ours (`retries_exhausted`, `poison_event`,
    /// `not_resumable`).
    std::error_code cause{};
    /// `connect`, `wait`: the number of the retry without progress, from 1; 0 for the first attempt.
    std::uint32_t attempt = 0;
    /// `connect`: the number of this attempt over the stream's life, from 1; to be given back with its events.
    std::uint64_t generation = 0;

    /// `finish`: the server ended the stream for good, no failure.
    bool regular_end() const noexcept { return kind == Kind::finish && (!error || error == Error::no_content); }
};

/// The life of one resumable stream as one explicit state machine: when to connect, when to wait and for how long, when
/// to give up.
///
/// It does no I/O and reads no clock. Its owner performs the action returned and tells what happened; whatever belongs
/// to an attempt other than the current one (a late completion, a second drop) is recognised by its generation and
/// ignored. Not thread-safe.
class ReconnectionMachine {
public:
    using TimePoint = std::chrono::steady_clock::time_point;
    using Action = ReconnectionAction;
    enum class State : std::uint8_t { idle, connecting, streaming, waiting, finished };

    /// Throws `std::system_error` (`Error::invalid_option`): a negative duration, or what `Backoff` refuses.
    explicit ReconnectionMachine(ReconnectionOptions options = {})
        : options_{std::move(options)}, backoff_{options_.backoff} {
        if (options_.max_outage.count() < 0 || options_.healthy_after.count() < 0) {
            throw std::system_error{make_error_code(Error::invalid_option), "ReconnectionOptions"};
        }
        if (!options_.policy) options_.policy = default_retry_policy();
    }

    /// Begins: connect. Once only.
    Action start(TimePoint now) {
        if (state_ != State::idle) return {};
        outage_since_ = now;
        return connect();
    }

    /// The response is an event stream. No progress yet: a server may accept and close at once.
    Action on_open(TimePoint now, std::uint64_t generation) {
        if (state_ != State::connecting || generation != generation_) return {};
        state_ = State::streaming;
        opened_at_ = now;
        opened_ever_ = true;
        return {};
    }

    /// An event that was not dropped as a repeat, or a moved cursor. Cheap; may be called for each.
    void on_progress(std::uint64_t generation) noexcept {
        if (state_ != State::streaming || generation != generation_ || progressed_) return;
        progressed_ = true;
        start_over();
    }

    /// A `retry:` field, in any state: the base of the backoff.
    void on_retry(std::chrono::milliseconds retry) noexcept { backoff_.set_base(retry); }

    /// The attempt or its stream ended. `cursor`: the position it would be resumed from.
    Action on_end(TimePoint now, std::uint64_t generation, Attempt attempt, std::string_view cursor = {}) {
        const bool streaming = state_ == State::streaming;
        if ((!streaming && state_ != State::connecting) || generation != generation_) return {};
        const bool healthy =
            streaming && options_.healthy_after.count() > 0 && now - opened_at_ >= options_.healthy_after;
        if (healthy && !progressed_) start_over();
        attempt.number = retries_;
        attempt.progressed = progressed_ || healthy;
        attempt.initial = !opened_ever_;

        const Decision decision = options_.policy(attempt);
        if (decision.kind == Decision::Kind::stop) return finish(decision.error, attempt.error);
        if (decision.kind == Decision::Kind::fail) return finish(decision.error, attempt.error);
        if (streaming && is_poisoned(attempt, cursor))
            return finish(make_error_code(Error::poison_event), attempt.error);
        return retry(now, decision, attempt);
    }

    /// The time given with `wait` has come. Early: wait on.
    Action on_timer(TimePoint now) {
        if (state_ != State::waiting) return {};
        if (now < deadline_) return wait(now, {});
        return connect();
    }

    /// The attempt just ordered may not be made (a circuit breaker is open, a limit reached): ask again at `until`.
    /// Counts as outage, not as an attempt.
    Action postpone(TimePoint now, TimePoint until, std::error_code why = make_error_code(Error::circuit_open)) {
        if (state_ != State::connecting) return {};
        if (!outage_since_) outage_since_ = now;
        if (now >= give_up_at()) return finish(make_error_code(Error::retries_exhausted), why);
        deadline_ = std::min(until, give_up_at());
        state_ = State::waiting;
        return wait(now, why);
    }

    /// Connect anew now, from any state but the finished: no failure is reported, and the backoff stays where it is.
    Action reconnect_now(TimePoint now) {
        if (state_ == State::idle) return start(now);
        if (state_ == State::finished) return {};
        return connect();
    }

    /// The stream has said all (its last event came): a regular end.
    Action complete() {
        if (state_ == State::finished) return {};
        return finish({}, {});
    }

    /// The user is done with it. Nothing that comes later changes anything.
    Action stop() {
        if (state_ == State::finished) return {};
        return finish(make_error_code(Error::closed), {});
    }

    State state() const noexcept { return state_; }
    std::uint64_t generation() const noexcept { return generation_; }
    /// Retries in a row without progress.
    std::uint32_t retries() const noexcept { return retries_; }
    const Backoff& backoff() const noexcept { return backoff_; }

    /// When the outage under way becomes too long; `TimePoint::max()` without one or without a limit. A single attempt
    /// should not last longer.
    TimePoint give_up_at() const noexcept {
        if (!outage_since_ || options_.max_outage.count() == 0) return TimePoint::max();
        return later(*outage_since_, options_.max_outage);
    }

private:
    static TimePoint later(TimePoint from, std::chrono::milliseconds by) noexcept {
        const auto room =
            std::chrono::duration_cast<std::chrono::milliseconds>(TimePoint::max() - std::max(from, TimePoint{}));
        return by >= room ? TimePoint::max() : from + by;
    }

    /// Failures that the bytes at the cursor cause, so that resuming there meets them again.
    static bool lies_in_the_bytes(const Attempt& attempt) noexcept {
        return attempt.end == EndReason::protocol_error || attempt.error == Error::line_too_long ||
               attempt.error == Error::event_too_large || attempt.error == Error::invalid_utf8 ||
               attempt.error == Error::bad_message;
    }

    bool is_poisoned(const Attempt& attempt, std::string_view cursor) {
        // In a row: an end of another kind after some progress begins a new one.
        if (!lies_in_the_bytes(attempt) && attempt.progressed) poison_count_ = 0;
        if (options_.poison_limit == 0 || !lies_in_the_bytes(attempt)) return false;
        if (poison_count_ > 0 && poison_error_ == attempt.error && poison_cursor_ == cursor) {
            ++poison_count_;
        } else {
            poison_count_ = 1;
            poison_error_ = attempt.error;
            poison_cursor_.assign(cursor);
        }
        return poison_count_ >= options_.poison_limit;
    }

    void start_over() noexcept {
        retries_ = 0;
        outage_since_.reset();
        backoff_.reset();
    }

    Action connect() {
        state_ = State::connecting;
        progressed_ = false;
        ++generation_;
        Action action;
        action.kind = Action::Kind::connect;
        action.attempt = retries_;
        action.generation = generation_;
        return action;
    }

    Action retry(TimePoint now, const Decision& decision, const Attempt& attempt) {
        if (!outage_since_) outage_since_ = now;
        const bool used_up = options_.max_attempts != 0 && retries_ >= options_.max_attempts;
        if (used_up || now >= give_up_at()) return finish(make_error_code(Error::retries_exhausted), attempt.error);
        if (retries_ != std::numeric_limits<std::uint32_t>::max()) ++retries_;
        deadline_ = std::min(later(now, delay(decision, attempt)), give_up_at());
        state_ = State::waiting;
        return wait(now, attempt.error);
    }

    std::chrono::milliseconds delay(const Decision& decision, const Attempt& attempt) {
        constexpr std::chrono::milliseconds none{0};
        // Another server has not asked for any patience.
        if (attempt.elsewhere) return none;
        const std::chrono::milliseconds at_least = std::max(decision.min_delay, none);
        if (decision.at_once || (options_.immediate_first_retry && attempt.progressed)) return at_least;
        if (!options_.delay) return backoff_.next(at_least);
        const DelayRequest request{retries_, backoff_.base(), at_least, attempt.error};
        constexpr std::chrono::milliseconds day = std::chrono::hours{24};
        return std::max(std::clamp(options_.delay(request), none, day), at_least);
    }

    Action wait(TimePoint now, std::error_code cause) const {
        Action action;
        action.kind = Action::Kind::wait;
        action.deadline = deadline_;
        if (deadline_ > now) action.delay = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - now);
        action.error = cause;
        action.attempt = retries_;
        return action;
    }

    Action finish(std::error_code error, std::error_code cause) {
        state_ = State::finished;
        Action action;
        action.kind = Action::Kind::finish;
        action.error = error;
        if (cause != error) action.cause = cause;
        return action;
    }

    ReconnectionOptions options_;
    Backoff backoff_;
    std::string poison_cursor_;
    std::error_code poison_error_;
    std::optional<TimePoint> outage_since_;
    TimePoint opened_at_{};
    TimePoint deadline_{};
    std::uint64_t generation_ = 0;
    std::uint32_t retries_ = 0;
    std::uint32_t poison_count_ = 0;
    State state_ = State::idle;
    bool progressed_ = false;
    bool opened_ever_ = false;
};

}  // namespace rejoin

#endif
