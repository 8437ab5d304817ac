#ifndef REJOIN_TESTING_FLAKY_UPSTREAM_HPP
#define REJOIN_TESTING_FLAKY_UPSTREAM_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <asio/io_context.hpp>

#include <rejoin/http/message.hpp>
#include <rejoin/net/deadline.hpp>
#include <rejoin/net/traits.hpp>
#include <rejoin/testing/detail/regular_routes.hpp>
#include <rejoin/testing/detail/served_connection.hpp>
#include <rejoin/testing/flaky_history.hpp>
#include <rejoin/testing/flaky_options.hpp>
#include <rejoin/testing/flaky_stream.hpp>

namespace rejoin::testing {

/// An SSE server with a history (`FlakyHistory`) that cuts its responses, on the `io_context` of the code under test.
///
/// - GET and POST of any target are answered with an event stream. Each response is its own view of the one history: a
///   request without `Last-Event-ID` begins at event 1, one with the id of event k where `FlakyOptions::replay` says. An
///   empty or unknown id counts as none. Without ids (`FlakyIds::none`) nobody can resume, so everyone begins at 1.
/// - `FlakyReplay::none`: every response begins with what is live. At a rate, event n has its time counted from the first
///   request on, whether or not anybody listens; without one, live is behind the last event that anybody was sent, and
///   `lost` more are skipped.
/// - A body of a stream request is read whole before the answer and recorded in the statistics.
/// - `/plain` is a regular response, `/plain/N` one of N bytes; `/echo` sends the request's body back as it comes;
///   `/status/CODE` answers with that status. HEAD of anything gives the head alone. Other methods on a stream: 405.
/// - A client that half-closes its side is taken to have left.
///
/// The object may be destroyed at any time before its `io_context`: everything is closed. Thread safety: one strand.
template <class Traits = DefaultTraits>
class BasicFlakyUpstream {
public:
    /// Listens. Throws `std::system_error` when an option is out of its domain or the address can't be had.
    BasicFlakyUpstream(const asio::any_io_executor& executor, FlakyOptions options)
        : state_{std::make_shared<State>(executor, std::move(options))} {
        if (const auto error = validate(state_->options)) throw std::system_error{error, "FlakyOptions"};
        state_->endpoint = {asio::ip::make_address(state_->options.address), state_->options.port};
        listen();
        if (state_->options.outage_every > Duration::zero()) {
            spawn(executor, outages(state_));
        }
    }
    BasicFlakyUpstream(asio::io_context& io, FlakyOptions options)
        : BasicFlakyUpstream{asio::any_io_executor{io.get_executor()}, std::move(options)} {}

    ~BasicFlakyUpstream() { stop(); }

    BasicFlakyUpstream(const BasicFlakyUpstream&) = delete;
    BasicFlakyUpstream& operator=(const BasicFlakyUpstream&) = delete;

    asio::ip::tcp::endpoint endpoint() const noexcept { return state_->endpoint; }
    std::uint16_t port() const noexcept { return state_->endpoint.port(); }
    /// "HOST:PORT", an IPv6 host in brackets.
    std::string authority() const {
        const std::string host = state_->endpoint.address().to_string();
        return (state_->endpoint.address().is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(port());
    }
    std::string url(std::string_view target = "/") const { return "http://" + authority().append(target); }

    const FlakyStats& stats() const noexcept { return state_->stats; }
    FlakyHistory history() const { return FlakyHistory{state_->options.ids, state_->options.data_size}; }

    /// Changes here hold for responses that begin afterwards; address, port and outages are fixed.
    FlakyOptions& options() noexcept { return state_->options; }

    /// Called with one line for everything that happens, without line end; for programs.
    void on_log(std::function<void(std::string_view)> log) { state_->log = std::move(log); }

    /// Cuts all open streams now, in the given way.
    void cut_all(FlakyEnd end) {
        for (const SessionPtr& session : sessions()) {
            if (!session->streaming) continue;
            session->forced = end;
            session->connection->wake();
        }
    }

    /// Refuses connections from now on; those there are go on.
    void refuse() {
        std::error_code ignored;
        state_->acceptor.close(ignored);
    }

    /// Accepts connections again, on the same port.
    void listen() { listen(state_); }

    /// From now on stream requests get this status; nothing = as usual again.
    void answer_with(std::optional<int> status) noexcept { state_->forced_status = status; }

    /// Closes everything, by FIN. Idempotent.
    void stop() {
        state_->stopped = true;
        refuse();
        state_->outage_timer.cancel();
        for (const SessionPtr& session : sessions()) session->connection->close();
    }

    std::size_t open_connections() const noexcept { return state_->sessions.size(); }

private:
    using Connection = detail::ServedConnection<Traits>;

    struct Session {
        explicit Session(std::shared_ptr<Connection> connection_) : connection{std::move(connection_)} {}
        std::shared_ptr<Connection> connection;
        std::optional<FlakyEnd> forced;
        bool streaming = false;
    };
    using SessionPtr = std::shared_ptr<Session>;

    struct State {
        State(const asio::any_io_executor& executor_, FlakyOptions options_)
            : executor{executor_}, options{std::move(options_)}, acceptor{executor_}, outage_timer{executor_} {}

        void say(std::string_view what, const Session& session) const {
            if (log) log("connection " + std::to_string(session.connection->number()) + ": " + std::string{what});
        }

        asio::any_io_executor executor;
        FlakyOptions options;
        FlakyStats stats;
        asio::ip::tcp::acceptor acceptor;
        asio::ip::tcp::endpoint endpoint;
        typename Traits::Timer outage_timer;
        std::function<void(std::string_view)> log;
        std::set<SessionPtr> sessions;
        std::optional<TimePoint> live_since;
        std::optional<int> forced_status;
        std::uint64_t highest_sent = 0;
        unsigned generation = 0;
        bool outage = false;
        bool stopped = false;
    };
    using StatePtr = std::shared_ptr<State>;

    // Closing ends coroutines, though not at once; a copy is safe whatever they do.
    std::set<SessionPtr> sessions() const { return state_->sessions; }

    static void listen(const StatePtr& state) {
        auto& acceptor = state->acceptor;
        if (acceptor.is_open()) return;
        acceptor.open(state->endpoint.protocol());
        acceptor.set_option(asio::socket_base::reuse_address{true});
        acceptor.bind(state->endpoint);
        acceptor.listen();
        state->endpoint = acceptor.local_endpoint();
        rejoin::spawn(state->executor, accept(state, ++state->generation));
    }

    static Awaitable<> accept(StatePtr state, unsigned generation) {
        for (;;) {
            typename Traits::Socket socket{state->executor};
            std::error_code error;
            co_await state->acceptor.async_accept(socket, rejoin::detail::to_error(error));
            if (generation != state->generation || state->stopped || !state->acceptor.is_open()) co_return;
            if (error) continue;
            const auto connection = std::make_shared<Connection>(std::move(socket), ++state->stats.connections);
            const auto session = std::make_shared<Session>(connection);
            state->sessions.insert(session);
            rejoin::spawn(state->executor, serve(state, session));
        }
    }

    static Awaitable<> serve(StatePtr state, SessionPtr session) {
        const auto connection = session->connection;
        for (bool again = true; again && connection->is_open();) {
            auto head = co_await connection->http().read_head(Duration::zero(), Error::header_timeout);
            if (!head) break;
            ++state->stats.requests;
            if (state->log) state->say(head->method + " " + head->target, *session);
            const bool keep_alive = connection->http().parser().keep_alive();
            if (state->options.regular_routes && detail::is_regular_route(head->target)) {
                again = co_await detail::answer_regular(connection, *head);
            } else {
                again = co_await answer_stream(state, session, *head);
            }
            again = again && keep_alive;
        }
        connection->close();
        state->sessions.erase(session);
    }

    // True when the connection is good for another request.
    static Awaitable<bool> answer_stream(StatePtr state, SessionPtr session, const RequestHead& head) {
        const auto connection = session->connection;
        std::string body;
        const bool whole = co_await detail::read_body(connection, head, body, state->options.kept_body_bytes);
        if (!whole) co_return false;
        FlakyStats& stats = state->stats;
        if (!body.empty() && stats.bodies.size() < state->options.kept_bodies) stats.bodies.push_back(std::move(body));
        if (head.method == "POST") ++stats.posts;

        const FlakyOptions options = state->options;
        const auto id = head.fields.get("Last-Event-ID");
        if (id) ++stats.resumed;
        ResponseHead response;
        if (head.method != "GET" && head.method != "POST" && head.method != "HEAD") {
            response.status = 405;
        } else if (state->forced_status || (state->outage && options.outage == FlakyOutage::status)) {
            response.status = state->forced_status.value_or(options.outage_status);
            ++stats.refused;
        }
        FlakyPlan plan;
        plan.begin = Traits::Clock::now();
        plan.end = options.ends[stats.streams % options.ends.size()];
        plan.chunked = head.minor == 1 && plan.end != FlakyEnd::close_delimited;
        place(*state, id, plan);
        const bool over = options.events != 0 && plan.first > options.events;
        if (response.status == 200 && over && options.after_last == FlakyAfterLast::no_content) {
            response.status = 204;
            ++stats.no_content;
        }
        if (response.status != 200) {
            if (state->log) state->say(std::to_string(response.status), *session);
            if (response.status != 204) response.fields.add("Content-Length", "0");
            const bool alive = co_await detail::write_response(connection, response);
            co_return alive;
        }
        response.fields.add("Content-Type", "text/event-stream");
        response.fields.add("Cache-Control", "no-cache");
        if (plan.chunked) response.fields.add("Transfer-Encoding", "chunked");
        else response.fields.add("Connection", "close");
        bool alive = co_await detail::write_response(connection, response);
        if (!alive || head.method == "HEAD") co_return alive && plan.chunked;

        ++stats.streams;
        stats.most_streams = std::max(stats.most_streams, ++stats.open_streams);
        session->streaming = true;
        session->forced.reset();
        alive = co_await stream(state, session, options, plan);
        session->streaming = false;
        --stats.open_streams;
        co_return alive;
    }

    // Where in the history a request begins.
    static void place(State& state, std::optional<std::string_view> id, FlakyPlan& plan) {
        const FlakyOptions& options = state.options;
        if (!state.live_since) state.live_since = plan.begin;
        if (options.replay == FlakyReplay::none && options.rate > 0) {
            plan.first = FlakyStream::live_at(*state.live_since, plan.begin, options.rate);
            plan.live_since = state.live_since;
            return;
        }
        if (options.replay == FlakyReplay::none) {
            plan.first = state.highest_sent == 0 ? 1 : state.highest_sent + 1 + options.lost;
            return;
        }
        const FlakyHistory history{options.ids, options.data_size};
        const auto seen = id ? history.number(*id) : std::nullopt;
        if (!seen) return;
        plan.seen = *seen;
        const bool nothing_left = options.events != 0 && *seen >= options.events;
        switch (options.replay) {
        case FlakyReplay::exact: plan.first = *seen + 1; break;
        case FlakyReplay::inclusive: plan.first = std::max<std::uint64_t>(*seen, 1); break;
        case FlakyReplay::lost: plan.first = *seen + 1 + options.lost; break;
        case FlakyReplay::from_start:
        case FlakyReplay::none: break;
        }
        // Who has everything is told so, however it is that replay works: else no client would ever be done.
        if (nothing_left && options.after_last == FlakyAfterLast::no_content) plan.first = options.events + 1;
    }

    static Awaitable<bool> stream(StatePtr state, SessionPtr session, FlakyOptions options, FlakyPlan plan) {
        using Step = FlakyStream::Step;
        const auto connection = session->connection;
        FlakyStream events{options, plan};
        const std::function<bool()> is_forced = [session] { return session->forced.has_value(); };
        bool writing = false;
        // A cut comes in time also where the client doesn't read.
        Deadline<Traits> cut_blocked{state->executor, options.cut_every, [&writing, connection] {
                                         if (writing) connection->close();
                                     }};
        connection->watch_peer();
        for (;;) {
            std::string out;
            const std::uint64_t sent_before = events.events_sent();
            Step step = Step::cut;
            if (session->forced) {
                events.set_end(*session->forced);
                events.cut(out);
            } else {
                step = events.next(Traits::Clock::now(), out);
            }
            writing = true;
            const bool alive = co_await connection->write(out);
            writing = false;
            if (alive) state->stats.events_sent += events.events_sent() - sent_before;
            if (alive && events.events_sent() != 0) state->highest_sent = std::max(state->highest_sent, events.position() - 1);
            if (!alive) {
                if (state->log) state->say("gone after " + std::to_string(events.events_sent()) + " events", *session);
                if (cut_blocked.expired()) ++state->stats.cuts;
                co_return false;
            }
            if (step == Step::wait) {
                co_await connection->wait_until(events.wait_until(), nullptr, is_forced);
            } else if (step == Step::last) {
                if (state->log) state->say("ended after the last event", *session);
                co_return events.plan().chunked;
            } else if (step == Step::cut) {
                ++state->stats.cuts;
                if (state->log) state->say(cut_text(events), *session);
                const bool stays = co_await end(connection, events.plan());
                co_return stays;
            }
        }
    }

    static Awaitable<bool> end(std::shared_ptr<Connection> connection, const FlakyPlan& plan) {
        if (plan.end == FlakyEnd::reset) connection->abort();
        if (plan.end == FlakyEnd::stall) co_await connection->wait_until(TimePoint::max(), nullptr, nullptr);
        co_return plan.end == FlakyEnd::clean && plan.chunked;
    }

    static std::string cut_text(const FlakyStream& events) {
        constexpr const char* names[] = {"clean", "truncated", "mid-event", "reset", "close-delimited", "stall"};
        return "cut (" + std::string{names[static_cast<int>(events.plan().end)]} + ") after " +
               std::to_string(events.events_sent()) + " events, next is " + std::to_string(events.position());
    }

    static Awaitable<> outages(StatePtr state) {
        TimePoint begin = Traits::Clock::now();
        while (!state->stopped) {
            begin += state->options.outage_every;
            co_await pause(state, begin);
            if (state->stopped) break;
            state->outage = true;
            if (state->log) state->log("outage begins");
            std::error_code ignored;
            if (state->options.outage == FlakyOutage::refuse) state->acceptor.close(ignored);
            const std::set<SessionPtr> sessions = state->sessions;
            for (const SessionPtr& session : sessions) {
                if (session->streaming || state->options.outage == FlakyOutage::refuse) session->connection->close();
            }
            co_await pause(state, begin + state->options.outage_for);
            if (state->stopped) break;
            state->outage = false;
            if (state->log) state->log("outage over");
            listen(state);
        }
    }

    static Awaitable<> pause(StatePtr state, TimePoint until) {
        while (!state->stopped && Traits::Clock::now() < until) {
            state->outage_timer.expires_at(until);
            std::error_code woken;
            co_await state->outage_timer.async_wait(rejoin::detail::to_error(woken));
        }
    }

    StatePtr state_;
};

using FlakyUpstream = BasicFlakyUpstream<>;

}  // namespace rejoin::testing

#endif
