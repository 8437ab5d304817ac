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

namespace {

// An interceptor: sees each event once, before it enters the log, and may change it, drop it, or put others beside it.
void redact_email(const rejoin::StreamContext&, std::vector<rejoin::SseEvent>& events) {
    for (rejoin::SseEvent& event : events) {
        const std::string field = "\"email\":\"";
        const std::size_t begin = event.data.find(field);
        if (begin == std::string::npos) continue;
        const std::size_t value = begin + field.size();
        const std::size_t end = event.data.find('"', value);
        if (end != std::string::npos) event.data.replace(value, end - value, "***");
    }
}

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
    proxy.add_interceptor(redact_email);
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
