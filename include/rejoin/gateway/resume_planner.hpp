#ifndef REJOIN_GATEWAY_RESUME_PLANNER_HPP
#define REJOIN_GATEWAY_RESUME_PLANNER_HPP

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <rejoin/gateway/id_keys.hpp>
#include <rejoin/gateway/resume_request.hpp>
#include <rejoin/gateway/reverse_proxy_options.hpp>
#include <rejoin/gateway/stream_directory.hpp>
#include <rejoin/resume/event_tracker.hpp>
#include <rejoin/resume/resume_support.hpp>

namespace rejoin {

/// Where a client that asks for a stream goes on: in a log, upstream, or nowhere without a gap.
template <class Traits = DefaultTraits>
struct BasicResumePlan {
    enum class Kind : std::uint8_t {
        fresh,     ///< Nothing is there for it: the upstream is asked as it asked.
        log,       ///< On `stream`, behind `cursor`; it misses nothing.
        upstream,  ///< The upstream is asked for what follows `upstream_id`.
        gap,       ///< What it missed can't be had. On `stream` behind `cursor` where there is one, else as `fresh`.
        refused,   ///< The same, and nothing else is to be had in its place.
    };
    Kind kind = Kind::fresh;
    std::shared_ptr<BasicLiveStream<Traits>> stream = nullptr;
    EventLog::Sequence cursor = 0;
    std::string upstream_id = {};
    /// With `upstream`: the id is none of this gateway's, but has the form; only if the upstream is such a gateway, too, it can
    /// mean something there.
    bool doubtful = false;
    /// With `gap`: how many events are missing; 0 when nothing tells.
    std::uint64_t lost = 0;
};

/// Decides that from the id that the client came with, how the route shares its streams, and what logs there are.
///
/// Thread safety: one object only from its strand; `options`, `keys` and `directory` must outlive it.
template <class Traits = DefaultTraits>
class BasicResumePlanner {
public:
    using Plan = BasicResumePlan<Traits>;

    BasicResumePlanner(const ReverseProxyOptions& options, const IdKeys& keys, const BasicStreamDirectory<Traits>& directory)
        : options_{options}, keys_{keys}, directory_{directory} {}

    /// For a GET.
    Plan plan(const RequestHead& request, const StreamIdentity& identity, const std::optional<std::string>& id) const {
        Plan plan;
        if (id) return returning(request, identity, *id);
        if (!joins_without_id(request)) return plan;
        if (StreamPtr known = directory_.live(identity)) {
            plan.kind = Plan::Kind::log;
            // Clients of MCP name the last id of their last connection. One that has none got nothing on that: what was written to
            // it was on its way when it broke.
            plan.cursor = in_session(request) ? known->client_began() : known->log()->last();
            plan.stream = std::move(known);
        }
        return plan;
    }

    /// Whether the clients of such a request are one, of which the newest connection counts.
    bool is_exclusive(const RequestHead& request) const { return options_.sharing == Sharing::exclusive || in_session(request); }

    /// Whether such a request, without an id, is given a stream that is there already.
    bool joins_without_id(const RequestHead& request) const { return options_.sharing == Sharing::shared || in_session(request); }

    /// Whether such requests are served from one stream for all.
    bool has_main(const RequestHead& request) const { return options_.sharing != Sharing::own || in_session(request); }

    /// What the upstream knows the id as that a client presents in a request with side effects; empty: it can't know it.
    std::string upstream_id(const StreamIdentity& identity, const std::string& id) const {
        const ClientEventId read = keys_.read(id, identity);
        if (read.kind == ClientEventId::Kind::sealed) return read.upstream;
        const bool plain = options_.stream.ids == IdMode::passthrough && read.kind != ClientEventId::Kind::minted;
        return plain ? id : std::string{};
    }

    /// A response has told whether the upstream is a gateway like this one.
    void learn_chained(bool chained) { chained_ = chained; }
    bool chained() const noexcept { return chained_.value_or(false); }

    ResumeSupportLearner& support() noexcept { return support_; }
    const ResumeSupportLearner& support() const noexcept { return support_; }

private:
    using StreamPtr = std::shared_ptr<BasicLiveStream<Traits>>;

    // Of MCP's clients only those in a session are one client, which has one stream beside those of its requests.
    bool in_session(const RequestHead& request) const {
        return options_.post == PostStreams::mcp && request.fields.contains("Mcp-Session-Id");
    }

    Plan returning(const RequestHead& request, const StreamIdentity& identity, const std::string& id) const {
        ClientEventId read = keys_.read(id, identity);
        if (read.kind == ClientEventId::Kind::minted) return own(request, identity, read.minted);
        if (read.kind == ClientEventId::Kind::sealed) {
            std::string text;
            keys_.seal_of(identity).seal(text, read.upstream);  // as it stands in logs, whichever key it came with
            auto found = directory_.find(identity, text);
            if (!found) found = directory_.find(identity, read.upstream);
            if (found && !is_dead_end(*found)) return in_log(std::move(*found));
            return from_upstream(request, identity, std::move(read.upstream), false);
        }
        auto found = directory_.find(identity, id);
        if (found && !is_dead_end(*found)) return in_log(std::move(*found));
        const bool foreign = read.kind == ClientEventId::Kind::foreign;
        const bool may_be_known = options_.stream.ids == IdMode::passthrough && (!foreign || chained_.value_or(true));
        if (may_be_known) return from_upstream(request, identity, id, foreign);
        return gap(request, identity);
    }

    Plan own(const RequestHead& request, const StreamIdentity& identity, const MintedId& id) const {
        auto found = directory_.find(identity, id);
        if (found && !is_dead_end(*found)) return in_log(std::move(*found));
        if (found) {
            std::string upstream_id = found->stream->newest_upstream_id();
            return upstream_id.empty() ? gap(request, identity) : from_upstream(request, identity, std::move(upstream_id), false);
        }
        const StreamPtr kept = directory_.of_epoch(identity, id.epoch);
        if (!kept || id.sequence > kept->log()->last()) return gap(request, identity);
        return gap_in(kept, id.sequence);
    }

    // The stream was cut for good and the client has had all of it: what there is now only the upstream can tell.
    static bool is_dead_end(const typename BasicStreamDirectory<Traits>::Found& found) {
        const auto& stream = *found.stream;
        const bool over = stream.complete() || stream.said_farewell() || stream.joined();
        return stream.ended() && !over && found.cursor == stream.log()->last();
    }

    static Plan in_log(typename BasicStreamDirectory<Traits>::Found found) {
        Plan plan;
        plan.kind = Plan::Kind::log;
        plan.stream = std::move(found.stream);
        plan.cursor = found.cursor;
        return plan;
    }

    Plan from_upstream(const RequestHead& request, const StreamIdentity& identity, std::string id, bool doubtful) const {
        Plan plan;
        const StreamPtr live = has_main(request) ? directory_.live(identity) : nullptr;
        if (live && live->is_newest(id)) {
            plan.kind = Plan::Kind::log;
            plan.cursor = live->log()->last();
            plan.stream = live;
            return plan;
        }
        // Only what may stand in a header goes out as one; a query can bring anything.
        EventTracker cursor{options_.tracker};
        cursor.seed(id);
        if (!cursor.header_value() || support_.value() == ResumeSupport::no) return gap(request, identity);
        plan.kind = Plan::Kind::upstream;
        plan.upstream_id = std::move(id);
        plan.doubtful = doubtful;
        return plan;
    }

    Plan gap(const RequestHead& request, const StreamIdentity& identity) const {
        const StreamPtr live = has_main(request) ? directory_.live(identity) : nullptr;
        if (live && !in_session(request)) return gap_in(live, std::nullopt);
        Plan plan;
        // The id was of a request's stream: the session's own is another one, which has its reader.
        plan.kind = live || options_.gap == GapPolicy::gone ? Plan::Kind::refused : Plan::Kind::gap;
        return plan;
    }

    // `seen`: how far the client got in that stream, where it is known.
    Plan gap_in(const StreamPtr& stream, std::optional<EventLog::Sequence> seen) const {
        Plan plan;
        plan.kind = options_.gap == GapPolicy::gone ? Plan::Kind::refused : Plan::Kind::gap;
        plan.stream = stream;
        const EventLog& log = *stream->log();
        plan.cursor = options_.gap == GapPolicy::oldest ? log.first() - 1 : log.last();
        if (seen) plan.lost = plan.cursor > *seen ? plan.cursor - *seen : 0;
        return plan;
    }

    const ReverseProxyOptions& options_;
    const IdKeys& keys_;
    const BasicStreamDirectory<Traits>& directory_;
    ResumeSupportLearner support_;
    std::optional<bool> chained_;
};

using ResumePlan = BasicResumePlan<>;
using ResumePlanner = BasicResumePlanner<>;

}  // namespace rejoin

#endif
