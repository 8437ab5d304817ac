// rejoin-proxy: the reference reverse proxy. In front of one upstream, it keeps clients' event streams open while the
// upstream drops, and gives clients that come back exactly what they missed.

#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include <rejoin/rejoin.hpp>

#include "connection_flags.hpp"
#include "durations.hpp"
#include "endpoint.hpp"

namespace {

struct Settings {
    std::string listen = "127.0.0.1:8080";
    std::vector<std::string> upstreams;
    rejoin::ReverseProxyOptions proxy;
    rejoin::HttpServerOptions server;
    examples::ConnectionFlags connection;
    std::chrono::milliseconds retry{0};
    std::chrono::milliseconds drain{3000};
    bool quiet = false;
    bool verbose = false;
};

void declare(CLI::App& app, Settings& settings) {
    using examples::add_duration;
    auto& proxy = settings.proxy;
    app.set_version_flag("--version", std::string{"rejoin-proxy "} + REJOIN_VERSION_STRING);
    app.add_option("--listen", settings.listen, "HOST:PORT to accept clients on; port 0 picks one")->capture_default_str();
    app.add_option("--upstream", settings.upstreams, "http(s)://HOST:PORT[/PATH] that requests go to; further ones are asked while those before fail")
        ->required()->allow_extra_args(false);

    const std::string upstream = "Upstream";
    add_duration(app, "--backoff-base", proxy.reconnection.backoff.base, "first delay before reconnecting, before jitter")->group(upstream);
    add_duration(app, "--backoff-cap", proxy.reconnection.backoff.cap, "longest delay before reconnecting")->group(upstream);
    add_duration(app, "--connect-timeout", proxy.client.connect.connect_timeout, "bound on connecting")->group(upstream);
    add_duration(app, "--response-timeout", proxy.client.response_timeout, "bound on the wait for a response head")->group(upstream);
    add_duration(app, "--idle-timeout", proxy.health.idle, "a stream silent for this long counts as dropped; 0 = never")->group(upstream);
    add_duration(app, "--max-outage", proxy.reconnection.max_outage, "clients are cut when the upstream was away for this long; 0 = never")
        ->group(upstream);
    add_duration(app, "--linger", proxy.directory.linger, "a stream is read on for this long after its last client left")->group(upstream);
    app.add_option("--sharing", proxy.sharing,
                   "clients of one principal and target: each with an upstream stream of its own, one stream that the newest takes over, or one "
                   "that all share [own]")
        ->transform(CLI::CheckedTransformer(std::map<std::string, rejoin::Sharing>{
            {"own", rejoin::Sharing::own}, {"exclusive", rejoin::Sharing::exclusive}, {"shared", rejoin::Sharing::shared}}))
        ->group(upstream);
    app.add_option("--post", proxy.post, "event streams that answer a POST: cut when they are cut, resumed by GET where they carry ids, MCP's rules, or "
                                         "going on without their client [resume]")
        ->transform(CLI::CheckedTransformer(std::map<std::string, rejoin::PostStreams>{{"cut", rejoin::PostStreams::cut},
                                                                                       {"resume", rejoin::PostStreams::resume},
                                                                                       {"mcp", rejoin::PostStreams::mcp},
                                                                                       {"detach", rejoin::PostStreams::detach}}))
        ->group(upstream);
    add_duration(app, "--post-linger", proxy.post_linger, "with --post mcp or detach: an answer goes on without its client for this long")->group(upstream);
    add_duration(app, "--cool-down", proxy.cool_down, "with several upstreams: one that failed is passed over for this long")->group(upstream);

    settings.connection.declare(app, upstream);

    const std::string clients = "Clients";
    add_duration(app, "--header-timeout", settings.server.header_timeout, "bound on receiving a request head")->group(clients);
    add_duration(app, "--keep-alive", settings.server.keep_alive, "idle connections are closed after this long")->group(clients);
    add_duration(app, "--heartbeat", proxy.writer.heartbeat, "a comment is sent when a stream is silent for this long; 0 = never")->group(clients);
    add_duration(app, "--write-deadline", proxy.writer.write_deadline, "a client that takes nothing for this long is cut; 0 = never")
        ->group(clients);
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
    app.add_option("--ids", proxy.stream.ids, "event ids that clients see: the upstream's, or the proxy's own [passthrough]")
        ->transform(CLI::CheckedTransformer(
            std::map<std::string, rejoin::IdMode>{{"passthrough", rejoin::IdMode::passthrough}, {"minted", rejoin::IdMode::minted}}))
        ->group(logs);
    app.add_option("--gap", proxy.gap, "for a client whose id can't be continued from: go on live, from the oldest kept, or 410 [continue]")
        ->transform(CLI::CheckedTransformer(std::map<std::string, rejoin::GapPolicy>{{"continue", rejoin::GapPolicy::continue_live},
                                                                                     {"oldest", rejoin::GapPolicy::oldest},
                                                                                     {"410", rejoin::GapPolicy::gone}}))
        ->group(logs);
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
    line("clients too slow", metrics.clients_too_slow);
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

asio::awaitable<void> drain(asio::io_context& io, rejoin::ReverseProxySseManager& proxy, rejoin::HttpServer& server,
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

bool set_upstreams(Settings& settings, std::string& why) {
    for (const std::string& text : settings.upstreams) {
        auto url = rejoin::Url::parse(text);
        if (!url) {
            why = "--upstream: '" + text + "': " + url.error().message();
            return false;
        }
        if (&text == &settings.upstreams.front()) settings.proxy.upstream = std::move(*url);
        else settings.proxy.alternatives.push_back(std::move(*url));
    }
    return true;
}

int run(Settings& settings) {
    const auto endpoint = examples::parse_endpoint(settings.listen);
    if (!endpoint) {
        std::fprintf(stderr, "rejoin-proxy: --listen: '%s' is not HOST:PORT\n", settings.listen.c_str());
        return 1;
    }
    std::string why;
    if (!set_upstreams(settings, why) || !settings.connection.apply(settings.proxy.client.connect, why)) {
        std::fprintf(stderr, "rejoin-proxy: %s\n", why.c_str());
        return 1;
    }
    allow_many_descriptors();
    if (settings.retry.count() > 0) settings.proxy.retry = settings.retry;

    asio::io_context io{1};
    rejoin::ReverseProxySseManager proxy{io.get_executor(), settings.proxy};
    rejoin::HttpServer server{io.get_executor(), *endpoint, [&proxy](rejoin::HttpExchange& exchange) { return proxy.handle(exchange); },
                              settings.server};
    server.start();
    asio::signal_set signals{io, SIGINT, SIGTERM};
    signals.async_wait([&](std::error_code error, int) {
        if (error) return;
        rejoin::spawn(io.get_executor(), drain(io, proxy, server, settings.drain));
        signals.async_wait([&io](std::error_code again, int) {
            if (!again) io.stop();
        });
    });
    if (!settings.quiet) {
        std::printf("listening on %s\n", examples::url_of(server.local_endpoint()).c_str());
        std::fflush(stdout);
    }
    io.run();
    if (settings.verbose) print_counters(proxy.metrics());
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
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
