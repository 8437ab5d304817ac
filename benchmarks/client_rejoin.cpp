// rejoin's client in the client benchmark (client.sh runs it): `streams` ReconnectingStreams on one thread. One line of
// name=value pairs, as the other clients print it:
//
//     bench_client_rejoin full next|views      events as fast as they come. next: `next()`, an owning event and an await for
//                                              each; views: `wait()` and `try_next()`, an await for each read
//     bench_client_rejoin idle views           opens all, holds them for `seconds`, then has one event sent to each
//     bench_client_rejoin storm views|manager  the server is killed and comes back. manager: a ReconnectionManager, where
//                                              a circuit breaker stands between the streams and their server

#include <csignal>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>

#include <rejoin/client/reconnection_manager.hpp>
#include <rejoin/net/async_event.hpp>
#include <rejoin/net/deadline.hpp>

#include "client_measure.hpp"

namespace {

using namespace rejoin;
using namespace rejoin::bench;

struct Totals {
    std::uint64_t events = 0;
    std::uint64_t data_bytes = 0;  // read, so that nothing is optimised away
    std::size_t ready = 0;         // streams that have had an event
    std::size_t open = 0;
    std::size_t dropped = 0;
    std::size_t retries = 0;  // attempts after a wait
    std::size_t gaps = 0;
};

class Bench {
public:
    explicit Bench(const ClientOptions& options) : options_{options}, changed_{io_.get_executor()} {
        if (options.mode != "manager") return;
        ReconnectionManagerOptions manager;
        // Tried again each second, as long as the outage is short.
        manager.breaker.open_for = std::chrono::seconds{1};
        manager_.emplace(io_.get_executor(), manager);
    }

    void run() {
        rejoin::spawn(io_.get_executor(), measure());
        io_.run();
    }

private:
    using Kind = StreamItem::Kind;

    // --- the streams ---

    std::shared_ptr<ReconnectingStream> make_stream() {
        const std::string url = "http://127.0.0.1:" + std::to_string(options_.port) + target_of(options_);
        HttpRequest request{Url::parse(url).value()};
        if (manager_) return manager_->open(std::move(request)).value();
        return std::make_shared<ReconnectingStream>(io_.get_executor(), std::move(request));
    }

    Awaitable<> read_owning(std::shared_ptr<ReconnectingStream> stream) {
        for (bool first = true;; first = false) {
            const std::optional<SseEvent> event = co_await stream->next();
            if (!event) co_return;
            ++totals_.events;
            totals_.data_bytes += event->data.size();
            if (first) note(totals_.ready);
        }
    }

    Awaitable<> read_views(std::shared_ptr<ReconnectingStream> stream) {
        bool ready = false;
        StreamItem item;
        for (bool more = true; more;) {
            while (stream->try_next(item)) {
                if (item.kind != Kind::event) {
                    take(item);
                    continue;
                }
                ++totals_.events;
                totals_.data_bytes += item.event.data.size();
                if (!ready) note(totals_.ready);
                else if (waits_for_events_) changed_.notify();
                ready = true;
            }
            more = co_await stream->wait();
        }
    }

    void take(const StreamItem& item) {
        switch (item.kind) {
        case Kind::opened: note(totals_.open); break;
        case Kind::dropped:
            --totals_.open;
            note(totals_.dropped);
            break;
        case Kind::waiting: ++totals_.retries; break;
        case Kind::resumed: totals_.gaps += item.gap ? 1 : 0; break;
        default: break;
        }
    }

    void note(std::size_t& counter) {
        ++counter;
        changed_.notify();
    }

    // --- the story ---

    Awaitable<> measure() {
        const double memory = own_resident_bytes();
        co_await open_all();
        if (options_.scenario == "full") co_await full();
        else if (options_.scenario == "idle") co_await idle(memory);
        else co_await storm();
        std::fflush(stdout);
        io_.stop();
    }

    // True when `condition` came to hold within `limit` seconds. It is looked at whenever a stream has changed.
    Awaitable<bool> until(std::function<bool()> condition, double limit) {
        const Deadline<> deadline{io_.get_executor(), std::chrono::nanoseconds{seconds(limit)}, [this] { changed_.notify(); }};
        while (!condition() && !deadline.expired()) co_await changed_.wait();
        co_return condition();
    }

    Awaitable<> sleep(double time) {
        asio::steady_timer timer{io_.get_executor(), std::chrono::nanoseconds{seconds(time)}};
        co_await timer.async_wait(asio::use_awaitable);
    }

    Awaitable<> open_all() {
        const bool owning = options_.mode == "next";
        const double step = 10 / options_.ramp;
        while (streams_.size() < options_.streams) {
            for (int i = 0; i < 10 && streams_.size() < options_.streams; ++i) {
                streams_.push_back(make_stream());
                rejoin::spawn(io_.get_executor(), owning ? read_owning(streams_.back()) : read_views(streams_.back()));
            }
            co_await sleep(step);
        }
        const auto all_ready = [this] { return totals_.ready == options_.streams; };
        co_await until(all_ready, 20);
    }

    Awaitable<> full() {
        co_await sleep(1);
        const std::uint64_t events = totals_.events;
        const Window window{options_.load};
        co_await sleep(options_.seconds);
        print_full(window, totals_.events - events, totals_.ready, options_);
    }

    Awaitable<> idle(double memory) {
        co_await sleep(1);
        const Window window{options_.load};
        const std::size_t dropped = totals_.dropped;
        co_await sleep(options_.seconds);
        IdleFigures figures;
        figures.cpu_ms_per_s = window.cpu() * 1e3 / window.seconds();
        figures.stream_bytes = (own_resident_bytes() - memory) / static_cast<double>(options_.streams);
        figures.open = totals_.open;
        figures.dropped = totals_.dropped - dropped;
        figures.sockets = open_sockets();
        const std::uint64_t events = totals_.events;
        waits_for_events_ = true;
        kill(options_.load, SIGUSR1);
        const auto all_rang = [this, events] { return totals_.events - events == options_.streams; };
        co_await until(all_rang, 10);
        figures.alive = static_cast<std::size_t>(totals_.events - events);
        print_idle(window, figures, options_);
    }

    Awaitable<> storm() {
        co_await sleep(1);
        const Totals before = totals_;
        const Window window{options_.load};
        kill(options_.load, SIGUSR2);
        co_await sleep(options_.away);
        StormFigures figures;
        figures.away_s = window.seconds();
        figures.away_cpu = window.cpu();
        figures.away_attempts = totals_.retries - before.retries;
        // Back is a stream that was dropped, is open again, and has given the event behind its cursor.
        const auto back = [this, &before](std::size_t count) {
            return totals_.dropped - before.dropped >= count && totals_.events - before.events >= count;
        };
        waits_for_events_ = true;
        co_await until([&] { return back((options_.streams + 1) / 2); }, 60);
        figures.half_s = window.seconds() - options_.away;
        co_await until([&] { return back(options_.streams) && totals_.open == options_.streams; }, 60);
        figures.all_s = window.seconds() - options_.away;
        figures.all_cpu = window.cpu();
        figures.attempts = totals_.retries - before.retries;
        figures.open = totals_.open;
        figures.dropped = totals_.dropped - before.dropped;
        figures.events = static_cast<std::size_t>(totals_.events - before.events);
        figures.gaps = totals_.gaps;
        print_storm(window, figures, options_);
    }

    asio::io_context io_{1};
    ClientOptions options_;
    std::optional<ReconnectionManager> manager_;
    AsyncEvent changed_;
    std::vector<std::shared_ptr<ReconnectingStream>> streams_;
    Totals totals_;
    bool waits_for_events_ = false;
};

}  // namespace

int main(int argc, char** argv) {
    const ClientOptions options = parse_client_options(argc, argv, "next|views|manager");
    Bench{options}.run();
    return 0;
}
