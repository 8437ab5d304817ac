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
#include <rejoin/gateway/detail/openings.hpp>
#include <rejoin/gateway/detail/stream_factory.hpp>
#include <rejoin/gateway/forwarding.hpp>
#include <rejoin/gateway/head_interceptor.hpp>
#include <rejoin/gateway/http_forwarder.hpp>
#include <rejoin/gateway/http_server.hpp>
#include <rejoin/gateway/resume_planner.hpp>
#include <rejoin/gateway/resume_request.hpp>
#include <rejoin/gateway/reverse_proxy_options.hpp>
#include <rejoin/gateway/stream_drain.hpp>
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
          options_{checked(std::move(options))},
          access_{executor, options_, metrics_},
          forwarder_{options_.client, options_.body_idle, &heads_},
          keys_{options_.keys ? options_.keys : std::make_shared<const IdKeys>()},
          directory_{options_.directory},
          planner_{options_, *keys_, directory_},
          ticker_{executor, [this](TimePoint now) { return tick(now); }} {
        ticker_.start(Traits::Clock::now() + tick_interval(options_));
    }

    /// Adds an interceptor of events behind those already there: an `EventInterceptor` for all streams, or an
    /// `InterceptorFactory` that makes one for each. Before the first request.
    template <class T>
    void add_interceptor(T interceptor) {
        factory_.interceptors().add(std::move(interceptor));
    }

    /// Adds one of heads, likewise.
    void add_request_interceptor(RequestInterceptor interceptor) { heads_.add(std::move(interceptor)); }
    void add_response_interceptor(ResponseInterceptor interceptor) { heads_.add(std::move(interceptor)); }

    const GatewayMetrics& metrics() const noexcept { return metrics_; }
    std::size_t streams() const noexcept { return directory_.size(); }

    /// What there is now.
    GatewayGauges gauges() const {
        GatewayGauges now;
        now.resume_support = planner_.support().value();
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
        Answer answer = co_await this->answer(exchange);
        bool reusable = answer.reusable;
        // Nothing of what led here is in memory while a stream lasts.
        if (answer.stream) reusable = co_await serve_client(exchange, std::move(*answer.stream), options_.writer, options_.retry, heads_, metrics_);
        else metrics_.responded(exchange.outcome.status);
        co_return reusable && !(answer.stream && draining_);
    }

    /// Ends all streams over `window`: each client's response ends in the orderly way, between events, after a `retry:` that
    /// spreads its return. Answers that must not be sent twice go on until the window is over, then are cut.
    /// Completes when all are ended.
    Awaitable<> drain(Duration window) {
        draining_ = true;
        co_await drain_streams(directory_, executor_, window);
        stop();
    }

    /// Cuts everything now. Idempotent.
    void stop() {
        draining_ = true;
        ticker_.stop();
        directory_.stop();
    }

private:
    using Stream = BasicLiveStream<Traits>;
    using StreamPtr = std::shared_ptr<Stream>;
    using Response = BasicMessageResponse<Traits>;
    using Opened = typename BasicUpstreamAccess<Traits>::Opened;
    using Entry = BasicClientEntry<Traits>;
    using Journey = detail::Journey;
    using Plan = BasicResumePlan<Traits>;

    // A request that has been answered, or is to be served from a stream.
    struct Answer {
        Answer(bool reusable_) : reusable{reusable_} {}
        Answer(Entry entry) : stream{std::move(entry)} {}
        bool reusable = false;
        std::optional<Entry> stream = {};
    };

    Awaitable<Answer> answer(Exchange& exchange) {
        const RequestHead& request = exchange.request;
        auto target = origin_form(request.target);
        if (request.method == "CONNECT") {
            const bool reusable = co_await exchange.respond(405, "no tunnels here");
            co_return reusable;
        }
        if (!target || climbs(*target)) {
            const bool reusable = co_await exchange.respond(400, "bad request target");
            co_return reusable;
        }
        // RFC 9112 3.2.2: a target in absolute form names the host, whatever the field says.
        if (const auto url = Url::parse(request.target)) exchange.request.fields.set("Host", url->host_header());
        exchange.request.target = std::move(*target);
        ResumeRequest resume{request};
        const bool get = request.method == "GET";
        // Whatever a stream answered, a client comes back to it by GET. Who asks is settled before anybody changes the request.
        const StreamIdentity identity = identity_of(request, resume.target);
        // An answer that begins a session belongs to what the client will say then.
        std::optional<RequestHead> asked;
        if (options_.post == PostStreams::mcp && !get && !request.fields.contains("Mcp-Session-Id")) asked = request;
        if (heads_.sees_requests()) {
            const ForwardingContext client{exchange.client_address, "http"};
            auto refusal = heads_.intercept(client, exchange.request);
            if (refusal) {
                const bool reusable = co_await exchange.respond(refusal->status, std::move(refusal->text), std::move(refusal->fields));
                co_return reusable;
            }
            resume = ResumeRequest{exchange.request};
        }
        Plan plan;
        if (get) plan = planner_.plan(request, identity, resume.id);
        const std::string& key = identity.text();
        // Who is to be given the same stream waits until there is one, but not for one that fails after the other.
        for (int turn = 0; turn < 2 && openings_.under_way(key) && may_open_shared(exchange, plan, identity); ++turn) {
            co_await openings_.wait(key);
            plan = planner_.plan(request, identity, resume.id);
        }
        std::shared_ptr<void> opening;
        if (may_open_shared(exchange, plan, identity)) opening = openings_.begin(key);
        if (plan.kind == Plan::Kind::log) {
            Answer answer = co_await continue_stream(exchange, identity, resume.id, std::move(plan));
            co_return std::move(answer);
        }
        if (plan.kind == Plan::Kind::over) {
            const bool reusable = co_await exchange.respond(204, std::string{});
            co_return reusable;
        }
        if (plan.kind == Plan::Kind::refused) {
            metrics_.gap(plan.lost);
            HttpFields fields;
            fields.set("SSE-Resume", "reset");
            const bool reusable = co_await exchange.respond(410, "event id is gone", std::move(fields));
            co_return reusable;
        }
        std::string upstream_id = get || !resume.id ? plan.upstream_id : planner_.upstream_id(identity, *resume.id);
        Journey journey = detail::make_journey(options_, request, exchange.client_address, resume, identity, std::move(upstream_id), intercepted());
        if (plan.kind == Plan::Kind::upstream) journey.seen = plan.seen.empty() ? *resume.id : plan.seen;
        if (plan.doubtful) journey.doubtful = *resume.id;
        journey.opening = std::move(opening);
        journey.asked = std::move(asked);
        if (plan.kind == Plan::Kind::gap) {
            Answer answer = co_await answer_gap(exchange, resume.id.value_or(""), std::move(plan), std::move(journey));
            co_return std::move(answer);
        }
        Answer answer = co_await travel(exchange, std::move(journey));
        // The end of an MCP session, where the server knows of none any more.
        const int status = exchange.outcome.status;
        const bool gone = (status >= 200 && status < 300) || status == 404;
        if (request.method == "DELETE" && options_.post == PostStreams::mcp && gone) directory_.erase(identity);
        co_return std::move(answer);
    }

    // Whether the request leads to the one stream that all such requests share, and there is none yet.
    bool may_open_shared(const Exchange& exchange, const Plan& plan, const StreamIdentity& identity) const {
        if (options_.sharing != Sharing::shared || exchange.request.method != "GET" || plan.stream) return false;
        const bool open = plan.kind == Plan::Kind::fresh || plan.kind == Plan::Kind::upstream || plan.kind == Plan::Kind::gap;
        const bool no_body = exchange.connection->parser().framing() == HttpFraming::none;
        return open && no_body && accepts_event_stream(exchange.request.fields) && !directory_.live(identity);
    }

    StreamIdentity identity_of(const RequestHead& request, const std::string& target) const {
        return {request, "GET", target, options_.principal, options_.principal_cookies};
    }

    // --- clients that come back ---

    Awaitable<Answer> continue_stream(Exchange& exchange, const StreamIdentity& identity, std::optional<std::string> id, Plan plan) {
        Entry entry{std::move(plan.stream), plan.cursor};
        if (entry.stream->is_final() && entry.stream->is_over_at(entry.cursor)) {
            // WHATWG HTML 9.2.3: 204 is how a client is told that there is nothing to come back for.
            const bool reusable = co_await exchange.respond(204, std::string{});
            co_return reusable;
        }
        displace(exchange.request, identity, *entry.stream);
        entry.resume = ClientResume::live;
        if (id) {
            metrics_.clients_resumed.add();
            entry.continuity = "exact";
            entry.resume = ClientResume::exact;
            if (options_.post == PostStreams::mcp && mcp_primes(mcp_version(exchange.request))) entry.primer = std::move(*id);
        }
        co_return std::move(entry);
    }

    // The newest connection of a client wins.
    void displace(const RequestHead& request, const StreamIdentity& identity, Stream& stream) {
        if (!planner_.is_exclusive(request)) return;
        stream.displace();
        if (options_.sharing == Sharing::exclusive) directory_.displace(identity);
    }

    Awaitable<Answer> answer_gap(Exchange& exchange, std::string id, Plan plan, Journey journey) {
        metrics_.gap(plan.lost);
        if (plan.stream) {
            displace(exchange.request, journey.identity, *plan.stream);
            Entry entry{std::move(plan.stream), plan.cursor};
            entry.resume = ClientResume::gap;
            entry.continuity = gap_field(id, plan.lost);
            append_gap_event(entry.notice, options_.stream.gap_event, plan.lost > 0 ? "not_kept" : "unknown_id", id, plan.lost);
            co_return std::move(entry);
        }
        journey.begin_anew(id, options_.stream.gap_event);
        Answer answer = co_await travel(exchange, std::move(journey));
        co_return std::move(answer);
    }

    // --- forwarding ---

    Awaitable<Answer> travel(Exchange& exchange, Journey journey) {
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
                Answer answer = co_await unreachable(exchange, std::move(journey), error, phase);
                co_return std::move(answer);
            }
            if (!stale) {
                auto outcome = co_await take_response(exchange, std::move(*opened), journey);
                if (outcome) co_return std::move(*outcome);
            }
            fresh = true;
        }
    }

    // The response to what has been sent, handed on; nothing when a used connection turned out to be dead.
    Awaitable<std::optional<Answer>> take_response(Exchange& exchange, Opened opened, Journey& journey) {
        const std::size_t copied = journey.post == PostStreams::mcp ? options_.request_copy : 0;
        const auto upload = forwarder_.start_upload(exchange, opened.connection, copied);
        auto response = co_await forwarder_.read_response(exchange, opened.connection, upload);
        if (!response) {
            co_await forwarder_.end_upload(exchange, *upload);
            if (upload->client_gone || upload->result.read_error) co_return false;
            if (access_.client().was_stale(opened, response.error())) co_return std::nullopt;
            Answer answer = co_await unreachable(exchange, std::move(journey), response.error(), Phase::response);
            co_return std::move(answer);
        }
        exchange.outcome.upstream = journey.server.origin();
        learn_from(*response, journey);
        if (journey.post == PostStreams::mcp && journey.asked) enter_session(*response, journey);
        Response message{std::move(*response), journey.origin.url, std::move(opened.connection), true};
        // What was carried out must not be answered with "come again": where there is no room for a log, it goes without.
        const bool get = exchange.request.method == "GET";
        const bool room = get || intercepted() || !(directory_.full() || draining_);
        const bool stream = message.is_event_stream() && exchange.request.method != "HEAD" && room;
        const bool whole = upload->done && upload->result;
        if (!whole && stream) message.connection().forbid_reuse();
        if (!stream && intercepted() && is_event_stream(message.head().fields.get("Content-Type").value_or(""))) {
            // Nothing that interceptors are there to hide goes past them.
            co_await forwarder_.end_upload(exchange, *upload);
            const std::error_code unreadable = Error::bad_content_encoding;
            co_await forwarder_.fail(exchange, unreadable);
            co_return false;
        }
        if (!stream && !(journey.returning && is_passing(message.status()))) {
            journey.opening.reset();
            const bool reusable = co_await forwarder_.relay(exchange, std::move(message), *upload, !draining_);
            co_return reusable;
        }
        co_await forwarder_.end_upload(exchange, *upload);
        if (upload->done && upload->result) journey.farewell = mcp_farewell(upload->copy);
        std::optional<Response> first;
        if (stream) first.emplace(std::move(message));
        Answer answer = co_await open_stream(exchange, std::move(journey), std::move(first));
        co_return std::move(answer);
    }

    // MCP's `initialize` is answered with the session that its stream belongs to.
    void enter_session(const ResponseHead& response, Journey& journey) const {
        const auto session = response.fields.get("Mcp-Session-Id");
        if (!session) return;
        journey.asked->fields.set("Mcp-Session-Id", *session);
        journey.identity = identity_of(*journey.asked, journey.asked->target);
        journey.origin.headers.set("Mcp-Session-Id", *session);
    }

    // Ids of the gateway's form that are none of its own mean something upstream only to another gateway, which says in `Via`
    // that it is one, and in `SSE-Resume` what became of the id.
    void learn_from(const ResponseHead& response, Journey& journey) {
        const bool stream = response.status == 200 && is_event_stream(response.fields.get("Content-Type").value_or(""));
        if (stream) planner_.learn_chained(came_through_gateway(response.fields));
        if (!planner_.chained() && !journey.doubtful.empty()) {
            metrics_.gap(0);
            journey.begin_anew(journey.doubtful, options_.stream.gap_event);
        } else if (const auto said = response.fields.get("SSE-Resume"); said && stream && planner_.chained() && journey.returning) {
            journey.continuity = continuity_of(*said, journey.seen);
        }
    }

    // A client that comes back must not be told of a failing upstream: for an EventSource any other status than 200 is the
    // end for good. So it gets its stream now, and events once the upstream is back.
    Awaitable<Answer> unreachable(Exchange& exchange, Journey journey, std::error_code error, Phase phase) {
        metrics_.upstream_failed(phase);
        if (journey.returning && error != Error::invalid_head) {
            if (!journey.doubtful.empty() && !planner_.chained()) journey.begin_anew(journey.doubtful, options_.stream.gap_event);
            std::optional<Response> none;
            Answer answer = co_await open_stream(exchange, std::move(journey), std::move(none));
            co_return std::move(answer);
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

    bool intercepted() noexcept { return !factory_.interceptors().empty(); }

    // Statuses that tell nothing about the stream itself: it may go on once they pass.
    static bool is_passing(int status) {
        return status == 409 || is_retryable_status(status);
    }

    // --- streams ---

    Awaitable<Answer> open_stream(Exchange& exchange, Journey journey, std::optional<Response> first) {
        const bool get = journey.origin.method == "GET";
        StreamPtr main = get && planner_.has_main(exchange.request) ? directory_.live(journey.identity) : nullptr;
        if (main && journey.seen.empty() && planner_.joins_without_id(exchange.request)) {
            // Another client was faster: one stream is enough.
            if (first) first->connection().close();
            const bool gap = !journey.continuity.empty();
            Plan plan;
            plan.cursor = gap && options_.gap == GapPolicy::oldest ? main->log()->first() - 1 : main->log()->last();
            plan.stream = std::move(main);
            std::optional<std::string> none;
            Answer answer = co_await continue_stream(exchange, journey.identity, std::move(none), std::move(plan));
            if (answer.stream && gap) {
                answer.stream->resume = ClientResume::gap;
                answer.stream->continuity = std::move(journey.continuity);
                answer.stream->notice = std::move(journey.notice);
            }
            co_return std::move(answer);
        }
        if ((get || !intercepted()) && (directory_.full() || draining_)) {
            HttpFields fields;
            fields.set("Retry-After", "5");
            const bool reusable = co_await exchange.respond(503, "too many streams", std::move(fields));
            co_return reusable;
        }
        if (get && options_.sharing == Sharing::exclusive) {
            directory_.displace(journey.identity);
            // One that has no id begins anew, and has no use for what was kept for its return.
            if (journey.seen.empty() && main) directory_.retire(*main);
            if (journey.seen.empty()) main = nullptr;
        }
        journey.exclusive = planner_.is_exclusive(exchange.request);
        const bool detached = !get && journey.post == PostStreams::detach;
        const bool primed = !get && journey.post == PostStreams::mcp && mcp_primes(mcp_version(exchange.request));
        const bool returning = journey.returning;
        std::string continuity = std::move(journey.continuity);
        std::string notice = std::move(journey.notice);
        Entry entry{factory_.make(std::move(journey), std::move(first), main, planner_.support()), 0};
        if (returning) entry.resume = ClientResume::upstream;
        if (continuity.starts_with("gap")) entry.resume = ClientResume::gap;
        entry.continuity = std::move(continuity);
        entry.notice = std::move(notice);
        entry.opener = true;
        if (detached) entry.stream_id = entry.stream->own_id(0);
        if (primed) entry.primer = entry.stream->own_id(0);
        co_return std::move(entry);
    }

    // --- time ---

    std::optional<TimePoint> tick(TimePoint now) {
        directory_.check(now);
        return now + tick_interval(options_);
    }

    asio::any_io_executor executor_;
    ReverseProxyOptions options_;
    GatewayMetrics metrics_;
    BasicUpstreamAccess<Traits> access_;
    BasicHttpForwarder<Traits> forwarder_;
    HeadInterceptors heads_;
    std::shared_ptr<const IdKeys> keys_;
    BasicStreamDirectory<Traits> directory_;
    BasicResumePlanner<Traits> planner_;
    detail::StreamFactory<Traits> factory_{executor_, options_, access_, *keys_, directory_, metrics_};
    detail::Openings openings_{executor_};
    Watchdog<Traits> ticker_;
    bool draining_ = false;
};

using ReverseProxySseManager = BasicReverseProxySseManager<>;

}  // namespace rejoin

#endif
