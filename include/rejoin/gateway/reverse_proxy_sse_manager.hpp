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

#include <rejoin/gateway/client_session.hpp>
#include <rejoin/gateway/detail/journey.hpp>
#include <rejoin/gateway/detail/stream_setup.hpp>
#include <rejoin/gateway/forwarding.hpp>
#include <rejoin/gateway/head_interceptor.hpp>
#include <rejoin/gateway/http_forwarder.hpp>
#include <rejoin/gateway/http_server.hpp>
#include <rejoin/gateway/resume_request.hpp>
#include <rejoin/gateway/reverse_proxy_options.hpp>
#include <rejoin/gateway/upstream_access.hpp>

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
          access_{executor, options_, metrics_},
          forwarder_{options_.client, options_.body_idle, &heads_},
          directory_{options_.directory},
          ticker_{executor, [this](TimePoint now) { return tick(now); }} {
        options_.stream.forward_retry = options_.stream.forward_retry && !options_.retry;
        const auto is_session = [](const std::string& name) { return detail::iequals(name, "Mcp-Session-Id"); };
        const bool by_session = std::any_of(options_.principal.begin(), options_.principal.end(), is_session);
        if (options_.post == PostStreams::mcp && !by_session) options_.principal.push_back("Mcp-Session-Id");
        if (options_.directory.streams == 0) throw std::system_error{Error::invalid_option};
        const EventLog checked{options_.stream.log};
        if (options_.stream.gap_event.find_first_of("\r\n") != std::string::npos) throw std::system_error{Error::invalid_option};
        ticker_.start(Traits::Clock::now() + tick_interval());
    }

    /// Adds an interceptor of events behind those already there: an `EventInterceptor` for all streams, or an
    /// `InterceptorFactory` that makes one for each. Before the first request.
    template <class T>
    void add_interceptor(T interceptor) {
        interceptors_.add(std::move(interceptor));
    }

    /// Adds one of heads, likewise.
    void add_request_interceptor(RequestInterceptor interceptor) { heads_.add(std::move(interceptor)); }
    void add_response_interceptor(ResponseInterceptor interceptor) { heads_.add(std::move(interceptor)); }

    const GatewayMetrics& metrics() const noexcept { return metrics_; }
    std::size_t streams() const noexcept { return directory_.size(); }

    /// What there is now.
    GatewayGauges gauges() const {
        GatewayGauges now;
        now.streams = directory_.size();
        directory_.for_each([&now](const Stream& stream, bool) {
            now.clients += stream.clients().size();
            now.log_events += stream.log()->size();
            now.log_bytes += stream.log()->bytes();
        });
        return now;
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
        if (climbs(exchange.request.target)) {
            const bool reusable = co_await exchange.respond(400, "bad request target");
            co_return reusable;
        }
        ResumeRequest resume{exchange.request};
        // Whatever a stream answered, a client comes back to it by GET.
        const StreamIdentity identity{exchange.request, "GET", resume.target, options_.principal};
        if (heads_.sees_requests()) {
            const ForwardingContext client{exchange.client_address, "http"};
            auto refusal = heads_.intercept(client, exchange.request);
            if (refusal) {
                const bool reusable = co_await exchange.respond(refusal->status, std::move(refusal->text), std::move(refusal->fields));
                metrics_.responded(exchange.outcome.status);
                co_return reusable;
            }
            resume = ResumeRequest{exchange.request};
        }
        if (exchange.request.method == "GET") {
            auto known = lookup(exchange.request, identity, resume);
            if (known) {
                const bool reusable = co_await continue_stream(exchange, resume, std::move(*known));
                metrics_.responded(exchange.outcome.status);
                co_return reusable;
            }
        }
        const bool reusable = co_await forward(exchange, resume, identity);
        metrics_.responded(exchange.outcome.status);
        // The end of an MCP session, whatever the server thinks of it.
        if (exchange.request.method == "DELETE" && options_.post == PostStreams::mcp) directory_.erase(identity);
        co_return reusable;
    }

    /// Ends all streams over `window`: each client's response ends in the orderly way, between events, after a `retry:` that
    /// spreads its return. Answers that must not be sent twice go on until the window is over, then are cut.
    /// Completes when all are ended.
    Awaitable<> drain(Duration window) {
        draining_ = true;
        std::vector<std::shared_ptr<typename Stream::Writer>> writers;
        directory_.for_each([&](const Stream& stream, bool answers_get) {
            if (answers_get) writers.insert(writers.end(), stream.clients().begin(), stream.clients().end());
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
    using Opened = typename BasicUpstreamAccess<Traits>::Opened;

    using Entry = BasicClientEntry<Traits>;

    using Journey = detail::Journey;

    // --- which stream ---

    std::optional<Entry> lookup(const RequestHead& request, const StreamIdentity& identity, const ResumeRequest& resume) const {
        // Of MCP's clients only those in a session are one client.
        const bool in_session = options_.post == PostStreams::mcp && request.fields.contains("Mcp-Session-Id");
        const bool exclusive = options_.sharing == Sharing::exclusive || in_session;
        if (resume.id) {
            auto found = directory_.find(identity, *resume.id);
            if (!found) return std::nullopt;
            if (exclusive) found->stream->displace();
            return Entry{std::move(found->stream), found->cursor};
        }
        if (options_.sharing != Sharing::shared && !exclusive) return std::nullopt;
        const StreamPtr known = directory_.live(identity);
        if (!known) return std::nullopt;
        return Entry{known, exclusive ? known->displace() : known->log()->last()};
    }

    Awaitable<bool> continue_stream(Exchange& exchange, const ResumeRequest& resume, Entry entry) {
        const bool at_end = entry.stream->ended() && entry.cursor == entry.stream->log()->last();
        if (at_end && entry.stream->complete()) {
            // WHATWG HTML 9.2.3: 204 is how a client is told that there is nothing to come back for.
            const bool reusable = co_await exchange.respond(204, std::string{});
            co_return reusable;
        }
        entry.resume = ClientResume::live;
        if (resume.id) {
            metrics_.clients_resumed.add();
            entry.continuity = "exact";
            entry.resume = ClientResume::exact;
            if (options_.post == PostStreams::mcp && mcp_primes(mcp_version(exchange.request))) entry.primer = *resume.id;
        }
        const bool reusable = co_await serve(exchange, std::move(entry));
        co_return reusable;
    }

    // A client whose id is one of the gateway's own that no log has any more: nothing upstream could know it either.
    Awaitable<bool> answer_gap(Exchange& exchange, const std::string& id, StreamPtr kept, Journey journey) {
        const auto seen = MintedId::parse(id);
        const bool known = kept && seen && kept->log()->last() >= seen->sequence;
        metrics_.gap(known ? kept->log()->last() - seen->sequence : 0);
        if (options_.gap == GapPolicy::gone) {
            HttpFields fields;
            fields.set("SSE-Resume", "reset");
            const bool reusable = co_await exchange.respond(410, "event id is gone", std::move(fields));
            co_return reusable;
        }
        if (kept) {
            const EventLog& log = *kept->log();
            const EventLog::Sequence cursor = options_.gap == GapPolicy::oldest ? log.first() - 1 : log.last();
            Entry entry{std::move(kept), cursor};
            entry.resume = ClientResume::gap;
            entry.continuity = gap_header(id, cursor > seen->sequence ? std::to_string(cursor - seen->sequence) : "unknown");
            const bool reusable = co_await serve(exchange, std::move(entry));
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
                        HttpRequest{options_.upstream, request.method}, {}};
        journey.target = request.target;
        journey.resume_target = resume.target;
        if (request.method != "GET") journey.post = post_streams_of(options_.post, request);
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
                journey.target = resume.target;
            }
        } else if (resume.id) {
            journey.head.fields.set("Last-Event-ID", *resume.id);
        }
        journey.origin.headers = journey.head.fields;
        if (request.method == "GET") drop_body(journey.origin);
        journey.origin.headers.erase("Host");  // that of whichever upstream is asked
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
        const bool no_body = exchange.connection->parser().framing() == HttpFraming::none;
        // A resume must not hang on a connection that died in silence, nor anything that can't be sent twice.
        bool fresh = !no_body || !is_idempotent(exchange.request.method) || journey.returning;
        for (;;) {
            metrics_.upstream_requests.add();
            const auto aim = [&journey](const Url& server) { journey.aim(server); };
            Phase phase{};
            auto opened = co_await access_.reach(aim, fresh, phase);
            std::error_code error = opened.error();
            const std::string_view later;  // the body follows beside the wait for the answer
            if (opened) error = co_await access_.client().write_request(*opened->connection, journey.head, later);
            const bool stale = opened && error && !fresh && access_.client().was_stale(*opened, error);
            if (error && !stale) {
                if (opened) phase = Phase::write;
                const bool reusable = co_await unreachable(exchange, std::move(journey), error, phase);
                co_return reusable;
            }
            if (!stale) {
                auto outcome = co_await answer(exchange, std::move(*opened), journey);
                if (outcome) co_return *outcome;
            }
            fresh = true;
        }
    }

    // The response to what has been sent, handed on; nothing when a used connection turned out to be dead.
    Awaitable<std::optional<bool>> answer(Exchange& exchange, Opened opened, Journey& journey) {
        const std::size_t copied = journey.post == PostStreams::mcp ? options_.request_copy : 0;
        const auto upload = forwarder_.start_upload(exchange, opened.connection, copied);
        auto response = co_await forwarder_.read_response(exchange, opened.connection, upload);
        if (!response) {
            co_await forwarder_.end_upload(exchange, *upload);
            if (upload->client_gone || upload->result.read_error) co_return false;
            if (access_.client().was_stale(opened, response.error())) co_return std::nullopt;
            const bool reusable = co_await unreachable(exchange, std::move(journey), response.error(), Phase::response);
            co_return reusable;
        }
        exchange.outcome.upstream = journey.server.origin();
        Response message{std::move(*response), journey.origin.url, std::move(opened.connection), true};
        // What was carried out must not be answered with "come again": where there is no room for a log, it goes without.
        const bool get = exchange.request.method == "GET";
        const bool room = get || !(directory_.full() || draining_);
        const bool stream = message.is_event_stream() && exchange.request.method != "HEAD" && room;
        const bool whole = upload->done && upload->result;
        if (!whole && stream) message.connection().forbid_reuse();
        if (!stream && !(journey.returning && is_passing(message.status()))) {
            const bool reusable = co_await forwarder_.relay(exchange, std::move(message), *upload, !draining_);
            co_return reusable;
        }
        co_await forwarder_.end_upload(exchange, *upload);
        if (upload->done && upload->result) journey.farewell = mcp_farewell(upload->copy);
        std::optional<Response> first;
        if (stream) first.emplace(std::move(message));
        const bool reusable = co_await open_stream(exchange, std::move(journey), std::move(first));
        co_return reusable;
    }

    // A client that comes back must not be told of a failing upstream: for an EventSource any other status than 200 is the
    // end for good. So it gets its stream now, and events once the upstream is back.
    Awaitable<bool> unreachable(Exchange& exchange, Journey journey, std::error_code error, Phase phase) {
        metrics_.upstream_failed(phase);
        if (journey.returning && error != Error::invalid_head) {
            std::optional<Response> none;
            const bool reusable = co_await open_stream(exchange, std::move(journey), std::move(none));
            co_return reusable;
        }
        if (error == Error::circuit_open) {
            HttpFields fields;
            fields.set("Retry-After", "5");
            const bool reusable = co_await exchange.respond(503, "upstream: " + error.message(), std::move(fields));
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

    StreamPtr make_stream(Journey journey, std::optional<Response> first) {
        typename BasicStreamDirectory<Traits>::Keeping keeping;
        keeping.joinable = journey.origin.method == "GET";
        keeping.resumable = keeping.joinable || keeps_for_return(journey.post);
        keeping.linger = keeping.joinable ? directory_.linger() : options_.post_linger;
        LiveStreamOptions live = detail::live_stream_options(options_, journey);
        ReconnectingStreamOptions reading = detail::upstream_options(options_, journey);
        reading.breakers = access_.breakers();
        auto interceptors = interceptors_.for_stream(journey.head, journey.origin.method, journey.origin.url.target);
        auto upstream = std::make_unique<Upstream>(executor_, std::move(journey.origin), std::move(reading));
        if (first) upstream->adopt(std::move(*first));
        auto stream = std::make_shared<Stream>(executor_, std::move(upstream), std::move(live), std::move(interceptors), metrics_);
        directory_.add(journey.identity, stream, keeping);
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
        const bool detached = journey.origin.method != "GET" && journey.post == PostStreams::detach;
        Entry entry{make_stream(std::move(journey), std::move(first)), 0};
        if (!continuity.empty()) entry.resume = ClientResume::gap;
        entry.continuity = std::move(continuity);
        entry.opener = true;
        if (detached) MintedId{entry.stream->epoch(), 0}.append_to(entry.stream_id);
        const bool reusable = co_await serve(exchange, std::move(entry));
        co_return reusable;
    }

    Awaitable<bool> serve(Exchange& exchange, Entry entry) {
        const bool reusable = co_await serve_client(exchange, std::move(entry), options_.writer, options_.retry, heads_, metrics_);
        co_return reusable && !draining_;
    }

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
    GatewayMetrics metrics_;
    BasicUpstreamAccess<Traits> access_;
    BasicHttpForwarder<Traits> forwarder_;
    InterceptorChain interceptors_;
    HeadInterceptors heads_;
    BasicStreamDirectory<Traits> directory_;
    Watchdog<Traits> ticker_;
    bool draining_ = false;
};

using ReverseProxySseManager = BasicReverseProxySseManager<>;

}  // namespace rejoin

#endif
