#ifndef REJOIN_EXAMPLES_PROXY_ROUTES_HPP
#define REJOIN_EXAMPLES_PROXY_ROUTES_HPP

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rejoin/gateway/prometheus.hpp>
#include <rejoin/gateway/reverse_proxy_sse_manager.hpp>
#include <rejoin/net/async_event.hpp>

#include "route_config.hpp"
#include "route_options.hpp"

namespace examples {

/// A reverse proxy for each route of a configuration, and the way of requests to them.
///
/// Thread safety: one object only from its strand; it must outlive what it handles.
class ProxyRoutes {
public:
    /// `base`: what holds where the configuration says nothing. Throws `std::system_error` for options out of their domain.
    ProxyRoutes(const asio::any_io_executor& executor, const ProxyConfig& config, const rejoin::ReverseProxyOptions& base)
        : executor_{executor}, table_{config.table}, drained_{executor} {
        for (const RouteConfig& route : config.routes) {
            names_.push_back(route.rule.host + route.rule.prefix);
            routes_.push_back(std::make_unique<Route>(executor, options_of(route, base)));
        }
    }

    /// Answers one request; the result tells whether the connection may take another.
    rejoin::Awaitable<bool> handle(rejoin::HttpExchange& exchange) {
        const auto route = find(exchange.request);
        if (!route) {
            const bool reusable = co_await exchange.respond(404, "no route");
            co_return reusable;
        }
        exchange.outcome.route = names_[*route];
        const bool reusable = co_await routes_[*route]->handle(exchange);
        co_return reusable;
    }

    /// Ends all routes' streams over `window`; completes when all are ended.
    rejoin::Awaitable<> drain(rejoin::Duration window) {
        draining_ = true;
        left_ = routes_.size();
        for (const auto& route : routes_) rejoin::spawn(executor_, drain_one(*route, window));
        while (left_ > 0) co_await drained_.wait();
    }

    bool draining() const noexcept { return draining_; }

    /// What all routes counted, taken together.
    void add_metrics(rejoin::GatewayMetrics& sum) const {
        for (const auto& route : routes_) sum.add(route->metrics());
    }

    /// Appends all routes' metrics, labelled with host and prefix.
    void write_metrics(std::string& out) const {
        std::vector<rejoin::MetricsSource> sources;
        for (std::size_t i = 0; i < routes_.size(); ++i) {
            sources.push_back({routes_[i]->metrics(), routes_[i]->gauges(), names_[i]});
        }
        rejoin::write_metrics(out, sources);
    }

private:
    using Route = rejoin::ReverseProxySseManager;

    // A target in absolute form names the host itself (RFC 9112 3.2.2).
    std::optional<std::size_t> find(const rejoin::RequestHead& request) const {
        const std::string_view host = request.fields.get("Host").value_or("");
        if (request.target.starts_with('/')) return table_.match(host, request.target);
        if (request.target == "*") return table_.match(host, "/");
        const auto url = rejoin::Url::parse(request.target);
        if (!url) return std::nullopt;
        return table_.match(url->host_header(), url->target);
    }

    rejoin::Awaitable<> drain_one(Route& route, rejoin::Duration window) {
        co_await route.drain(window);
        --left_;
        drained_.notify();
    }

    asio::any_io_executor executor_;
    rejoin::RouteTable table_;
    std::vector<std::string> names_;
    std::vector<std::unique_ptr<Route>> routes_;
    rejoin::AsyncEvent drained_;
    std::size_t left_ = 0;
    bool draining_ = false;
};

}  // namespace examples

#endif
