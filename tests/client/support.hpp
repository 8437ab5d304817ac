#ifndef REJOIN_TESTS_CLIENT_SUPPORT_HPP
#define REJOIN_TESTS_CLIENT_SUPPORT_HPP

#include <chrono>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>

#include <rejoin/client/reconnecting_stream.hpp>
#include <rejoin/testing/manual_clock.hpp>
#include <rejoin/testing/ports.hpp>
#include <rejoin/testing/run.hpp>
#include <rejoin/testing/scripted_server.hpp>

#include "support/catch.hpp"

namespace rejoin::testing {

using namespace std::chrono_literals;

using Lines = std::vector<std::string>;

inline std::size_t open_descriptors() {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) count += entry.path().empty() ? 0 : 1;
    return count;
}

/// A coroutine under way that the test may cancel, and what became of it.
template <class T>
class Task {
public:
    Task(asio::io_context& io, Awaitable<T> coroutine) : io_{io} {
        auto handler = [outcome = outcome_, signal = signal_](std::exception_ptr failure) {
            outcome->failure = failure;
            outcome->done = true;
        };
        asio::co_spawn(io, detail::store(outcome_, std::move(coroutine)), asio::bind_cancellation_slot(signal_->slot(), handler));
    }

    bool done() const { return outcome_->done; }
    bool wait() {
        return run_until(io_, [this] { return done(); });
    }
    auto& value() { return *outcome_->value; }

    /// What was thrown, or nothing.
    std::error_code failure() const {
        if (!outcome_->failure) return {};
        try {
            std::rethrow_exception(outcome_->failure);
        } catch (const std::system_error& error) {
            return error.code();
        }
    }

    /// Cancels and runs what is ready; whether the coroutine has come to an end by that.
    bool cancel_ends_it() {
        signal_->emit(asio::cancellation_type::terminal);
        run_until_idle(io_);
        return done();
    }

private:
    asio::io_context& io_;
    std::shared_ptr<asio::cancellation_signal> signal_ = std::make_shared<asio::cancellation_signal>();
    std::shared_ptr<detail::Outcome<T>> outcome_ = std::make_shared<detail::Outcome<T>>();
};

/// A resolver that never answers.
class SilentResolver {
public:
    explicit SilentResolver(const asio::any_io_executor&) {}
    template <class Handler>
    void async_resolve(const std::string&, const std::string&, Handler) {}
    void cancel() {}
};

struct SilentTraits : ManualTraits {
    using Resolver = SilentResolver;
};

inline std::string milliseconds_of(Duration duration) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count()) + "ms";
}

/// One line that says all that an item says.
inline std::string describe(const StreamItem& item) {
    using Kind = StreamItem::Kind;
    const std::string why = item.error ? ": " + item.error.message() : "";
    const std::string id = item.event.has_id ? " #" + std::string{item.event.id} : "";
    switch (item.kind) {
    case Kind::opened: return "opened";
    case Kind::event: return "event " + std::string{item.event.data} + id + (item.edited ? ", edited" : "");
    case Kind::comment: return "comment" + std::string{item.event.data};
    case Kind::field: return "field " + std::string{item.event.type} + "=" + std::string{item.event.data};
    case Kind::retry: return "retry " + milliseconds_of(item.delay);
    case Kind::dropped: return "dropped " + std::string{to_string(item.end)} + why + (item.incomplete ? ", incomplete" : "");
    case Kind::waiting: return "waiting " + milliseconds_of(item.delay) + why;
    case Kind::resumed: {
        const std::string gap = item.gap ? ", gap of " + std::to_string(item.lost) : "";
        return "resumed " + std::string{to_string(item.outcome)} + gap;
    }
    case Kind::unsendable: return "unsendable";
    case Kind::finished: return "finished" + why;
    }
    return "?";
}

/// Takes items until there are `count` lines or the stream has finished.
template <class Stream>
Awaitable<> record(Stream& stream, Lines& lines, std::size_t count) {
    while (lines.size() < count) {
        const StreamItem item = co_await stream.next_item();
        lines.push_back(describe(item));
        if (item.kind == StreamItem::Kind::finished) co_return;
    }
}

/// A scripted server and a client on the manual clock. No timeout strikes that a test has not set, and every delay is
/// exactly its step: 100 ms, doubled each time.
template <class Traits>
struct BasicWorld {
    using Stream = BasicReconnectingStream<Traits>;
    using Client = BasicSseHttpClient<Traits>;

    BasicWorld() {
        auto& connect = options.client.connect;
        connect.resolve_timeout = connect.connect_timeout = Duration::zero();
        options.client.write_timeout = options.client.response_timeout = Duration::zero();
        options.health.idle = 0ms;
        options.reconnection.backoff.base = 100ms;
        options.reconnection.backoff.jitter = Jitter::none;
    }

    HttpRequest request(std::string_view target = "/events", std::string method = "GET") {
        return HttpRequest{Url::parse(server.url(target)).value(), std::move(method)};
    }

    std::unique_ptr<Stream> open(HttpRequest what) {
        return std::make_unique<Stream>(io.get_executor(), std::move(what), options);
    }
    std::unique_ptr<Stream> open() { return open(request()); }

    /// The next event's data, moving the clock over whatever has to be waited for. "(end)" at the stream's end.
    std::string next(Stream& stream) {
        Task<std::optional<SseEvent>> task{io, stream.next()};
        REQUIRE(advance_clock_until(io, [&task] { return task.done(); }, 1h));
        REQUIRE_FALSE(task.failure());
        return task.value() ? task.value()->data : "(end)";
    }

    Lines events(Stream& stream, std::size_t count) {
        Lines data;
        while (data.size() < count) data.push_back(next(stream));
        return data;
    }

    /// The next `count` items, or all until the stream has finished.
    Lines story(Stream& stream, std::size_t count = 1000) {
        Lines lines;
        Task<void> task{io, record(stream, lines, count)};
        REQUIRE(advance_clock_until(io, [&task] { return task.done(); }, 2h));
        REQUIRE_FALSE(task.failure());
        return lines;
    }

    /// What each request so far said in `Last-Event-ID`; "-" for none, "!" for more than one.
    Lines cursors() {
        Lines ids;
        for (const RecordedRequest& one : server.requests()) {
            if (one.head.fields.count("Last-Event-ID") > 1) ids.push_back("!");
            else ids.emplace_back(one.last_event_id().value_or("-"));
        }
        return ids;
    }

    asio::io_context io;
    BasicScriptedServer<ManualTraits> server{io};
    ReconnectingStreamOptions options;
};

using World = BasicWorld<ManualTraits>;
using Stream = World::Stream;

}  // namespace rejoin::testing

#endif
