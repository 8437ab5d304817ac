#ifndef REJOIN_GATEWAY_EVENT_FRAMER_HPP
#define REJOIN_GATEWAY_EVENT_FRAMER_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <rejoin/gateway/event_log.hpp>
#include <rejoin/gateway/gap_event.hpp>
#include <rejoin/gateway/stream_seal.hpp>
#include <rejoin/sse/detail/utf8.hpp>
#include <rejoin/sse/writer.hpp>

namespace rejoin {

/// Where the ids that clients see come from.
enum class IdMode {
    passthrough,  ///< The upstream's; the gateway's own as long as the upstream has sent none, not even an empty one.
    minted,       ///< Always the gateway's own. The upstream's stay between it and the gateway.
    sealed,       ///< The upstream's, authenticated and in ASCII; the gateway's own as in `passthrough`. See `StreamSeal`.
};

struct FramerOptions {
    IdMode ids = IdMode::passthrough;
    /// With `passthrough`: ids with characters above U+00FF, which JavaScript's fetch can't send back in a header, are sealed.
    bool seal_wide_ids = false;
    /// Where the upstream sends no ids, the gateway's own stand in for them. False: for a stream that nobody can come back to.
    bool fill_in = true;
};

/// Frames events into a log: once, as the bytes that every client will be sent.
///
/// Frames have LF line ends, `retry:` only inside a real event, and `id:` last: widespread clients take the id over before
/// the event is complete, and fire an empty event at every blank line.
class EventFramer {
public:
    /// `seal`: of the identity that the stream is for.
    EventFramer(FramerOptions options, std::uint64_t epoch, StreamSeal seal) : options_{options}, epoch_{epoch}, seal_{seal} {}

    std::uint64_t epoch() const noexcept { return epoch_; }

    /// The gateway's own id of the event at `sequence`.
    std::string own_id(EventLog::Sequence sequence) const {
        std::string id;
        seal_.mint(id, {epoch_, sequence});
        return id;
    }

    /// A reconnection time to pass on inside the next event; a negative one counts as 0.
    void retry(std::chrono::milliseconds time) { retry_ = std::max(time, std::chrono::milliseconds::zero()); }

    /// Appends the frame of `event` to `log`. False, and nothing appended, for an event that can't be framed.
    bool append(EventLog& log, SseEventView event, std::chrono::steady_clock::time_point now) {
        upstream_has_ids_ = upstream_has_ids_ || event.has_id || !event.last_event_id.empty();
        if (options_.ids == IdMode::minted || (options_.fill_in && !upstream_has_ids_)) {
            id_.clear();
            seal_.mint(id_, {epoch_, log.last() + 1});
            event.has_id = true;
            event.id = id_;
        } else if (event.has_id && is_sealed(event.id)) {
            id_.clear();
            seal_.seal(id_, event.id);
            event.id = id_;
        }
        frame_.clear();
        if (SseWriter{frame_}.event(event, retry_)) return false;
        retry_.reset();
        log.append(frame_, event.has_id ? std::optional{event.id} : std::nullopt, now);
        return true;
    }

    /// Appends the in-band gap signal (see `append_gap_event()`). `from`: the upstream's id that continuity was lost behind;
    /// clients are told the one they know it by.
    void append_gap(EventLog& log, std::string_view type, std::string_view reason, std::string_view from, std::uint64_t lost,
                    std::chrono::steady_clock::time_point now) {
        frame_.clear();
        append_gap_event(frame_, type, reason, client_id(log, from), lost);
        if (!frame_.empty()) log.append(frame_, std::nullopt, now);
    }

    /// The id by which clients know the event that has `id` upstream; a view into this framer, or `id` itself.
    std::string_view client_id(const EventLog& log, std::string_view id) {
        id_.clear();
        if (options_.ids == IdMode::minted) seal_.mint(id_, {epoch_, log.last()});
        else if (is_sealed(id)) seal_.seal(id_, id);
        else return id;
        return id_;
    }

private:
    // An empty id resets the client's, in any mode.
    bool is_sealed(std::string_view id) const noexcept {
        if (id.empty()) return false;
        return options_.ids == IdMode::sealed || (options_.seal_wide_ids && has_wide_characters(id));
    }

    // Above U+00FF. What is no UTF-8 becomes U+FFFD in a client, so it is wide, too.
    static bool has_wide_characters(std::string_view id) noexcept {
        while (!id.empty()) {
            const detail::Utf8Step step = detail::utf8_step(id);
            const bool latin = step.length == 1 || (step.length == 2 && static_cast<unsigned char>(id.front()) <= 0xC3);
            if (!step.valid || !latin) return true;
            id.remove_prefix(step.length);
        }
        return false;
    }

    FramerOptions options_;
    std::uint64_t epoch_;
    StreamSeal seal_;
    bool upstream_has_ids_ = false;
    std::optional<std::chrono::milliseconds> retry_;
    std::string frame_;
    std::string id_;
};

}  // namespace rejoin

#endif
