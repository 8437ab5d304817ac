#ifndef REJOIN_NET_SSE_CONNECTION_MANAGER_HPP
#define REJOIN_NET_SSE_CONNECTION_MANAGER_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include <rejoin/error.hpp>
#include <rejoin/net/http_connector.hpp>
#include <rejoin/net/watchdog.hpp>
#include <rejoin/result.hpp>

namespace rejoin {

struct SseConnectionManagerOptions {
    /// How connections come about.
    ConnectOptions connect;
    /// Of each connection's parser.
    HttpLimits limits;
    /// Connections kept idle for one origin; zero = none is kept.
    std::size_t idle_per_origin = 8;
    /// Connections kept idle together; zero = none is kept.
    std::size_t idle = 256;
    /// How long a connection is kept idle; zero = until its peer closes it.
    Duration idle_timeout = std::chrono::seconds{30};
    /// Connections to one origin at once, whether in use, idle or being opened; zero = no bound.
    std::size_t per_origin = 0;
    /// Connections at once, likewise; zero = no bound.
    std::size_t connections = 0;
};

/// Connections that requests and streams share: one that a response has left in good order waits here for the next request
/// to its origin (scheme, host, port), the most recently used one first.
///
/// An idle connection holds no read buffer. It is closed at once when its peer closes it or sends something unasked, after
/// `idle_timeout`, or to make room. While there is one, its waits keep `io_context::run()` from returning: for at most
/// `idle_timeout`, or until `clear()` or the end of this object.
///
/// Thread safety: one object, and the connections it has given out, only from one strand.
template <class Traits = DefaultTraits>
class BasicSseConnectionManager : public std::enable_shared_from_this<BasicSseConnectionManager<Traits>> {
public:
    using Connector = BasicHttpConnector<Traits>;
    using Connection = typename Connector::Connection;

    /// A connection that belongs to the caller. When its last owner lets go, it comes back here if its response is over and
    /// another request may follow (`Connection::reusable()`), and is closed otherwise: so whoever gives up on something
    /// before it is finished closes the connection, a request that was not written whole above all. It may outlive the
    /// manager.
    struct Opened {
        std::shared_ptr<Connection> connection;
        /// It has carried a request before. The server may have closed it just now: if it ends before a byte of the
        /// response, a request that may be sent twice deserves a `fresh` one.
        bool reused = false;
    };

    /// `executor` is that of the strand. Throws `std::system_error` (`invalid_option`) for a negative time.
    static std::shared_ptr<BasicSseConnectionManager> create(const asio::any_io_executor& executor,
                                                             SseConnectionManagerOptions options = {}) {
        if (options.idle_timeout < Duration::zero()) {
            throw std::system_error{make_error_code(Error::invalid_option), "SseConnectionManagerOptions"};
        }
        return std::shared_ptr<BasicSseConnectionManager>{new BasicSseConnectionManager{executor, std::move(options)}};
    }

    ~BasicSseConnectionManager() { clear(); }

    BasicSseConnectionManager(const BasicSseConnectionManager&) = delete;
    BasicSseConnectionManager& operator=(const BasicSseConnectionManager&) = delete;

    const SseConnectionManagerOptions& options() const noexcept { return options_; }
    const Connector& connector() const noexcept { return connector_; }

    /// A connection to `url`'s origin: an idle one unless `fresh`, in which case `phase` stays as it is, or a new one.
    /// Errors: `limit_reached` when all that the bounds allow are in use; else as of `BasicHttpConnector::open()`.
    /// Cancellation (terminal): `operation_aborted` at once. Lifetime: `url` and `phase` must live until completion.
    Awaitable<Result<Opened>> open(const Url& url, Phase& phase, bool fresh = false) {
        const auto self = this->shared_from_this();
        const std::string key = url.origin();
        Opened opened;
        if (!fresh) opened.connection = take(key);
        opened.reused = opened.connection != nullptr;
        if (opened.reused) {
            ++reused_;
            co_return std::move(opened);
        }
        if (!make_room(key)) co_return Error::limit_reached;
        Place place{self, origin(key)};
        auto connection = co_await connector_.open(url, phase);
        if (!connection) co_return connection.error();
        ++opened_;
        opened.connection = lend(std::move(*connection), std::move(place));
        co_return std::move(opened);
    }

    /// Closes the idle connections. Those in use are not touched, and are still taken back.
    void clear() {
        while (!idle_.empty()) drop(idle_.back());
        expiry_.stop();
    }

    /// Connections that are idle now.
    std::size_t idle() const noexcept { return idle_.size(); }
    /// Connections now: in use, idle, or being opened.
    std::size_t connections() const noexcept { return connections_; }
    /// Connections opened so far.
    std::uint64_t opened() const noexcept { return opened_; }
    /// How often an idle connection was given out so far.
    std::uint64_t reused() const noexcept { return reused_; }

private:
    struct Idle;
    using IdlePtr = std::shared_ptr<Idle>;

    struct Origin {
        std::string key;
        std::size_t connections = 0;
        std::vector<IdlePtr> idle;  // the most recently used one last
    };

    // One of the connections that the bounds count, from before it is opened until it is closed.
    class Place {
    public:
        Place(const std::shared_ptr<BasicSseConnectionManager>& pool, Origin& origin) : pool_{pool}, origin_{&origin} {
            ++pool->connections_;
            ++origin.connections;
        }
        Place(Place&& other) noexcept : pool_{std::move(other.pool_)}, origin_{other.origin_} {}
        Place& operator=(Place&&) = delete;
        ~Place() {
            const auto pool = pool_.lock();
            if (!pool) return;
            --pool->connections_;
            --origin_->connections;
            if (origin_->connections == 0) pool->origins_.erase(std::string{origin_->key});
        }

        std::shared_ptr<BasicSseConnectionManager> pool() const { return pool_.lock(); }
        Origin& origin() const noexcept { return *origin_; }

    private:
        std::weak_ptr<BasicSseConnectionManager> pool_;  // an origin lives as long as it has places, in the pool
        Origin* origin_;
    };

    struct Idle {
        std::shared_ptr<Connection> connection;
        Place place;
        TimePoint since;
        typename std::list<IdlePtr>::iterator at;
    };

    // What the owners of a connection share: the connection's own owner stays the one that it knows.
    struct Return {
        std::shared_ptr<Connection> connection;
        std::shared_ptr<Place> place;

        void operator()(Connection*) {
            const auto pool = place->pool();
            if (pool && connection->reusable()) pool->keep(std::move(connection), std::move(*place));
            else connection->close();
            connection.reset();
            place.reset();
        }
    };

    BasicSseConnectionManager(const asio::any_io_executor& executor, SseConnectionManagerOptions options)
        : options_{std::move(options)},
          connector_{options_.connect, options_.limits},
          expiry_{executor, [this](TimePoint now) { return expire(now); }} {}

    Origin& origin(const std::string& key) {
        auto& origin = origins_[key];
        if (!origin) origin = std::make_unique<Origin>(Origin{key, 0, {}});
        return *origin;
    }

    std::shared_ptr<Connection> lend(std::shared_ptr<Connection> connection, Place place) {
        Connection* const bare = connection.get();
        auto kept = std::make_shared<Place>(std::move(place));
        return std::shared_ptr<Connection>{bare, Return{std::move(connection), std::move(kept)}};
    }

    std::shared_ptr<Connection> take(const std::string& key) {
        for (;;) {
            const auto known = origins_.find(key);
            if (known == origins_.end() || known->second->idle.empty()) return nullptr;
            const IdlePtr found = known->second->idle.back();
            if (spoken(*found->connection)) {
                drop(found);
                continue;
            }
            forget(*found);
            found->connection->cancel();
            found->connection->begin_exchange();
            return lend(std::move(found->connection), std::move(found->place));
        }
    }

    // The peer has closed or sent something, which no turn of the loop may have told yet.
    static bool spoken(Connection& connection) {
        char byte = 0;
        std::error_code error;
        connection.socket().receive(asio::buffer(&byte, 1), asio::socket_base::message_peek, error);
        return error != asio::error::would_block && error != asio::error::try_again;
    }

    void keep(std::shared_ptr<Connection> connection, Place place) {
        connection->cancel();
        Origin& origin = place.origin();
        if (options_.idle_per_origin == 0 || options_.idle == 0 || spoken(*connection)) {
            connection->close();
            return;
        }
        auto idle = std::make_shared<Idle>(Idle{std::move(connection), std::move(place), Traits::Clock::now(), {}});
        if (origin.idle.size() >= options_.idle_per_origin) drop(origin.idle.front());
        if (idle_.size() >= options_.idle) drop(idle_.back());
        idle_.push_front(idle);
        idle->at = idle_.begin();
        origin.idle.push_back(idle);
        const auto watch = [weak = std::weak_ptr<Idle>{idle}](std::error_code error) {
            const IdlePtr still = weak.lock();
            if (!still || error == asio::error::operation_aborted) return;
            if (const auto pool = still->place.pool()) pool->drop(still);
        };
        idle->connection->socket().async_wait(Connection::Socket::wait_read, watch);
        if (idle_.size() == 1 && options_.idle_timeout > Duration::zero()) expiry_.start(idle->since + options_.idle_timeout);
    }

    void forget(Idle& idle) {
        auto& siblings = idle.place.origin().idle;
        const auto same = [&idle](const IdlePtr& one) { return one.get() == &idle; };
        siblings.erase(std::find_if(siblings.begin(), siblings.end(), same));
        idle_.erase(idle.at);
        if (idle_.empty()) expiry_.stop();
    }

    void drop(IdlePtr idle) {
        forget(*idle);
        idle->connection->close();
    }

    // The oldest idle connection gives way to one that somebody waits for.
    bool make_room(const std::string& key) {
        const auto known = origins_.find(key);
        if (options_.per_origin != 0 && known != origins_.end() && known->second->connections >= options_.per_origin) {
            if (known->second->idle.empty()) return false;
            drop(known->second->idle.front());
        }
        if (options_.connections != 0 && connections_ >= options_.connections) {
            if (idle_.empty()) return false;
            drop(idle_.back());
        }
        return true;
    }

    std::optional<TimePoint> expire(TimePoint now) {
        while (!idle_.empty() && idle_.back()->since + options_.idle_timeout <= now) drop(idle_.back());
        if (idle_.empty()) return std::nullopt;
        return idle_.back()->since + options_.idle_timeout;
    }

    SseConnectionManagerOptions options_;
    Connector connector_;
    std::unordered_map<std::string, std::unique_ptr<Origin>> origins_;
    std::list<IdlePtr> idle_;  // the most recently used one first
    Watchdog<Traits> expiry_;
    std::size_t connections_ = 0;
    std::uint64_t opened_ = 0;
    std::uint64_t reused_ = 0;
};

using SseConnectionManager = BasicSseConnectionManager<>;

}  // namespace rejoin

#endif
