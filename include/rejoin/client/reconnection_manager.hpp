#ifndef REJOIN_CLIENT_RECONNECTION_MANAGER_HPP
#define REJOIN_CLIENT_RECONNECTION_MANAGER_HPP

#include <algorithm>
#include <cstddef>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include <rejoin/client/reconnecting_stream.hpp>
#include <rejoin/resume/circuit_breakers.hpp>
#include <rejoin/result.hpp>

namespace rejoin {

struct ReconnectionManagerOptions {
    /// What each stream is made with; its `breakers` are the manager's own.
    ReconnectingStreamOptions stream;
    /// Of each origin's circuit breaker.
    CircuitBreakerOptions breaker;
    /// Streams at once; one more is refused. At least 1.
    std::size_t streams = 10'000;
};

/// Many streams that reconnect: one set of options, one circuit breaker for each origin, so that a thousand streams do not
/// each find out by themselves that a server is down, and one place to close them all.
///
/// Thread safety: one object, with all its streams, only from one strand.
template <class Traits = DefaultTraits>
class BasicReconnectionManager {
public:
    using Stream = BasicReconnectingStream<Traits>;
    using Pool = BasicSseConnectionManager<Traits>;

    /// `pool`: where the streams' connections come from; null = each has its own. Throws `std::system_error`
    /// (`invalid_option`).
    BasicReconnectionManager(const asio::any_io_executor& executor, ReconnectionManagerOptions options = {}, std::shared_ptr<Pool> pool = nullptr)
        : executor_{executor}, options_{std::move(options)}, pool_{std::move(pool)} {
        if (options_.streams == 0) throw std::system_error{make_error_code(Error::invalid_option), "ReconnectionManagerOptions"};
        options_.stream.breakers = std::make_shared<CircuitBreakers>(options_.breaker);
    }

    ~BasicReconnectionManager() { close_all(); }

    BasicReconnectionManager(const BasicReconnectionManager&) = delete;
    BasicReconnectionManager& operator=(const BasicReconnectionManager&) = delete;

    /// A new stream, which belongs to the caller and counts here as long as it lives. Nothing is sent before its first read.
    /// `Error::limit_reached` when there are too many.
    Result<std::shared_ptr<Stream>> open(HttpRequest request) {
        if (streams_.size() >= next_look_) forget_gone();
        if (streams_.size() >= options_.streams) return Error::limit_reached;
        auto stream = std::make_shared<Stream>(executor_, std::move(request), options_.stream, pool_);
        streams_.push_back(stream);
        return stream;
    }

    /// Closes every stream; their awaits complete.
    void close_all() {
        for (const auto& weak : streams_) {
            if (const auto stream = weak.lock()) stream->close();
        }
        forget_gone();
    }

    /// Streams that live, finished ones included.
    std::size_t streams() {
        forget_gone();
        return streams_.size();
    }

    /// The circuit breaker of `url`'s origin.
    std::shared_ptr<CircuitBreaker> breaker(const Url& url) { return options_.stream.breakers->of(url.origin()); }

private:
    void forget_gone() {
        std::erase_if(streams_, [](const auto& stream) { return stream.expired(); });
        // Not at each new stream: looking through them all is to cost a constant for each.
        next_look_ = std::min(options_.streams, 2 * streams_.size() + 16);
    }

    asio::any_io_executor executor_;
    ReconnectionManagerOptions options_;
    std::shared_ptr<Pool> pool_;
    std::vector<std::weak_ptr<Stream>> streams_;
    std::size_t next_look_ = 0;
};

using ReconnectionManager = BasicReconnectionManager<>;

}  // namespace rejoin

#endif
