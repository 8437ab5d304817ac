#ifndef REJOIN_GATEWAY_UPSTREAM_ACCESS_HPP
#define REJOIN_GATEWAY_UPSTREAM_ACCESS_HPP

#include <cstddef>
#include <functional>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include <rejoin/client/sse_http_client.hpp>
#include <rejoin/gateway/metrics.hpp>
#include <rejoin/gateway/reverse_proxy_options.hpp>
#include <rejoin/resume/circuit_breakers.hpp>
#include <rejoin/resume/failover.hpp>

namespace rejoin {

/// The way to a route's upstreams: which of them is asked, over which connection, and which are left alone for a while.
///
/// Thread safety: one object only from its strand; it must outlive the awaitables it gives.
template <class Traits = DefaultTraits>
class BasicUpstreamAccess {
public:
    using Client = BasicSseHttpClient<Traits>;
    using Opened = typename Client::Opened;

    /// `metrics` must outlive this object.
    BasicUpstreamAccess(const asio::any_io_executor& executor, const ReverseProxyOptions& options, GatewayMetrics& metrics)
        : metrics_{metrics},
          client_{options.client, BasicSseConnectionManager<Traits>::create(executor, pool_options(options))},
          servers_{options.upstream},
          failover_{options.alternatives.size() + 1, options.cool_down},
          breakers_{std::make_shared<CircuitBreakers>(options.breaker)} {
        servers_.insert(servers_.end(), options.alternatives.begin(), options.alternatives.end());
        // Their failures are remembered between requests.
        for (const Url& server : servers_) held_.push_back(breakers_->of(server.origin()));
    }

    Client& client() noexcept { return client_; }
    const std::shared_ptr<CircuitBreakers>& breakers() const noexcept { return breakers_; }

    /// A connection to the first upstream in order that can be had; one that can't be connected to has seen nothing of the
    /// request, so the next is asked. `aim` is told of each before it is tried. `fresh`: not a used connection.
    /// Errors: the last upstream's, or `circuit_open` where its breaker lets nothing through.
    /// `phase`: how far the last attempt came; must live until completion.
    Awaitable<Result<Opened>> reach(std::function<void(const Url&)> aim, bool fresh, Phase& phase) {
        for (std::size_t left = servers_.size();; --left) {
            const std::size_t picked = failover_.pick(Traits::Clock::now());
            const Url& server = servers_[picked];
            aim(server);
            const auto& breaker = held_[picked];
            phase = Phase::prepare;
            Result<Opened> opened = std::error_code{Error::circuit_open};
            if (breaker->allow(Traits::Clock::now())) {
                opened = co_await client_.open(server, phase, fresh);
                tell(*breaker, opened.has_value());
            }
            if (opened) {
                failover_.succeeded(picked);
                co_return std::move(opened);
            }
            failover_.failed(picked, Traits::Clock::now());
            if (left == 1) co_return opened.error();
        }
    }

private:
    void tell(CircuitBreaker& breaker, bool reached) {
        const TimePoint now = Traits::Clock::now();
        const CircuitBreaker::State before = breaker.state(now);
        if (reached) breaker.success(now);
        else breaker.failure(now);
        const CircuitBreaker::State after = breaker.state(now);
        if (after != before) metrics_.breaker(after).add();
    }

    static SseConnectionManagerOptions pool_options(const ReverseProxyOptions& options) {
        SseConnectionManagerOptions pool;
        pool.connect = options.client.connect;
        pool.limits = options.client.limits;
        pool.idle_per_origin = options.idle_connections;
        pool.idle = options.idle_connections * (options.alternatives.size() + 1);
        return pool;
    }

    GatewayMetrics& metrics_;
    Client client_;
    std::vector<Url> servers_;
    Failover failover_;
    std::shared_ptr<CircuitBreakers> breakers_;
    std::vector<std::shared_ptr<CircuitBreaker>> held_;
};

using UpstreamAccess = BasicUpstreamAccess<>;

}  // namespace rejoin

#endif
