#ifndef REJOIN_GATEWAY_INTERCEPTOR_HPP
#define REJOIN_GATEWAY_INTERCEPTOR_HPP

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rejoin/sse/event.hpp>

namespace rejoin {

/// What an interceptor may know of the stream whose event it sees. Views, valid during the call.
struct StreamContext {
    std::string_view method;
    std::string_view target;
};

/// Sees every event once, on its way from the upstream into the log. `events` holds the event; the interceptor may change
/// it, erase it (nothing is sent), put more behind it (a split) or before it (an injection).
///
/// Runs on the stream's strand and must not block. What it throws ends the stream as cut.
using EventInterceptor = std::function<void(const StreamContext& context, std::vector<SseEvent>& events)>;

/// Interceptors in their order. Without any, nothing is spent: the caller hands the view straight on.
///
/// The event's own id ends up on the last of what comes out, whatever the interceptors did: a client that has seen only a
/// part of a split event resumes before it, not behind it. All parts have the event's `last_event_id`.
class InterceptorChain {
public:
    void add(EventInterceptor interceptor) { interceptors_.push_back(std::move(interceptor)); }

    bool empty() const noexcept { return interceptors_.empty(); }

    /// Calls `sink(const SseEventView&)` for each event that comes out of `event`.
    template <class Sink>
    void run(const StreamContext& context, const SseEventView& event, Sink&& sink) const {
        std::vector<SseEvent> events;
        events.emplace_back(event);
        for (const EventInterceptor& interceptor : interceptors_) {
            std::vector<SseEvent> out;
            for (SseEvent& one : events) {
                std::vector<SseEvent> batch;
                batch.push_back(std::move(one));
                interceptor(context, batch);
                for (SseEvent& made : batch) out.push_back(std::move(made));
            }
            events = std::move(out);
        }
        for (SseEvent& made : events) {
            made.id.reset();
            made.last_event_id.assign(event.last_event_id);
        }
        if (!events.empty() && event.has_id) events.back().id.emplace(event.id);
        for (const SseEvent& made : events) sink(made.view());
    }

private:
    std::vector<EventInterceptor> interceptors_;
};

}  // namespace rejoin

#endif
