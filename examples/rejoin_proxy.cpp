// rejoin-proxy: the reference reverse proxy. In front of one upstream, it keeps clients' event streams open while the
// upstream drops, and gives clients that come back exactly what they missed.

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include <rejoin/gateway/admin.hpp>
#include <rejoin/gateway/prometheus.hpp>
#include <rejoin/rejoin.hpp>

#include "access_log_file.hpp"
#include "choices.hpp"
#include "connection_flags.hpp"
#include "durations.hpp"
#include "endpoint.hpp"
#include "id_key_file.hpp"
#include "proxy_routes.hpp"
#include "route_config.hpp"
#include "route_options.hpp"
#include "upstream_url.hpp"

namespace {

struct Settings {
    std::string listen = "127.0.0.1:8080";
    std::vector<std::string> upstreams;
    rejoin::ReverseProxyOptions proxy;
    rejoin::HttpServerOptions server;
    examples::ConnectionFlags connection;
    std::chrono::milliseconds retry{0};
    std::chrono::milliseconds drain{3000};
    std::vector<std::string> keys;
    examples::RouteSlow slow_clients = examples::RouteSlow::backpressure;
    std::string config;
    std::string admin;
    std::string access_log;
    bool check = false;
    bool quiet = false;
    bool verbose = false;
};

void declare(CLI::App& app, Settings& settings) {
    using examples::add_choice;
    using examples::add_duration;
    auto& proxy = settings.proxy;
    app.set_version_flag("--version", std::string{"rejoin-proxy "} + REJOIN_VERSION_STRING);
    app.add_option("--listen", settings.listen, "HOST:PORT to accept clients on; port 0 picks one")->capture_default_str();
    app.add_option("--upstream", settings.upstreams, "http(s)://HOST:PORT[/PATH] that requests go to; further ones are asked while those before fail")
        ->allow_extra_args(false);
    app.add_option("--admin", settings.admin, "HOST:PORT for operators: /metrics, /healthz, /readyz; not for clients");
    app.add_option("--access-log", settings.access_log, "file that gets a line of JSON for each request that has ended; - = stdout; SIGHUP opens it anew");
#ifdef REJOIN_EXAMPLES_TOML
    app.add_option("--config", settings.config, "file with routes, in TOML; what it does not say is as the flags say")->excludes("--upstream");
    app.add_flag("--check", settings.check, "only read the --config file and tell what is wrong in it")->needs("--config");
#endif

    const std::string upstream = "Upstream";
    add_duration(app, "--backoff-base", proxy.reconnection.backoff.base, "first delay before reconnecting, before jitter")->group(upstream);
    add_duration(app, "--backoff-cap", proxy.reconnection.backoff.cap, "longest delay before reconnecting")->group(upstream);
    add_duration(app, "--connect-timeout", proxy.client.connect.connect_timeout, "bound on connecting")->group(upstream);
    add_duration(app, "--response-timeout", proxy.client.response_timeout, "bound on the wait for a response head")->group(upstream);
    add_duration(app, "--idle-timeout", proxy.health.idle, "a stream silent for this long counts as dropped; 0 = never")->group(upstream);
    add_duration(app, "--resume-silence", proxy.health.resumed,
                 "a resumed stream that brings no byte for this long counts as dropped; doubled each time in a row; 0 = off")->group(upstream);
    add_duration(app, "--stall-timeout", proxy.health.stalled, "a stream with heartbeats but no event for this long counts as dropped; 0 = never")
        ->group(upstream);
    add_duration(app, "--max-outage", proxy.reconnection.max_outage, "clients are cut when the upstream was away for this long; 0 = never")
        ->group(upstream);
    add_duration(app, "--linger", proxy.directory.linger, "a stream is read on for this long after its last client left")->group(upstream);
    add_choice(app, "--sharing", proxy.sharing, examples::sharing_names,
               "clients of one principal and target: each with an upstream stream of its own, one stream that the newest takes over, or one that all "
               "share [own]")->group(upstream);
    add_choice(app, "--post", proxy.post, examples::post_names,
               "event streams that answer a POST: cut when they are cut, resumed by GET where they carry ids, MCP's rules, or going on without their "
               "client [resume]")->group(upstream);
    add_duration(app, "--post-linger", proxy.post_linger, "with --post mcp or detach: an answer goes on without its client for this long")->group(upstream);
    app.add_option("--upstream-idle", proxy.idle_connections, "connections kept idle for each upstream")->capture_default_str()->group(upstream);
    app.add_option("--breaker-failures", proxy.breaker.failures, "an upstream that failed so often in a row is left alone for --breaker-open; 0 = never")
        ->capture_default_str()->group(upstream);
    add_duration(app, "--breaker-open", proxy.breaker.open_for, "how long")->group(upstream);
    add_duration(app, "--cool-down", proxy.cool_down, "with several upstreams: one that failed is passed over for this long")->group(upstream);

    settings.connection.declare(app, upstream);

    const std::string clients = "Clients";
    add_duration(app, "--header-timeout", settings.server.header_timeout, "bound on receiving a request head")->group(clients);
    add_duration(app, "--keep-alive", settings.server.keep_alive, "idle connections are closed after this long")->group(clients);
    add_duration(app, "--heartbeat", proxy.writer.heartbeat, "a comment is sent when a stream is silent for this long; 0 = never")->group(clients);
    add_duration(app, "--write-deadline", proxy.writer.write_deadline, "a client that takes nothing for this long is cut; 0 = never")
        ->group(clients);
    add_choice(app, "--slow-clients", settings.slow_clients, examples::slow_names,
               "a client that does not keep up: the upstream waits for it where it is the only one and it is cut where it is not, it is always cut, or "
               "always goes on behind a gap [backpressure]")->group(clients);
    app.add_flag("--forward-comments,!--no-forward-comments", proxy.stream.forward_comments, "pass the upstream's comments on [yes]")->group(clients);
    add_duration(app, "--retry", settings.retry, "reconnection time told to clients, in place of the upstream's; 0 = the upstream's")
        ->group(clients);
    app.add_option("--max-clients", settings.server.max_connections, "open client connections; further ones get 503")
        ->check(CLI::PositiveNumber)->capture_default_str()->group(clients);
    add_duration(app, "--drain", settings.drain, "on SIGTERM, streams are ended over this time")->group(clients);

    const std::string logs = "Event logs";
    app.add_option("--log-events", proxy.stream.log.events, "events kept of each stream")->check(CLI::PositiveNumber)->capture_default_str()->group(logs);
    app.add_option("--log-bytes", proxy.stream.log.bytes, "bytes kept of each stream")->check(CLI::PositiveNumber)->capture_default_str()->group(logs);
    add_duration(app, "--log-age", proxy.stream.log.age, "how long an event is kept; 0 = no bound")->group(logs);
    app.add_option("--log-bytes-total", proxy.directory.bytes, "bytes kept of all streams together; 0 = no bound")->capture_default_str()->group(logs);
    app.add_option("--max-streams", proxy.directory.streams, "upstream streams at once; further ones get 503")
        ->check(CLI::PositiveNumber)->capture_default_str()->group(logs);
    add_choice(app, "--ids", proxy.stream.ids, examples::id_names,
               "event ids that clients see: the upstream's, the proxy's own, or the upstream's sealed for the client, which outlive the proxy as long as "
               "--id-key stays [passthrough]")->group(logs);
    add_choice(app, "--id-order", proxy.tracker.order, examples::id_order_names,
               "what tells a hole between the upstream's ids: whole numbers where they are, whole numbers, ms-seq as of Redis, ULIDs, or nothing [auto]")
        ->group(logs);
    app.add_option("--id-key", settings.keys,
                   "ID=FILE with the secret that ids are authenticated with, 32 bytes or more in hexadecimal; the first makes new ids, further ones "
                   "are still understood")
        ->allow_extra_args(false)->group(logs);
    app.add_flag("--seal-wide-ids", proxy.stream.seal_wide_ids, "seal ids with characters above U+00FF, which a browser's fetch can't send back; without --id-key "
                                                                "they are good as long as the proxy runs")
        ->group(logs);
    add_choice(app, "--gap", proxy.gap, examples::gap_names,
               "for a client whose id can't be continued from: go on live, from the oldest kept, or 410 [continue]")->group(logs);
    app.add_option("--gap-event", proxy.stream.gap_event, "type of the in-band gap signal; empty = none")->capture_default_str()->group(logs);
    app.add_option("--principal", proxy.principal, "headers that tell principals apart; logs are never shared between them")
        ->delimiter(',')->capture_default_str()->group(logs);

    app.add_flag("--quiet", settings.quiet, "print errors only");
    app.add_flag("--verbose", settings.verbose, "print the counters at the end")->excludes("--quiet");
}

void print_counters(const rejoin::GatewayMetrics& metrics) {
    const auto line = [](const char* name, const rejoin::Counter& counter) {
        std::fprintf(stderr, "%s %llu\n", name, static_cast<unsigned long long>(counter.value()));
    };
    line("requests", metrics.requests);
    line("upstream requests", metrics.upstream_requests);
    line("upstream failures", metrics.upstream_failures);
    line("streams opened", metrics.streams_opened);
    line("streams completed", metrics.streams_completed);
    line("streams cut", metrics.streams_cut);
    line("clients opened", metrics.clients_opened);
    line("clients resumed from a log", metrics.clients_resumed);
    line("clients joined after catching up", metrics.clients_joined);
    line("clients too slow", metrics.clients_too_slow);
    line("clients moved on behind a gap", metrics.clients_skipped);
    line("events in", metrics.events);
    line("events refused", metrics.events_refused);
    line("events delivered", metrics.events_delivered);
    line("duplicates dropped", metrics.duplicates);
    line("gaps signalled", metrics.gaps);
    line("heartbeats", metrics.heartbeats);
    for (std::size_t i = 0; i < metrics.drops.size(); ++i) {
        const std::string name = "upstream drops: " + std::string{to_string(static_cast<rejoin::EndReason>(i))};
        line(name.c_str(), metrics.drops[i]);
    }
    for (std::size_t i = 1; i < metrics.resumes.size(); ++i) {
        const std::string name = "resume outcomes: " + std::string{to_string(static_cast<rejoin::ResumeOutcome>(i))};
        line(name.c_str(), metrics.resumes[i]);
    }
}

asio::awaitable<void> drain(asio::io_context& io, examples::ProxyRoutes& proxy, rejoin::HttpServer& server,
                            std::chrono::milliseconds window) {
    server.stop();
    co_await proxy.drain(window);
    asio::steady_timer pause{io};
    for (int turn = 0; turn < 100 && server.connections() > 0; ++turn) {
        pause.expires_after(std::chrono::milliseconds{20});
        co_await pause.async_wait(asio::use_awaitable);
    }
    io.stop();
}

// A stream takes two descriptors; the soft limit is often 1,024.
void allow_many_descriptors() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

// The one route that the flags name.
bool set_upstreams(const Settings& settings, examples::ProxyConfig& config, std::string& why) {
    examples::RouteConfig route;
    route.rule.prefix = "/";
    if (settings.upstreams.empty()) why = "--upstream is required";
    for (const std::string& text : settings.upstreams) {
        auto url = examples::parse_upstream(text, why);
        if (url) route.upstreams.push_back(std::move(*url));
        else why = "--upstream: " + why;
    }
    config.table.add(route.rule);
    config.routes.push_back(std::move(route));
    return why.empty();
}

// What the file says goes before the flags. False when it was refused, with the reasons told.
bool read_config(Settings& settings, examples::ProxyConfig& config) {
    auto loaded = examples::load_config(settings.config, !settings.keys.empty());
    for (const examples::ConfigError& error : loaded.errors) std::fprintf(stderr, "%s\n", error.text(settings.config).c_str());
    if (!loaded.errors.empty()) return false;
    config = std::move(loaded.config);
    if (config.listen) settings.listen = *config.listen;
    if (config.admin) settings.admin = *config.admin;
    if (config.header_timeout) settings.server.header_timeout = *config.header_timeout;
    if (config.keep_alive) settings.server.keep_alive = *config.keep_alive;
    if (config.drain) settings.drain = std::chrono::ceil<std::chrono::milliseconds>(*config.drain);
    if (config.max_clients) settings.server.max_connections = *config.max_clients;
    return true;
}

// The file's, then the flags'. False when one is wrong, with the reason told.
bool set_keys(Settings& settings, const examples::ProxyConfig& config) {
    std::vector<rejoin::IdKey> keys = config.keys;
    std::string why;
    for (const std::string& text : settings.keys) {
        auto key = examples::read_key(text, why);
        if (!key) {
            std::fprintf(stderr, "rejoin-proxy: --id-key: %s\n", why.c_str());
            return false;
        }
        const bool twice = std::any_of(keys.begin(), keys.end(), [&key](const rejoin::IdKey& other) { return other.id == key->id; });
        if (twice) {
            std::fprintf(stderr, "rejoin-proxy: --id-key: '%s' is another key's id, too\n", key->id.c_str());
            return false;
        }
        keys.push_back(std::move(*key));
    }
    if (settings.proxy.stream.ids == rejoin::IdMode::sealed && keys.empty()) {
        std::fprintf(stderr, "rejoin-proxy: --ids sealed needs an --id-key: ids outlive the proxy only as long as its key does\n");
        return false;
    }
    settings.proxy.keys = std::make_shared<const rejoin::IdKeys>(std::move(keys));
    return true;
}

int run(Settings& settings) {
    examples::ProxyConfig config;
    std::string why;
    if (!settings.config.empty()) {
        if (!read_config(settings, config)) return 1;
    } else if (!set_upstreams(settings, config, why)) {
        std::fprintf(stderr, "rejoin-proxy: %s\n", why.c_str());
        return 1;
    }
    const auto endpoint = examples::parse_endpoint(settings.listen);
    if (!endpoint) {
        std::fprintf(stderr, "rejoin-proxy: --listen: '%s' is not HOST:PORT\n", settings.listen.c_str());
        return 1;
    }
    std::optional<asio::ip::tcp::endpoint> admin_endpoint;
    if (!settings.admin.empty()) admin_endpoint = examples::parse_endpoint(settings.admin);
    if (!settings.admin.empty() && !admin_endpoint) {
        std::fprintf(stderr, "rejoin-proxy: --admin: '%s' is not HOST:PORT\n", settings.admin.c_str());
        return 1;
    }
    if (!settings.connection.apply(settings.proxy.client.connect, why)) {
        std::fprintf(stderr, "rejoin-proxy: %s\n", why.c_str());
        return 1;
    }
    if (admin_endpoint && *admin_endpoint == *endpoint && endpoint->port() != 0) {
        std::fprintf(stderr, "rejoin-proxy: --admin and --listen are the same address\n");
        return 1;
    }
    if (settings.proxy.reconnection.backoff.base <= std::chrono::milliseconds::zero() ||
        settings.proxy.reconnection.backoff.cap < settings.proxy.reconnection.backoff.base) {
        std::fprintf(stderr, "rejoin-proxy: --backoff-base must be more than 0, and --backoff-cap no less\n");
        return 1;
    }
    if (!set_keys(settings, config)) return 1;
    if (settings.check) {
        std::printf("%s: ok\n", settings.config.c_str());
        return 0;
    }
    set_slow_clients(settings.proxy, settings.slow_clients);
    settings.proxy.writer.gap_event = settings.proxy.stream.gap_event;
    allow_many_descriptors();
    if (settings.retry.count() > 0) settings.proxy.retry = settings.retry;

    asio::io_context io{1};
    examples::ProxyRoutes proxy{io.get_executor(), config, settings.proxy};
    std::optional<examples::AccessLogFile> access_log;
    if (config.access_log) {
        access_log.emplace(config.access_log->path, rejoin::AccessLogOptions{config.access_log->query, config.access_log->event_ids});
    } else if (!settings.access_log.empty()) {
        access_log.emplace(settings.access_log);
    }
    if (access_log) settings.server.access_log = [&access_log](rejoin::AccessLogEntry entry) { (*access_log)(entry); };
    rejoin::HttpServer server{io.get_executor(), *endpoint, [&proxy](rejoin::HttpExchange& exchange) { return proxy.handle(exchange); },
                              settings.server};
    server.start();

    std::optional<rejoin::HttpServer> admin;
    if (admin_endpoint) {
        const auto metrics = [&proxy, &server](std::string& out) {
            proxy.write_metrics(out);
            rejoin::PrometheusWriter writer{out};
            writer.gauge("rejoin_connections", "Open client connections.");
            writer.sample(std::uint64_t{server.connections()});
        };
        const auto ready = [&proxy] { return !proxy.draining(); };
        admin.emplace(io.get_executor(), *admin_endpoint, rejoin::AdminHandler{{metrics, ready}});
        admin->start();
    }
    asio::signal_set signals{io, SIGINT, SIGTERM};
    signals.async_wait([&](std::error_code error, int) {
        if (error) return;
        rejoin::spawn(io.get_executor(), drain(io, proxy, server, settings.drain));
        signals.async_wait([&io](std::error_code again, int) {
            if (!again) io.stop();
        });
    });
    // Without a log to reopen, it is not to end the program.
    asio::signal_set renamed{io, SIGHUP};
    const std::function<void(std::error_code, int)> reopen = [&](std::error_code error, int) {
        if (error) return;
        try {
            if (access_log) access_log->reopen();
        } catch (const std::system_error& failure) {
            std::fprintf(stderr, "rejoin-proxy: %s\n", failure.what());
        }
        renamed.async_wait(reopen);
    };
    renamed.async_wait(reopen);
    if (!settings.quiet) {
        std::printf("listening on %s\n", examples::url_of(server.local_endpoint()).c_str());
        if (admin) std::printf("admin on %s\n", examples::url_of(admin->local_endpoint()).c_str());
        std::fflush(stdout);
    }
    io.run();
    if (settings.verbose) {
        rejoin::GatewayMetrics sum;
        proxy.add_metrics(sum);
        print_counters(sum);
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);  // the reader of --access-log - may go
    CLI::App app{"rejoin-proxy: a reverse proxy whose event streams survive dropped upstreams and dropped clients"};
    Settings settings;
    declare(app, settings);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 1;
    }
    try {
        return run(settings);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "rejoin-proxy: %s\n", error.what());
        return 2;
    }
}
