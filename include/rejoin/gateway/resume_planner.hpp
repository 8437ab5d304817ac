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
        over,      ///< There is nothing to come back for.
    };
    Kind kind = Kind::fresh;
    std::shared_ptr<BasicLiveStream<Traits>> stream = nullptr;
    EventLog::Sequence cursor = 0;
    std::string upstream_id = {};
    /// With `upstream`: that id as logs have it.
    std::string seen = {};
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
        const StreamPtr known = directory_.live(identity);
        if (!known) return plan;
        plan.kind = Plan::Kind::log;
        plan.stream = known;
        plan.cursor = known->log()->last();
        if (!in_session(request)) return plan;
        // Clients of MCP name the last id of their last connection. One that has none got nothing on that: what was written to
        // it was on its way when it broke.
        plan.cursor = known->client_began();
        if (known->log()->holds(plan.cursor)) return plan;
        plan.kind = Plan::Kind::gap;
        plan.lost = known->log()->first() - 1 - plan.cursor;
        plan.cursor += plan.lost;
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

    /// A stream's head has told whether the upstream is a gateway like this one. That it is is not forgotten for one that does
    /// not say so.
    void learn_chained(bool chained) { chained_ = chained || chained_.value_or(false); }
    bool chained() const noexcept { return chained_.value_or(false); }

    ResumeSupportLearner& support() noexcept { return support_; }
    const ResumeSupportLearner& support() const noexcept { return support_; }

private:
    using StreamPtr = std::shared_ptr<BasicLiveStream<Traits>>;
    using Found = typename BasicStreamDirectory<Traits>::Found;

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
            if (found && !found->is_dead_end()) return in_log(std::move(*found));
            Plan plan = from_upstream(request, identity, std::move(read.upstream), false);
            plan.seen = std::move(text);
            return plan;
        }
        auto found = directory_.find(identity, id);
        if (found && !found->is_dead_end()) return in_log(std::move(*found));
        const bool foreign = read.kind == ClientEventId::Kind::foreign;
        const bool may_be_known = options_.stream.ids == IdMode::passthrough && (!foreign || chained_.value_or(true));
        if (may_be_known) return from_upstream(request, identity, id, foreign);
        return gap(request, identity);
    }

    Plan own(const RequestHead& request, const StreamIdentity& identity, const MintedId& id) const {
        auto found = directory_.find(identity, id);
        if (found && !found->is_dead_end()) return in_log(std::move(*found));
        if (found) return behind_dead_end(request, identity, *found);
        const StreamPtr kept = directory_.of_epoch(identity, id.epoch);
        if (!kept || id.sequence > kept->log()->last()) return gap(request, identity);
        if (!kept->ended()) return gap_in(kept, id.sequence);
        // What is left of it, and then it is over.
        Plan plan = gap_in(kept, id.sequence);
        plan.cursor = kept->log()->first() - 1;
        plan.lost = plan.cursor - id.sequence;
        if (kept->log()->size() > 0) return plan;
        if (!kept->is_final()) return gap(request, identity);
        plan.kind = Plan::Kind::over;
        return plan;
    }

    Plan behind_dead_end(const RequestHead& request, const StreamIdentity& identity, const Found& found) const {
        std::string upstream_id = found.stream->newest_upstream_id();
        if (!upstream_id.empty()) return from_upstream(request, identity, std::move(upstream_id), false);
        Plan plan = gap(request, identity);
        // A GET asks for something else than what that stream was the answer to.
        if (!found.answers_get) plan.kind = Plan::Kind::refused;
        return plan;
    }

    static Plan in_log(Found found) {
        Plan plan;
        plan.kind = Plan::Kind::log;
        plan.stream = std::move(found.stream);
        plan.cursor = found.cursor;
        return plan;
    }

    Plan from_upstream(const RequestHead& request, const StreamIdentity& identity, std::string id, bool doubtful) const {
        Plan plan;
        const StreamPtr live = has_main(request) ? directory_.live(identity) : nullptr;
        const bool newest = live && live->is_newest(id);
        if (newest || (live && live->seed() == id && live->log()->holds(0))) {
            plan.kind = Plan::Kind::log;
            plan.cursor = newest ? live->log()->last() : 0;
            plan.stream = live;
            return plan;
        }
        // Where clients know other ids, one that catches up could never tell that it has.
        if (live && options_.stream.ids == IdMode::minted) return gap(request, identity);
        // Only what may stand in a header goes out as one; a query can bring anything.
        EventTracker cursor{options_.tracker};
        cursor.seed(id);
        if (!cursor.header_value() || in_vain()) return gap(request, identity);
        plan.kind = Plan::Kind::upstream;
        plan.upstream_id = std::move(id);
        plan.doubtful = doubtful;
        return plan;
    }

    // An upstream that has not cared may have learned to: it is tried now and then.
    bool in_vain() const {
        constexpr unsigned tries_apart = 16;
        return support_.value() == ResumeSupport::no && ++in_vain_ % tries_apart != 0;
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
    mutable unsigned in_vain_ = 0;
    std::optional<bool> chained_;
};

using ResumePlan = BasicResumePlan<>;
using ResumePlanner = BasicResumePlanner<>;

}  // namespace rejoin

#endif
