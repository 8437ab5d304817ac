// contract-service: through it a test harness of any language drives rejoin's client and sees what the client sees.
//
//   GET /                -> 200 {"capabilities": [...]}
//   POST /               -> 201 with Location; the body: {"streamUrl", "callbackUrl", "tag", "initialDelayMs", "readTimeoutMs",
//                           "lastEventId", "headers", "method", "body"}, the first two required, null as good as absent
//   POST <Location>      -> {"command": "restart"}: reconnect now
//   DELETE <Location>    -> 204 once the stream and its connections are gone
//   DELETE /             -> 204, and the service exits
//
// What the client sees goes as POSTs to <callbackUrl>/1, <callbackUrl>/2, ...: {"kind":"event","event":{"type","data","id"}},
// {"kind":"comment","comment"}, {"kind":"error","error"}.

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>

#include <CLI/CLI.hpp>

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include <rejoin/version.hpp>

#include "contract_routes.hpp"
#include "endpoint.hpp"

namespace {

enum ExitCode : int { ended = 0, usage = 1, failed = 2 };

int serve(const asio::ip::tcp::endpoint& endpoint) {
    asio::io_context io{1};
    examples::ContractRoutes routes{io.get_executor(), [&io] { io.stop(); }};
    const auto handle = [&routes](rejoin::HttpExchange& exchange) { return routes.handle(exchange); };
    rejoin::HttpServer server{io.get_executor(), endpoint, handle};
    server.start();
    asio::signal_set signals{io, SIGINT, SIGTERM};
    signals.async_wait([&io](std::error_code error, int) {
        if (!error) io.stop();
    });
    std::printf("listening on %s\n", examples::url_of(server.local_endpoint()).c_str());
    std::fflush(stdout);
    io.run();

    // Told to end: everything is closed, and whoever is being answered has a moment to read it. A second signal kills.
    std::error_code ignored;
    signals.cancel(ignored);
    signals.clear(ignored);
    server.stop();
    routes.close();
    io.restart();
    io.run_for(std::chrono::seconds{2});
    return ended;
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    CLI::App app{"contract-service: lets a test harness of any language drive rejoin's client"};
    std::string host = "127.0.0.1";
    std::uint16_t port = 8000;
    app.set_version_flag("--version", std::string{"contract-service "} + REJOIN_VERSION_STRING);
    app.add_option("--port", port, "where to listen; 0 picks one")->capture_default_str();
    app.add_option("--host", host, "the address to listen on, or localhost")->capture_default_str();
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? ended : usage;
    }
    const bool bare_v6 = host.find(':') != std::string::npos && !host.starts_with('[');
    const auto endpoint = examples::parse_endpoint((bare_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port));
    if (!endpoint) {
        std::fprintf(stderr, "contract-service: '%s' is not an address\n", host.c_str());
        return usage;
    }
    try {
        return serve(*endpoint);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "contract-service: %s\n", error.what());
        return failed;
    }
}
