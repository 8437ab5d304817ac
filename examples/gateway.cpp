// A gateway of one's own, assembled from rejoin's primitives: it redacts a JSON field of every event on its way through,
// keeps its clients' streams open while the upstream drops, and gives clients that come back what they missed.
//
//     gateway 127.0.0.1:8080 http://127.0.0.1:9000

#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include <rejoin/rejoin.hpp>

#include "endpoint.hpp"
#include "interceptors/redact_json.hpp"

namespace {

int run(const std::string& listen, const std::string& upstream) {
    const auto endpoint = examples::parse_endpoint(listen);
    if (!endpoint) {
        std::fprintf(stderr, "gateway: '%s' is not HOST:PORT\n", listen.c_str());
        return 1;
    }
    rejoin::ReverseProxyOptions options;
    options.upstream = rejoin::Url::parse(upstream).value();
    options.stream.log.events = 4096;                            // what a client may miss and still get
    options.reconnection.max_outage = std::chrono::minutes{5};   // how long an upstream may be away
    options.principal.push_back("X-Tenant");                     // whose history is whose

    asio::io_context io{1};
    rejoin::ReverseProxySseManager proxy{io.get_executor(), options};
    proxy.add_interceptor(examples::RedactJson{"email"});         // sees each event once, before it enters the log
    const auto handle = [&proxy](rejoin::HttpExchange& exchange) { return proxy.handle(exchange); };
    rejoin::HttpServer server{io.get_executor(), *endpoint, handle};
    server.start();

    asio::signal_set signals{io, SIGINT, SIGTERM};
    signals.async_wait([&io](std::error_code error, int) {
        if (!error) io.stop();
    });
    std::printf("listening on %s\n", examples::url_of(server.local_endpoint()).c_str());
    std::fflush(stdout);
    io.run();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: gateway LISTEN_HOST:PORT UPSTREAM_URL\n");
        return 1;
    }
    try {
        return run(argv[1], argv[2]);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "gateway: %s\n", error.what());
        return 2;
    }
}
