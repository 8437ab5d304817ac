#ifndef REJOIN_GATEWAY_DETAIL_CATCH_UP_HPP
#define REJOIN_GATEWAY_DETAIL_CATCH_UP_HPP

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <rejoin/gateway/event_log.hpp>

namespace rejoin::detail {

// The way of a stream to the place in another one's log from where on that one has all that this one would bring.
template <class Stream>
class CatchUp {
public:
    // `seen`: the id of the last event before this stream's first, as logs have it.
    void begin(const std::shared_ptr<Stream>& main, std::string seen, bool exclusive) {
        main_ = main;
        seen_ = std::move(seen);
        exclusive_ = exclusive;
    }

    bool under_way() const noexcept { return !joined_ && !main_.expired(); }

    // An event was logged; `id`: as logs have it, empty for one without.
    void take(std::string_view id) {
        idless_ = id.empty();
        if (!idless_) seen_.assign(id);
    }

    // Whether the other one's log has the last event of this one. Behind events without ids nobody can tell.
    bool meets() {
        const auto main = main_.lock();
        if (joined_ || idless_ || !main || main->ended()) return joined_ != nullptr;
        const auto cursor = main->log()->find(seen_);
        if (!cursor) return false;
        joined_ = main;
        at_ = *cursor;
        return true;
    }

    // Null until they have met.
    const std::shared_ptr<Stream>& joined() const noexcept { return joined_; }
    EventLog::Sequence at() const noexcept { return at_; }
    bool exclusive() const noexcept { return exclusive_; }

    // All that a client misses at the end of this stream is still in the other one's log, or there is no other one.
    bool leads_on() const { return !joined_ || joined_->log()->holds(at_); }

private:
    std::weak_ptr<Stream> main_;
    std::shared_ptr<Stream> joined_;
    std::string seen_;
    EventLog::Sequence at_ = 0;
    bool idless_ = false;
    bool exclusive_ = false;
};

}  // namespace rejoin::detail

#endif
