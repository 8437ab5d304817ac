#ifndef REJOIN_GATEWAY_INTERCEPTOR_HPP
#define REJOIN_GATEWAY_INTERCEPTOR_HPP

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <rejoin/http/message.hpp>
#include <rejoin/net/asio.hpp>
#include <rejoin/sse/event.hpp>

namespace rejoin {

/// What an interceptor may know of the stream whose event it sees. It, and what its views refer to, live as long as the
/// stream's interceptors.
struct StreamContext {
    std::string_view method;  ///< of the request that made the stream
    std::string_view target;  ///< as it goes upstream, without what a client resumes by
};

/// How a stream ended.
enum class StreamEnding : std::uint8_t {
    complete,  ///< As its upstream meant it to.
    cut,       ///< Before that: the upstream was lost, the stream was given up or an interceptor threw.
};

/// Sees every event once, on its way from the upstream into the log, whatever becomes of connections and clients:
/// `interceptor(context, events)`. `events` holds the event; the interceptor may change it, erase it (nothing is sent), put
/// more behind it (a split) or before it (an injection).
///
/// It returns nothing and must not block; or an `Awaitable<>`, which is awaited: a coroutine, or a function that returns
/// `{}` when it was done at once, which costs no more than a plain call. Both arguments live until then. While one is
/// awaited, its stream's upstream is not read on.
///
/// A member `on_end(context, StreamEnding)`, if there is one, is called once when the stream has ended: not for streams that
/// there still are when their executor is stopped. What it throws is ignored.
///
/// Runs on the stream's strand. What it throws ends the stream as cut. Cancellation: of an awaited one when the stream is
/// ended from this side (terminal).
template <class T>
concept EventInterceptor = requires(T& interceptor, const StreamContext& context, std::vector<SseEvent>& events) {
    requires std::same_as<decltype(interceptor(context, events)), void> || std::same_as<decltype(interceptor(context, events)), Awaitable<>>;
};

/// Makes each stream an interceptor of its own, with a state of its own: `factory(request)`, the request being the one that
/// made the stream, as it went upstream; valid during the call. What it throws ends the stream at its first event.
template <class F>
concept InterceptorFactory = requires(F& factory, const RequestHead& request) {
    { factory(request) } -> EventInterceptor;
};

namespace detail {

class AnyInterceptor {
public:
    virtual ~AnyInterceptor() = default;
    virtual Awaitable<> on_event(const StreamContext& context, std::vector<SseEvent>& events) = 0;
    virtual void on_end(const StreamContext& context, StreamEnding end) = 0;
};

template <EventInterceptor T>
class HeldInterceptor final : public AnyInterceptor {
public:
    explicit HeldInterceptor(T interceptor) : interceptor_{std::move(interceptor)} {}

    Awaitable<> on_event(const StreamContext& context, std::vector<SseEvent>& events) override {
        if constexpr (std::is_void_v<decltype(interceptor_(context, events))>) {
            interceptor_(context, events);
            return {};
        } else {
            return interceptor_(context, events);
        }
    }

    void on_end([[maybe_unused]] const StreamContext& context, [[maybe_unused]] StreamEnding end) override {
        if constexpr (requires { interceptor_.on_end(context, end); }) interceptor_.on_end(context, end);
    }

private:
    T interceptor_;
};

// In place of one that could not be made.
class FailedInterceptor final : public AnyInterceptor {
public:
    explicit FailedInterceptor(std::exception_ptr failure) : failure_{std::move(failure)} {}
    Awaitable<> on_event(const StreamContext&, std::vector<SseEvent>&) override { std::rethrow_exception(failure_); }
    void on_end(const StreamContext&, StreamEnding) override {}

private:
    std::exception_ptr failure_;
};

}  // namespace detail

/// The interceptors of one stream, and the event that is with them.
///
/// The event's own id ends up on the last of what comes out, whatever the interceptors did: a client that has seen only a
/// part of a split event resumes before it, not behind it. All parts have the event's `last_event_id`.
/// Thread safety: one object only from its strand.
class StreamInterceptors {
public:
    using List = std::vector<std::shared_ptr<detail::AnyInterceptor>>;

    StreamInterceptors(List interceptors, std::string method, std::string target)
        : interceptors_{std::move(interceptors)}, method_{std::move(method)}, target_{std::move(target)}, context_{method_, target_} {}

    StreamInterceptors(const StreamInterceptors&) = delete;
    StreamInterceptors& operator=(const StreamInterceptors&) = delete;

    /// Shows them an event, in order. True when all are done with it; false when one has to be awaited first: `wait()`.
    bool take(const SseEventView& event) {
        has_id_ = event.has_id;
        id_.assign(event.has_id ? event.id : std::string_view{});
        last_event_id_.assign(event.last_event_id);
        events_.resize(1);
        events_.front() = event;
        made_.clear();
        stage_ = at_ = 0;
        return go_on();
    }

    /// Completes when all are done with the event.
    Awaitable<> wait() {
        while (pending_.valid()) {
            Awaitable<> work = std::move(pending_);
            {
                const Awaiting until_here{awaiting_};
                co_await std::move(work);
            }
            collect();
            go_on();
        }
    }

    /// Whether `take()` or a `wait()` under way has to await an interceptor.
    bool waiting() const noexcept { return pending_.valid() || awaiting_; }

    /// What came out of the event; valid until the next `take()`.
    const std::vector<SseEvent>& events() const noexcept { return events_; }

    /// That event's own id, where it has one.
    std::optional<std::string_view> id() const noexcept { return has_id_ ? std::optional<std::string_view>{id_} : std::nullopt; }

    /// To be bound to the coroutine that calls `wait()`, so that `cancel()` reaches the interceptor under way.
    asio::cancellation_slot slot() noexcept { return canceled_.slot(); }
    void cancel() { canceled_.emit(asio::cancellation_type::terminal); }

    /// Tells them of the stream's end.
    void end(StreamEnding end) noexcept {
        for (const auto& interceptor : interceptors_) {
            try {
                interceptor->on_end(context_, end);
            } catch (...) {  // nothing is left that it could stop
            }
        }
    }

private:
    struct Awaiting {
        explicit Awaiting(bool& flag_) : flag{flag_} { flag = true; }
        ~Awaiting() { flag = false; }
        Awaiting(const Awaiting&) = delete;
        bool& flag;
    };

    // Up to the next one that has to be awaited, which leaves the rest for later.
    bool go_on() {
        while (stage_ < interceptors_.size()) {
            if (at_ == events_.size()) {
                events_.swap(made_);
                made_.clear();
                at_ = 0;
                ++stage_;
                continue;
            }
            if (events_.size() == 1) {
                batch_.swap(events_);
            } else {
                batch_.push_back(std::move(events_[at_++]));
            }
            pending_ = interceptors_[stage_]->on_event(context_, batch_);
            if (pending_.valid()) return false;
            collect();
        }
        seal();
        return true;
    }

    // Takes over what one made of one event. Mostly that is one event, for which memory goes round.
    void collect() {
        if (made_.empty()) {
            made_.swap(batch_);
        } else {
            made_.insert(made_.end(), std::move_iterator{batch_.begin()}, std::move_iterator{batch_.end()});
        }
        batch_.clear();
    }

    void seal() {
        for (SseEvent& event : events_) {
            const bool last = &event == &events_.back();
            event.last_event_id.assign(last_event_id_);
            if (!last || !has_id_) {
                event.id.reset();
            } else if (event.id) {
                event.id->assign(id_);
            } else {
                event.id.emplace(id_);
            }
        }
    }

    List interceptors_;
    std::string method_;
    std::string target_;
    StreamContext context_;
    asio::cancellation_signal canceled_;
    std::vector<SseEvent> events_;  // what the stage before made
    std::vector<SseEvent> batch_;   // what is with an interceptor
    std::vector<SseEvent> made_;    // what this stage has made so far
    std::string id_;
    std::string last_event_id_;
    Awaitable<> pending_;
    std::size_t stage_ = 0;
    std::size_t at_ = 0;
    bool has_id_ = false;
    bool awaiting_ = false;
};

/// Interceptors in their order, for any number of streams. Without any, nothing is spent.
class InterceptorChain {
public:
    /// One for all streams.
    template <EventInterceptor T>
    void add(T interceptor) {
        auto held = std::make_shared<detail::HeldInterceptor<T>>(std::move(interceptor));
        makers_.push_back([held = std::move(held)](const RequestHead&) { return held; });
    }

    /// One for each stream.
    template <InterceptorFactory F>
        requires(!EventInterceptor<F>)
    void add(F factory) {
        makers_.push_back([factory = std::move(factory)](const RequestHead& request) mutable -> std::shared_ptr<detail::AnyInterceptor> {
            using Made = detail::HeldInterceptor<std::decay_t<decltype(factory(request))>>;
            return std::make_shared<Made>(factory(request));
        });
    }

    bool empty() const noexcept { return makers_.empty(); }

    /// Those for a stream that `request` makes; null where there are none. `method`, `target`: see `StreamContext`.
    std::unique_ptr<StreamInterceptors> for_stream(const RequestHead& request, std::string method, std::string target) const {
        if (makers_.empty()) return nullptr;
        StreamInterceptors::List list;
        for (const Maker& make : makers_) {
            try {
                list.push_back(make(request));
            } catch (...) {
                list.push_back(std::make_shared<detail::FailedInterceptor>(std::current_exception()));
            }
        }
        return std::make_unique<StreamInterceptors>(std::move(list), std::move(method), std::move(target));
    }

private:
    using Maker = std::function<std::shared_ptr<detail::AnyInterceptor>(const RequestHead&)>;

    std::vector<Maker> makers_;
};

}  // namespace rejoin

#endif
