// intercepting-proxy: a reverse proxy that changes what goes through it, made of the interceptors in interceptors/.
//
//     intercepting-proxy --upstream http://127.0.0.1:9000 --redact user.email --block debug --count-tokens

#include <csignal>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include <rejoin/rejoin.hpp>

#include "endpoint.hpp"
#include "interceptors/count_tokens.hpp"
#include "interceptors/event_types.hpp"
#include "interceptors/redact_json.hpp"
#include "interceptors/set_header.hpp"
#include "upstream_url.hpp"

namespace {

struct Settings {
    std::string listen = "127.0.0.1:8080";
    std::string upstream;
    std::vector<std::string> redact;
    std::vector<std::string> block;
    std::vector<std::string> rename;
    std::vector<std::string> request_headers;
    std::vector<std::string> response_headers;
    bool count_tokens = false;
};

void declare(CLI::App& app, Settings& settings) {
    app.add_option("--listen", settings.listen, "HOST:PORT to accept clients on; port 0 picks one")->capture_default_str();
    app.add_option("--upstream", settings.upstream, "http://HOST:PORT[/PATH] that requests go to")->required();
    const auto repeated = [&app](const char* name, std::vector<std::string>& values, const char* what, const char* type) {
        app.add_option(name, values, what)->type_name(type)->allow_extra_args(false);
    };
    app.add_flag("--count-tokens", settings.count_tokens, "tell the tokens of each completion, on stderr, when its stream has ended");
    repeated("--block", settings.block, "leave out events of this type", "TYPE");
    repeated("--rename", settings.rename, "give events of one type another", "FROM=TO");
    repeated("--redact", settings.redact, "put *** for a field of events that are JSON: user.email, choices.*.delta.content", "PATH");
    repeated("--request-header", settings.request_headers, "set a field in requests to the upstream", "'NAME: VALUE'");
    repeated("--response-header", settings.response_headers, "set a field in the upstream's responses", "'NAME: VALUE'");
    app.footer("Options that take a value may be given more than once. Events are counted, then blocked, renamed and redacted.");
}

void report_tokens(const rejoin::StreamContext& stream, const examples::TokenCount& count, rejoin::StreamEnding ending) {
    const std::string_view path = stream.target.substr(0, stream.target.find('?'));  // queries may hold keys
    std::fprintf(stderr, "%.*s %.*s: %llu tokens in, %llu out (%s), %s\n", static_cast<int>(stream.method.size()), stream.method.data(),
                 static_cast<int>(path.size()), path.data(), static_cast<unsigned long long>(count.input),
                 static_cast<unsigned long long>(count.output), count.reported ? "reported" : "counted",
                 ending == rejoin::StreamEnding::complete ? "complete" : "cut");
}

rejoin::HttpField header_of(const std::string& flag, const std::string& text) {
    std::string why;
    auto field = examples::parse_header(text, why);
    if (!field) throw std::invalid_argument{flag + ": " + why};
    return std::move(*field);
}

// In the order in which events pass them. Throws `std::invalid_argument` for a flag's value that can't be.
void add_interceptors(rejoin::ReverseProxySseManager& proxy, const Settings& settings) {
    if (settings.count_tokens) {
        proxy.add_interceptor([](const rejoin::RequestHead&) { return examples::CountTokens{report_tokens}; });
    }
    for (const std::string& type : settings.block) proxy.add_interceptor(examples::BlockEvents{type});
    for (const std::string& names : settings.rename) {
        const std::size_t equals = names.find('=');
        const bool good = equals != names.npos && equals > 0 && equals + 1 < names.size() && names.find_first_of("\r\n") == names.npos;
        if (!good) throw std::invalid_argument{"--rename: '" + names + "' is not FROM=TO"};
        proxy.add_interceptor(examples::RenameEvents{names.substr(0, equals), names.substr(equals + 1)});
    }
    for (const std::string& path : settings.redact) {
        try {
            proxy.add_interceptor(examples::RedactJson{path});
        } catch (const std::invalid_argument& error) {
            throw std::invalid_argument{"--redact: '" + path + "': " + error.what()};
        }
    }
    for (const std::string& text : settings.request_headers) {
        proxy.add_request_interceptor(examples::SetHeader{header_of("--request-header", text)});
    }
    for (const std::string& text : settings.response_headers) {
        proxy.add_response_interceptor(examples::SetHeader{header_of("--response-header", text)});
    }
}

asio::awaitable<void> drain(asio::io_context& io, rejoin::ReverseProxySseManager& proxy, rejoin::HttpServer& server) {
    server.stop();
    co_await proxy.drain(std::chrono::milliseconds{500});
    asio::steady_timer pause{io};
    // At least once: the streams that were ended tell their interceptors of it.
    for (int turn = 0; turn == 0 || (turn < 50 && server.connections() > 0); ++turn) {
        pause.expires_after(std::chrono::milliseconds{20});
        co_await pause.async_wait(asio::use_awaitable);
    }
    io.stop();
}

int run(const Settings& settings) {
    const auto endpoint = examples::parse_endpoint(settings.listen);
    if (!endpoint) throw std::invalid_argument{"--listen: '" + settings.listen + "' is not HOST:PORT"};
    std::string why;
    auto upstream = examples::parse_upstream(settings.upstream, why);
    if (!upstream) throw std::invalid_argument{"--upstream: " + why};
    if (upstream->scheme == "https") throw std::invalid_argument{"--upstream: https is not built into this example"};
    rejoin::ReverseProxyOptions options;
    options.upstream = std::move(*upstream);

    asio::io_context io{1};
    rejoin::ReverseProxySseManager proxy{io.get_executor(), options};
    add_interceptors(proxy, settings);
    const auto handle = [&proxy](rejoin::HttpExchange& exchange) { return proxy.handle(exchange); };
    rejoin::HttpServer server{io.get_executor(), *endpoint, handle};
    server.start();

    asio::signal_set signals{io, SIGINT, SIGTERM};
    signals.async_wait([&](std::error_code error, int) {
        if (error) return;
        rejoin::spawn(io.get_executor(), drain(io, proxy, server));
        signals.async_wait([&io](std::error_code again, int) {
            if (!again) io.stop();
        });
    });
    std::printf("listening on %s\n", examples::url_of(server.local_endpoint()).c_str());
    std::fflush(stdout);
    io.run();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"intercepting-proxy: a reverse proxy that keeps event streams alive and changes what goes through it"};
    Settings settings;
    declare(app, settings);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 1;
    }
    try {
        return run(settings);
    } catch (const std::invalid_argument& error) {
        std::fprintf(stderr, "intercepting-proxy: %s\n", error.what());
        return 1;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "intercepting-proxy: %s\n", error.what());
        return 2;
    }
}
