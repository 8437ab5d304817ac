#ifndef REJOIN_GATEWAY_ADMIN_HPP
#define REJOIN_GATEWAY_ADMIN_HPP

#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <rejoin/gateway/http_server.hpp>
#include <rejoin/gateway/prometheus.hpp>

namespace rejoin {

/// What the admin pages are made from. Both are called on the admin server's strand, one at a time.
struct AdminOptions {
    /// Appends the metrics, as `write_metrics()` does. Empty: there is no `/metrics`.
    std::function<void(std::string& out)> metrics;
    /// Whether new requests are wanted: false while draining. Empty: always.
    std::function<bool()> ready;
};

/// A page's status and content.
struct AdminPage {
    int status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::string body;
};

/// The page at a request target; its query is not looked at.
inline AdminPage admin_page(const AdminOptions& options, std::string_view method, std::string_view target) {
    AdminPage page;
    const std::string_view path = target.substr(0, target.find('?'));
    const bool metrics = path == "/metrics" && options.metrics;
    if (!metrics && path != "/healthz" && path != "/readyz") {
        page.status = 404;
        page.body = "not found\n";
    } else if (method != "GET" && method != "HEAD") {
        page.status = 405;
        page.body = "GET or HEAD\n";
    } else if (metrics) {
        page.content_type = PrometheusWriter::content_type;
        options.metrics(page.body);
    } else if (path == "/readyz" && options.ready && !options.ready()) {
        page.status = 503;
        page.body = "draining\n";
    } else {
        page.body = "ok\n";
    }
    return page;
}

/// The handler of a `HttpServer` for operators, on an address of their own: `/metrics` in Prometheus' text format, `/healthz`
/// (200 as long as the process serves anything), `/readyz` (200, or 503 when no new clients are wanted), else 404.
///
/// Nobody is authenticated: listen where only operators get. What it was made from must outlive the server.
template <class Traits = DefaultTraits>
class BasicAdminHandler {
public:
    using Exchange = BasicHttpExchange<Traits>;

    explicit BasicAdminHandler(AdminOptions options) : options_{std::move(options)} {}

    /// Answers one request; the result tells whether the connection may take another.
    Awaitable<bool> operator()(Exchange& exchange) const {
        const AdminPage page = admin_page(options_, exchange.request.method, exchange.request.target);
        const auto& parser = exchange.connection->parser();
        const bool reusable = parser.keep_alive() && parser.framing() == HttpFraming::none;
        ResponseHead head;
        head.status = page.status;
        head.fields.set("Content-Type", page.content_type);
        head.fields.set("Content-Length", std::to_string(page.body.size()));
        head.fields.set("Cache-Control", "no-store");
        if (page.status == 405) head.fields.set("Allow", "GET, HEAD");
        if (!reusable) head.fields.set("Connection", "close");
        std::string bytes;
        if (write_head(bytes, head)) co_return false;
        if (exchange.request.method != "HEAD") bytes += page.body;
        const std::error_code error = co_await exchange.connection->write(bytes, exchange.write_timeout);
        co_return !error && reusable;
    }

private:
    AdminOptions options_;
};

using AdminHandler = BasicAdminHandler<>;

}  // namespace rejoin

#endif
