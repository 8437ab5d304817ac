#ifndef REJOIN_GATEWAY_REVERSE_PROXY_SSE_MANAGER_HPP
#define REJOIN_GATEWAY_REVERSE_PROXY_SSE_MANAGER_HPP

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <rejoin/gateway/forwarding.hpp>
#include <rejoin/gateway/http_forwarder.hpp>
#include <rejoin/gateway/http_server.hpp>
#include <rejoin/gateway/resume_request.hpp>
#include <rejoin/gateway/reverse_proxy_options.hpp>

namespace rejoin {

/// A reverse proxy for one upstream whose event streams survive: an upstream that drops is resumed behind the client's open
/// response, a client that comes back with `Last-Event-ID` gets exactly what it missed. Everything else is passed through,
/// streaming, both ways.
///
/// Give `handle()` to a `HttpServer`. Thread safety: one object only from its strand; it must outlive what it handles.
template <class Traits = DefaultTraits>
class BasicReverseProxySseManager {
public:
    using Exchange = BasicHttpExchange<Traits>;

    /// Throws `std::system_error` (`invalid_option`) for options out of their domain.
    BasicReverseProxySseManager(const asio::any_io_executor& executor, ReverseProxyOptions options)
        : executor_{executor},
          options_{std::move(options)},
          client_{options_.client},
          forwarder_{options_.client, options_.body_idle},
          directory_{options_.directory},
          ticker_{executor, [this](TimePoint now) { return tick(now); }} {
        options_.stream.forward_retry = options_.stream.forward_retry && !options_.retry;
        if (options_.directory.streams == 0) throw std::system_error{Error::invalid_option};
        const EventLog checked{options_.stream.log};
        if (options_.stream.gap_event.find_first_of("\r\n") != std::string::npos) throw std::system_error{Error::invalid_option};
        ticker_.start(Traits::Clock::now() + tick_interval());
    }

    /// Adds an interceptor behind those already there. Before the first request.
    void add_interceptor(EventInterceptor interceptor) { interceptors_.add(std::move(interceptor)); }

    const GatewayMetrics& metrics() const noexcept { return metrics_; }
    std::size_t streams() const noexcept { return directory_.size(); }

    /// Bytes that all logs hold.
    std::size_t log_bytes() const {
        std::size_t bytes = 0;
        directory_.for_each([&](const Stream& stream, bool) { bytes += stream.log()->bytes(); });
        return bytes;
    }

    /// Answers one request; the result tells whether the connection may take another.
    Awaitable<bool> handle(Exchange& exchange) {
        metrics_.requests.add();
        auto target = origin_form(exchange.request.target);
        const bool tunnel = exchange.request.method == "CONNECT";
        if (tunnel) {
            const bool reusable = co_await exchange.respond(405, "no tunnels here");
            co_return reusable;
        }
        if (!target) {
            const bool reusable = co_await exchange.respond(400, "bad request target");
            co_return reusable;
        }
        exchange.request.target = std::move(*target);
        const ResumeRequest resume{exchange.request};
        const StreamIdentity identity{exchange.request, resume.target, options_.principal};
        if (exchange.request.method == "GET") {
            auto known = lookup(identity, resume);
            if (known) {
                const bool reusable = co_await continue_stream(exchange, resume, std::move(*known));
                co_return reusable;
            }
        }
        const bool reusable = co_await forward(exchange, resume, identity);
        co_return reusable;
    }

    /// Ends all streams over `window`: each client's response ends in the orderly way, between events, after a `retry:` that
    /// spreads its return. Answers that must not be sent twice go on until the window is over, then are cut.
    /// Completes when all are ended.
    Awaitable<> drain(Duration window) {
        draining_ = true;
        std::vector<std::shared_ptr<typename Stream::Writer>> writers;
        directory_.for_each([&](const Stream& stream, bool resumable) {
            if (resumable) writers.insert(writers.end(), stream.clients().begin(), stream.clients().end());
        });
        std::minstd_rand random{std::random_device{}()};
        std::shuffle(writers.begin(), writers.end(), random);
        std::uniform_int_distribution<int> spread{500, 3000};
        typename Traits::Timer pause{executor_};
        std::error_code ignored;
        // At most about a hundred steps: a step for each of many thousand clients would be all timer.
        const std::size_t step = std::max<std::size_t>(1, writers.size() / 100);
        const auto steps = static_cast<Duration::rep>(writers.size() / step + 1);
        for (std::size_t i = 0; i < writers.size(); ++i) {
            std::string retry = "retry: " + std::to_string(spread(random)) + "\n";
            writers[i]->close_now(retry);
            if ((i + 1) % step != 0) continue;
            pause.expires_after(window / steps);
            co_await pause.async_wait(detail::to_error(ignored));
        }
        const TimePoint until = Traits::Clock::now() + window;
        while (has_clients() && Traits::Clock::now() < until) {
            pause.expires_after(std::chrono::milliseconds{20});
            co_await pause.async_wait(detail::to_error(ignored));
        }
        stop();
    }

    /// Cuts everything now. Idempotent.
    void stop() {
        draining_ = true;
        ticker_.stop();
        directory_.for_each([](Stream& stream, bool) {
            stream.stop();
            for (const auto& client : stream.clients()) client->stop();
        });
    }

private:
    using Stream = BasicLiveStream<Traits>;
    using StreamPtr = std::shared_ptr<Stream>;
    using Writer = BasicClientWriter<Traits>;
    using Upstream = BasicReconnectingStream<Traits>;
    using Response = BasicMessageResponse<Traits>;
    using Found = typename BasicStreamDirectory<Traits>::Found;

    // What one request needs on its way upstream, and what its stream will be reconnected with.
    struct Journey {
        StreamIdentity identity;
        RequestHead head;
        HttpRequest origin;
        std::string continuity;
        bool returning = false;
    };

    // --- which stream ---

    std::optional<Found> lookup(const StreamIdentity& identity, const ResumeRequest& resume) const {
        if (resume.id) return directory_.find(identity, *resume.id);
        if (!options_.share) return std::nullopt;
        const StreamPtr shared = directory_.live(identity);
        if (!shared) return std::nullopt;
        return Found{shared, shared->log()->last()};
    }

    Awaitable<bool> continue_stream(Exchange& exchange, const ResumeRequest& resume, Found found) {
        const bool at_end = found.stream->ended() && found.cursor == found.stream->log()->last();
        if (at_end && found.stream->complete()) {
            // WHATWG HTML 9.2.3: 204 is how a client is told that there is nothing to come back for.
            const bool reusable = co_await exchange.respond(204, std::string{});
            co_return reusable;
        }
        std::string continuity;
        if (resume.id) {
            metrics_.clients_resumed.add();
            continuity = "exact";
        }
        const bool reusable = co_await serve(exchange, std::move(found), std::move(continuity), false);
        co_return reusable;
    }

    // A client whose id is one of the gateway's own that no log has any more: nothing upstream could know it either.
    Awaitable<bool> answer_gap(Exchange& exchange, const std::string& id, StreamPtr kept, Journey journey) {
        metrics_.gaps.add();
        if (options_.gap == GapPolicy::gone) {
            HttpFields fields;
            fields.set("SSE-Resume", "reset");
            const bool reusable = co_await exchange.respond(410, "event id is gone", std::move(fields));
            co_return reusable;
        }
        if (kept) {
            const EventLog& log = *kept->log();
            const EventLog::Sequence seen = MintedId::parse(id)->sequence;
            const EventLog::Sequence cursor = options_.gap == GapPolicy::oldest ? log.first() - 1 : log.last();
            std::string continuity = gap_header(id, cursor > seen ? std::to_string(cursor - seen) : "unknown");
            Found found{std::move(kept), cursor};
            const bool reusable = co_await serve(exchange, std::move(found), std::move(continuity), false);
            co_return reusable;
        }
        journey.continuity = gap_header(id, "unknown");
        const bool reusable = co_await travel(exchange, std::move(journey));
        co_return reusable;
    }

    static std::string gap_header(const std::string& id, const std::string& lost) { return "gap; from=" + id + "; lost=" + lost; }

    // --- forwarding ---

    Awaitable<bool> forward(Exchange& exchange, const ResumeRequest& resume, const StreamIdentity& identity) {
        const ForwardingContext context{exchange.client_address, "http"};
        const RequestHead& request = exchange.request;
        Journey journey{identity, upstream_request(request, options_.upstream, request.target, context),
                        HttpRequest{options_.upstream, request.method}, {}, false};
        journey.origin.url.target = upstream_target(options_.upstream, resume.target);
        journey.head.fields.erase("Last-Event-ID");
        std::optional<std::string> gone;
        if (resume.id && request.method == "GET") {
            journey.returning = true;
            const bool own = options_.stream.ids == IdMode::minted || MintedId::parse(*resume.id);
            // Only what may stand in a header goes out as one; the query can bring anything.
            EventTracker cursor{options_.tracker};
            cursor.seed(*resume.id);
            const auto sendable = own ? std::nullopt : cursor.header_value();
            if (sendable) {
                journey.head.fields.set("Last-Event-ID", *sendable);
            } else {
                gone = own ? *resume.id : "unsendable";
                journey.head.target = journey.origin.url.target;
            }
        } else if (resume.id) {
            journey.head.fields.set("Last-Event-ID", *resume.id);
        }
        journey.origin.headers = journey.head.fields;
        if (gone) {
            const auto id = MintedId::parse(*gone);
            StreamPtr kept = id ? directory_.of_epoch(identity, id->epoch) : nullptr;
            const bool reusable = co_await answer_gap(exchange, *gone, std::move(kept), std::move(journey));
            co_return reusable;
        }
        const bool reusable = co_await travel(exchange, std::move(journey));
        co_return reusable;
    }

    Awaitable<bool> travel(Exchange& exchange, Journey journey) {
        metrics_.upstream_requests.add();
        auto connection = co_await client_.open(journey.origin.url);
        std::error_code error = connection.error();
        const std::string_view no_body;  // it follows beside the wait for the answer
        if (connection) error = co_await client_.write_request(**connection, journey.head, no_body);
        if (error) {
            const bool reusable = co_await unreachable(exchange, std::move(journey), error);
            co_return reusable;
        }
        const auto upload = forwarder_.start_upload(exchange, *connection);
        auto response = co_await forwarder_.read_response(exchange, *connection, upload);
        if (!response) {
            co_await forwarder_.end_upload(exchange, *upload);
            if (upload->client_gone || upload->result.read_error) co_return false;
            const bool reusable = co_await unreachable(exchange, std::move(journey), response.error());
            co_return reusable;
        }
        Response message{std::move(*response), journey.origin.url, std::move(*connection)};
        const bool stream = message.is_event_stream() && exchange.request.method != "HEAD";
        if (!stream && !(journey.returning && is_passing(message.status()))) {
            const bool reusable = co_await forwarder_.relay(exchange, std::move(message), *upload, !draining_);
            co_return reusable;
        }
        co_await forwarder_.end_upload(exchange, *upload);
        std::optional<Response> first;
        if (stream) first.emplace(std::move(message));
        const bool reusable = co_await open_stream(exchange, std::move(journey), std::move(first));
        co_return reusable;
    }

    // A client that comes back must not be told of a failing upstream: for an EventSource any other status than 200 is the
    // end for good. So it gets its stream now, and events once the upstream is back.
    Awaitable<bool> unreachable(Exchange& exchange, Journey journey, std::error_code error) {
        metrics_.upstream_failures.add();
        if (journey.returning && error != Error::invalid_head) {
            std::optional<Response> none;
            const bool reusable = co_await open_stream(exchange, std::move(journey), std::move(none));
            co_return reusable;
        }
        co_await forwarder_.fail(exchange, error);
        co_return false;
    }

    // Statuses that tell nothing about the stream itself: it may go on once they pass.
    static bool is_passing(int status) {
        return status == 409 || is_retryable_status(status);
    }

    // --- streams ---

    ReconnectingStreamOptions stream_options(bool resumable) const {
        ReconnectingStreamOptions options;
        options.client = options_.client;
        options.parser.limits = options_.limits;
        options.parser.utf8 = Utf8Mode::pass;
        options.tracker = options_.tracker;
        options.health = options_.health;
        options.reconnection = options_.reconnection;
        options.error_body = 0;
        if (!resumable) {
            options.reconnection.policy = once_only;
        } else if (!options.reconnection.policy) {
            options.reconnection.policy = resilient_retry_policy();
        }
        return options;
    }

    // What a request with side effects has caused is not caused again: its stream ends as it ended upstream.
    static Decision once_only(const Attempt& attempt) {
        if (attempt.end == EndReason::complete || attempt.end == EndReason::close_delimited) return Decision::stop();
        return Decision::fail(Error::not_resumable);
    }

    StreamPtr make_stream(Journey journey, std::optional<Response> first) {
        const bool resumable = journey.origin.method == "GET";
        std::string method = journey.origin.method;
        std::string target = journey.origin.url.target;
        auto upstream = std::make_unique<Upstream>(executor_, std::move(journey.origin), stream_options(resumable));
        if (first) upstream->adopt(std::move(*first));
        auto stream = std::make_shared<Stream>(executor_, std::move(upstream), std::move(method), std::move(target), options_.stream,
                                               interceptors_, metrics_);
        directory_.add(journey.identity, stream, resumable);
        stream->start();
        return stream;
    }

    Awaitable<bool> open_stream(Exchange& exchange, Journey journey, std::optional<Response> first) {
        if (directory_.full() || draining_) {
            HttpFields fields;
            fields.set("Retry-After", "5");
            const bool reusable = co_await exchange.respond(503, "too many streams", std::move(fields));
            co_return reusable;
        }
        std::string continuity = std::move(journey.continuity);
        Found found{make_stream(std::move(journey), std::move(first)), 0};
        const bool reusable = co_await serve(exchange, std::move(found), std::move(continuity), true);
        co_return reusable;
    }

    // `opener`: the client whose request made the stream, which alone is meant by the upstream's Set-Cookie.
    Awaitable<bool> serve(Exchange& exchange, Found found, std::string continuity, bool opener) {
        const bool chunked = exchange.http_1_1();
        ResponseHead head = stream_response(found.stream->upstream_head(), chunked, opener);
        if (!continuity.empty()) head.fields.set("SSE-Resume", continuity);
        const bool keep = chunked && exchange.connection->parser().keep_alive();
        if (!keep) head.fields.set("Connection", "close");
        std::string bytes;
        if (write_head(bytes, head)) {
            head = stream_response(nullptr, chunked);
            static_cast<void>(write_head(bytes, head));
        }
        std::string lines;
        if (options_.retry) lines = "retry: " + std::to_string(options_.retry->count()) + "\n";
        lines += ":\n";

        const auto writer = std::make_shared<Writer>(exchange.connection, found.stream->log(), found.cursor, chunked, options_.writer);
        metrics_.clients_opened.add();
        const std::weak_ptr<Stream> stream = found.stream;
        writer->start(std::move(bytes), lines, [stream] {
            if (const auto alive = stream.lock()) alive->on_space();
        });
        const Attached attached{found.stream, writer};
        co_await writer->wait_end();
        if (writer->end() == Writer::End::too_slow) metrics_.clients_too_slow.add();
        metrics_.heartbeats.add(writer->heartbeats());
        metrics_.events_delivered.add(writer->cursor() - found.cursor);
        co_return writer->end() == Writer::End::completed && keep && !draining_;
    }

    struct Attached {
        Attached(StreamPtr stream_, std::shared_ptr<Writer> writer_) : stream{std::move(stream_)}, writer{std::move(writer_)} {
            stream->attach(writer);
        }
        ~Attached() {
            stream->detach(writer);
            writer->stop();
        }
        Attached(const Attached&) = delete;
        StreamPtr stream;
        std::shared_ptr<Writer> writer;
    };

    // --- time ---

    Duration tick_interval() const {
        Duration interval = std::chrono::seconds{1};
        for (const Duration due : {options_.writer.heartbeat, options_.writer.write_deadline, options_.directory.linger}) {
            if (due > Duration::zero()) interval = std::min(interval, due / 4);
        }
        return std::max<Duration>(interval, std::chrono::milliseconds{10});
    }

    std::optional<TimePoint> tick(TimePoint now) {
        directory_.check(now);
        return now + tick_interval();
    }

    bool has_clients() const {
        bool any = false;
        directory_.for_each([&](const Stream& stream, bool) { any = any || !stream.clients().empty(); });
        return any;
    }

    asio::any_io_executor executor_;
    ReverseProxyOptions options_;
    BasicSseHttpClient<Traits> client_;
    BasicHttpForwarder<Traits> forwarder_;
    InterceptorChain interceptors_;
    GatewayMetrics metrics_;
    BasicStreamDirectory<Traits> directory_;
    Watchdog<Traits> ticker_;
    bool draining_ = false;
};

using ReverseProxySseManager = BasicReverseProxySseManager<>;

}  // namespace rejoin

#endif
