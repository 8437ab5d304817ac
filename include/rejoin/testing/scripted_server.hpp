#ifndef REJOIN_TESTING_SCRIPTED_SERVER_HPP
#define REJOIN_TESTING_SCRIPTED_SERVER_HPP

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>

#include <rejoin/http/message.hpp>
#include <rejoin/net/async_event.hpp>
#include <rejoin/net/traits.hpp>
#include <rejoin/testing/detail/served_connection.hpp>
#include <rejoin/testing/reaction.hpp>

namespace rejoin::testing {

/// A request as a test server got it.
struct RecordedRequest {
    RequestHead head;
    std::string body;
    /// Which connection it came on, counted from 1.
    std::size_t connection = 0;
    /// The body came whole.
    bool complete = false;

    /// The first `Last-Event-ID`; `head.fields.count("Last-Event-ID")` tells how many there were.
    std::optional<std::string_view> last_event_id() const { return head.fields.get("Last-Event-ID"); }
};

/// An HTTP server on loopback for tests, on the test's own `io_context`, that does as it is told: each request takes the
/// next `Reaction` of the script, and when that is used up the one set by `otherwise()` (404 unless set).
///
/// A reaction is taken when its request has been read whole, body included; one made with `Reaction::on_connect()` by the
/// first connection that finds it in front. Requests are recorded in the order in which their heads came.
///
/// The object may be destroyed at any time before its `io_context`: everything is closed. Thread safety: one strand.
template <class Traits = DefaultTraits>
class BasicScriptedServer {
public:
    using Decide = std::function<Reaction(const RecordedRequest&)>;

    /// Listens on a port of its own choice. Throws `std::system_error` when that fails.
    explicit BasicScriptedServer(const asio::any_io_executor& executor) : state_{std::make_shared<State>(executor)} { listen(); }
    explicit BasicScriptedServer(asio::io_context& io) : BasicScriptedServer{asio::any_io_executor{io.get_executor()}} {}

    ~BasicScriptedServer() {
        refuse();
        state_->stopped = true;
        close_connections();
    }

    BasicScriptedServer(const BasicScriptedServer&) = delete;
    BasicScriptedServer& operator=(const BasicScriptedServer&) = delete;

    // --- the script ---

    BasicScriptedServer& then(Reaction reaction) {
        state_->script.push_back(Entry{std::move(reaction), {}});
        return *this;
    }
    /// Decides when the request is there.
    BasicScriptedServer& then(Decide decide) {
        state_->script.push_back(Entry{{}, std::move(decide)});
        return *this;
    }
    BasicScriptedServer& otherwise(Reaction reaction) {
        state_->otherwise = Entry{std::move(reaction), {}};
        return *this;
    }
    BasicScriptedServer& otherwise(Decide decide) {
        state_->otherwise = Entry{{}, std::move(decide)};
        return *this;
    }
    /// Reactions not yet taken, without `otherwise()`.
    std::size_t script_left() const noexcept { return state_->script.size(); }

    // --- the server ---

    std::uint16_t port() const noexcept { return state_->endpoint.port(); }
    /// "127.0.0.1:PORT"
    std::string authority() const { return "127.0.0.1:" + std::to_string(port()); }
    std::string url(std::string_view target = "/") const { return "http://" + authority().append(target); }

    /// Stops listening: connections are refused from now on, established ones go on.
    void refuse() {
        std::error_code ignored;
        state_->acceptor.close(ignored);
    }

    /// Listens again on the same port.
    void listen() {
        auto& acceptor = state_->acceptor;
        if (acceptor.is_open()) return;
        acceptor.open(state_->endpoint.protocol());
        acceptor.set_option(asio::socket_base::reuse_address{true});
        acceptor.bind(state_->endpoint);
        acceptor.listen();
        state_->endpoint = acceptor.local_endpoint();
        rejoin::spawn(state_->executor, accept(state_, ++state_->generation));
    }

    /// Ends every connection: by FIN wherever it is, or by RST.
    void close_connections(bool by_reset = false) {
        for (const Record& record : state_->connections) {
            const auto connection = record.connection.lock();
            if (connection && by_reset) connection->abort();
            if (connection) connection->close();
        }
    }

    // --- what happened ---

    /// All requests so far. References stay valid.
    const std::deque<RecordedRequest>& requests() const noexcept { return state_->requests; }
    /// Connections accepted so far.
    std::size_t connections() const noexcept { return state_->connections.size(); }

    /// Connections on which neither side has made an end.
    std::size_t open_connections() {
        std::size_t count = 0;
        for (const Record& record : state_->connections) {
            const auto connection = record.connection.lock();
            if (connection && connection->is_open() && !connection->peer_left()) ++count;
        }
        return count;
    }

    /// Whether connection `number` (from 1) was ended by the client before the server did.
    bool closed_by_client(std::size_t number) {
        if (number == 0 || number > state_->connections.size()) return false;
        const Record& record = state_->connections[number - 1];
        const auto connection = record.connection.lock();
        return connection && connection->is_open() ? connection->peer_left() : record.closed_by_client;
    }

    /// Completes when `count` requests have come, bodies included. One waiter at a time; a test outside coroutines may
    /// `run_until()` the count is there instead.
    Awaitable<> wait_for_requests(std::size_t count) {
        const auto state = state_;
        while (state->complete < count) co_await state->arrived.wait();
    }

private:
    using Connection = detail::ServedConnection<Traits>;

    struct Entry {
        Reaction reaction;
        Decide decide;
    };
    struct Record {
        std::weak_ptr<Connection> connection;
        bool closed_by_client = false;
    };
    struct State {
        explicit State(const asio::any_io_executor& executor_) : executor{executor_}, acceptor{executor_}, arrived{executor_} {}

        Entry take() {
            if (script.empty()) return otherwise;
            Entry entry = std::move(script.front());
            script.pop_front();
            return entry;
        }

        asio::any_io_executor executor;
        asio::ip::tcp::acceptor acceptor;
        asio::ip::tcp::endpoint endpoint{asio::ip::address_v4::loopback(), 0};
        AsyncEvent arrived;
        std::deque<Entry> script;
        Entry otherwise{Reaction::respond(404, "not in the script"), {}};
        std::deque<RecordedRequest> requests;
        std::deque<Record> connections;
        std::size_t complete = 0;
        unsigned generation = 0;
        bool stopped = false;
    };
    using StatePtr = std::shared_ptr<State>;
    using ConnectionPtr = std::shared_ptr<Connection>;

    static Awaitable<> accept(StatePtr state, unsigned generation) {
        for (;;) {
            typename Traits::Socket socket{state->executor};
            std::error_code error;
            co_await state->acceptor.async_accept(socket, rejoin::detail::to_error(error));
            if (generation != state->generation || state->stopped || !state->acceptor.is_open()) co_return;
            if (error) continue;
            const auto connection = std::make_shared<Connection>(std::move(socket), state->connections.size() + 1);
            state->connections.push_back(Record{connection});
            rejoin::spawn(state->executor, serve(state, connection));
        }
    }

    static Awaitable<> serve(StatePtr state, ConnectionPtr connection) {
        if (!state->script.empty() && state->script.front().reaction.is_on_connect()) {
            const Entry entry = state->take();
            co_await perform(connection, entry.reaction);
        } else {
            for (bool again = true; again;) {
                RecordedRequest* const request = co_await read_request(state, connection);
                if (request == nullptr) break;
                const Entry entry = state->take();
                const Reaction reaction = entry.decide ? entry.decide(*request) : entry.reaction;
                const bool may_stay = connection->http().parser().keep_alive();
                const bool stays = co_await perform(connection, reaction);
                again = stays && may_stay;
            }
        }
        state->connections[connection->number() - 1].closed_by_client = connection->is_open() && connection->peer_left();
        connection->close();
    }

    // The request, recorded; nullptr when none came whole.
    static Awaitable<RecordedRequest*> read_request(StatePtr state, ConnectionPtr connection) {
        auto& http = connection->http();
        auto head = co_await http.read_head(Duration::zero(), Error::header_timeout);
        if (!head) co_return nullptr;
        state->requests.push_back(RecordedRequest{std::move(*head), {}, connection->number(), false});
        RecordedRequest& request = state->requests.back();
        while (!http.body_ended()) {
            std::string_view piece;
            while (http.next_body(piece)) request.body += piece;
            if (!http.body_ended()) co_await http.fill();
        }
        if (http.body_error()) co_return nullptr;
        request.complete = true;
        ++state->complete;
        state->arrived.notify();
        co_return &request;
    }

    // True when the connection is good for another request.
    static Awaitable<bool> perform(ConnectionPtr connection, const Reaction& reaction) {
        using Step = Reaction::Step;
        using Ending = Reaction::Ending;
        Framing framing = Framing::none;
        std::size_t pieces = 0;
        connection->watch_peer();
        for (const Step& step : reaction.steps()) {
            std::string bytes;
            bool alive = true;
            switch (step.kind) {
            case Step::Kind::head:
                framing = step.framing;
                bytes = head_bytes(step, reaction);
                break;
            case Step::Kind::raw: bytes = step.bytes; break;
            case Step::Kind::body:
                if (framing == Framing::chunked) append_chunk(bytes, step.bytes);
                else bytes = step.bytes;
                break;
            case Step::Kind::open_chunk:
                bytes.append(ChunkFraming{step.size}.head()).append(step.bytes);
                break;
            case Step::Kind::pieces: pieces = step.size; break;
            case Step::Kind::wait: {
                Gate gate = step.gate;
                alive = co_await connection->wait_until(TimePoint::max(), &gate, nullptr);
                break;
            }
            case Step::Kind::delay:
                alive = co_await connection->wait_until(Traits::Clock::now() + step.delay, nullptr, nullptr);
                break;
            }
            if (alive) alive = co_await write(connection, bytes, pieces);
            if (!alive) co_return false;
        }
        switch (reaction.ending()) {
        case Ending::clean: {
            if (framing != Framing::chunked) co_return framing != Framing::close_delimited && !reaction.is_on_connect();
            const bool alive = co_await write(connection, last_chunk, pieces);
            co_return alive;
        }
        case Ending::truncated: break;
        case Ending::reset: connection->abort(); break;
        case Ending::stalled: co_await connection->wait_until(TimePoint::max(), nullptr, nullptr); break;
        }
        co_return false;
    }

    static Awaitable<bool> write(ConnectionPtr connection, std::string_view bytes, std::size_t pieces) {
        while (!bytes.empty()) {
            const std::string_view piece = bytes.substr(0, pieces == 0 ? bytes.size() : pieces);
            const bool alive = co_await connection->write(piece);
            if (!alive) co_return false;
            if (pieces != 0) co_await connection->let_others_run();
            bytes.remove_prefix(piece.size());
        }
        co_return true;
    }

    static std::string head_bytes(const Reaction::Step& step, const Reaction& reaction) {
        ResponseHead head = step.head;
        if (step.framing == Framing::chunked) head.fields.add("Transfer-Encoding", "chunked");
        if (step.framing == Framing::close_delimited) head.fields.add("Connection", "close");
        if (step.framing == Framing::content_length) {
            const bool short_of_it = reaction.ending() != Reaction::Ending::clean;
            head.fields.add("Content-Length", std::to_string(reaction.body_size() + (short_of_it ? 1 : 0)));
        }
        std::string bytes;
        const std::error_code refused = write_head(bytes, head);
        if (refused) throw std::system_error{refused, "scripted head: send() takes any bytes"};
        return bytes;
    }

    StatePtr state_;
};

using ScriptedServer = BasicScriptedServer<>;

}  // namespace rejoin::testing

#endif
