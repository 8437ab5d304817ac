// rejoin-follow: follows an event stream like a curl that never loses its place.

#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include <rejoin/rejoin.hpp>

#include "connection_flags.hpp"
#include "durations.hpp"

namespace {

enum ExitCode : int { finished = 0, usage = 1, refused = 2, gave_up = 3 };

struct Settings {
    std::string url;
    std::string method = "GET";
    std::string body;
    std::string last_event_id;
    std::vector<std::string> headers;
    unsigned long long max_events = 0;
    bool json = false;
    bool quiet = false;
    rejoin::ReconnectingStreamOptions stream;
    examples::ConnectionFlags connection;
};

void declare(CLI::App& app, Settings& settings) {
    using examples::add_duration;
    auto& stream = settings.stream;
    app.set_version_flag("--version", std::string{"rejoin-follow "} + REJOIN_VERSION_STRING);
    app.add_option("url", settings.url, "http(s)://HOST[:PORT]/PATH of the stream")->required();
    app.add_flag("--json", settings.json, "one JSON object per event: id, event, data, last_event_id");
    app.add_option("-H,--header", settings.headers, "'Name: value' sent with each request; may be repeated")->allow_extra_args(false);
    app.add_option("--last-event-id", settings.last_event_id, "start behind the event with this id");
    app.add_option("--max-events", settings.max_events, "end after this many events; 0 = never");
    app.add_option("--method", settings.method, "request method")->capture_default_str();
    app.add_option("--body", settings.body, "request body");
    app.add_flag("--quiet", settings.quiet, "say nothing on stderr but why it ended");
    add_duration(app, "--backoff-base", stream.reconnection.backoff.base, "first delay before reconnecting, before jitter");
    add_duration(app, "--backoff-cap", stream.reconnection.backoff.cap, "longest delay before reconnecting");
    add_duration(app, "--connect-timeout", stream.client.connect.connect_timeout, "bound on connecting");
    add_duration(app, "--tls-timeout", stream.client.connect.tls_timeout, "bound on the TLS handshake");
    add_duration(app, "--response-timeout", stream.client.response_timeout, "bound on the wait for a response head");
    add_duration(app, "--idle-timeout", stream.health.idle, "a stream silent for this long counts as dropped; 0 = never");
    add_duration(app, "--max-outage", stream.reconnection.max_outage, "give up when the server was away for this long; 0 = never");
    app.add_option("--max-attempts", stream.reconnection.max_attempts, "give up after this many retries without progress; 0 = never")
        ->capture_default_str();
    settings.connection.declare(app);
}

// Bytes that are no UTF-8 can't come: the stream's parser replaces them.
void print_event(const rejoin::SseEventView& event, bool json) {
    if (json) {
        nlohmann::ordered_json object;
        object["id"] = event.has_id ? nlohmann::ordered_json(std::string{event.id}) : nlohmann::ordered_json(nullptr);
        object["event"] = std::string{event.type};
        object["data"] = std::string{event.data};
        object["last_event_id"] = std::string{event.last_event_id};
        const std::string line = object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
        std::fwrite(line.data(), 1, line.size(), stdout);
    } else {
        std::fwrite(event.data.data(), 1, event.data.size(), stdout);
    }
    std::fputc('\n', stdout);
}

double seconds(rejoin::Duration duration) { return std::chrono::duration<double>(duration).count(); }

// What failed and in which phase, on one line.
std::string failure(rejoin::Phase phase, const std::error_code& error, const rejoin::ReconnectingStream& stream) {
    std::string text = std::string{to_string(phase)} + ": " + error.message();
    const rejoin::ResponseHead* const response = stream.response();
    if (phase != rejoin::Phase::response || response == nullptr) return text;
    if (error != rejoin::Error::bad_status && error != rejoin::Error::bad_content_type) return text;
    text += " (" + std::to_string(response->status) + (response->reason.empty() ? "" : " " + response->reason) + ")";
    const std::string& body = stream.error_body();
    const std::string first_line = body.substr(0, body.find_first_of("\r\n"));
    return first_line.empty() ? text : text + ": " + first_line;
}

void print_lifecycle(const rejoin::StreamItem& item, const rejoin::ReconnectingStream& stream) {
    using Kind = rejoin::StreamItem::Kind;
    switch (item.kind) {
    case Kind::opened:
        std::fprintf(stderr, "opened: %d, from %s\n", stream.response()->status,
                     stream.tracker().cursor().empty() ? "the beginning" : ("event " + std::string{stream.tracker().cursor()}).c_str());
        break;
    case Kind::dropped:
        std::fprintf(stderr, "dropped: %s%s%s, last event id '%s'\n", std::string{to_string(item.end)}.c_str(), item.error ? ": " : "",
                     item.error ? item.error.message().c_str() : "", std::string{stream.tracker().cursor()}.c_str());
        break;
    case Kind::waiting:
        if (item.error && item.phase != rejoin::Phase::body) {
            std::fprintf(stderr, "failed: %s; next attempt in %.3f s\n", failure(item.phase, item.error, stream).c_str(), seconds(item.delay));
        } else {
            std::fprintf(stderr, "waiting: %.3f s\n", seconds(item.delay));
        }
        break;
    case Kind::unsendable:
        std::fprintf(stderr, "unsendable: the id behind which to resume can't be a header\n");
        break;
    case Kind::resumed:
        std::fprintf(stderr, "resumed: %s", std::string{to_string(item.outcome)}.c_str());
        if (item.gap) std::fprintf(stderr, " (gap behind '%s', %s lost)", std::string{item.event.last_event_id}.c_str(),
                                   item.lost > 0 ? std::to_string(item.lost).c_str() : "unknown");
        std::fputc('\n', stderr);
        break;
    default: break;
    }
}

int report_end(const rejoin::ReconnectingStream& stream, rejoin::Phase phase) {
    const std::error_code error = stream.error();
    if (stream.ended_complete() || error == rejoin::Error::closed) return finished;
    const bool by_server = error == rejoin::Error::bad_status || error == rejoin::Error::bad_content_type ||
                           error == rejoin::Error::bad_content_encoding || error == rejoin::Error::bad_redirect ||
                           error == rejoin::Error::too_many_redirects || error == rejoin::Error::proxy_authentication;
    const std::error_code cause = stream.cause();
    const std::string last = failure(phase, cause ? cause : error, stream);
    const std::string what = cause ? error.message() + "; last failure in " + last : last;
    std::fprintf(stderr, "rejoin-follow: %s\n", what.c_str());
    return by_server ? refused : gave_up;
}

asio::awaitable<void> follow(rejoin::ReconnectingStream& stream, const Settings& settings, int& exit_code) {
    rejoin::StreamItem item;
    unsigned long long events = 0;
    rejoin::Phase phase = rejoin::Phase::prepare;
    for (bool more = true; more;) {
        more = co_await stream.wait();
        while (stream.try_next(item)) {
            if (item.kind == rejoin::StreamItem::Kind::finished) phase = item.phase;
            if (item.kind == rejoin::StreamItem::Kind::event) {
                print_event(item.event, settings.json);
                if (++events == settings.max_events) stream.close();
            } else if (!settings.quiet) {
                print_lifecycle(item, stream);
            }
        }
        // Once per read, not per event: a reader at the other end of a pipe still sees everything at once.
        if (std::fflush(stdout) != 0) stream.close();
    }
    exit_code = report_end(stream, phase);
}

int run(Settings& settings) {
    auto url = rejoin::Url::parse(settings.url);
    if (!url) {
        std::fprintf(stderr, "rejoin-follow: '%s': %s\n", settings.url.c_str(), url.error().message().c_str());
        return usage;
    }
    rejoin::HttpRequest request{std::move(*url), settings.method};
    request.body = settings.body;
    for (const std::string& header : settings.headers) {
        const std::size_t colon = header.find(':');
        const std::size_t value = header.find_first_not_of(" \t", colon == std::string::npos ? 0 : colon + 1);
        if (colon == std::string::npos || colon == 0) {
            std::fprintf(stderr, "rejoin-follow: -H '%s' is not 'Name: value'\n", header.c_str());
            return usage;
        }
        request.headers.set(header.substr(0, colon), value == std::string::npos ? "" : header.substr(value));
    }
    if (!settings.last_event_id.empty()) request.headers.set("Last-Event-ID", settings.last_event_id);

    std::string why;
    if (!settings.connection.apply(settings.stream.client.connect, why)) {
        std::fprintf(stderr, "rejoin-follow: %s\n", why.c_str());
        return usage;
    }
    asio::io_context io{1};
    rejoin::ReconnectingStream stream{io.get_executor(), std::move(request), settings.stream};
    int exit_code = finished;
    asio::signal_set signals{io, SIGINT, SIGTERM};
    signals.async_wait([&stream](std::error_code error, int) {
        if (!error) stream.close();
    });
    asio::co_spawn(io, follow(stream, settings, exit_code), [&signals](std::exception_ptr failure) {
        signals.cancel();
        if (failure) std::rethrow_exception(failure);
    });
    io.run();
    return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    CLI::App app{"rejoin-follow: follows an event stream, through drops, without losing or doubling an event"};
    app.footer("Exit codes: 0 finished, 1 usage, 2 refused by the server, 3 gave up.");
    Settings settings;
    settings.stream.health.idle = std::chrono::seconds{60};
    declare(app, settings);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? finished : usage;
    }
    try {
        return run(settings);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "rejoin-follow: %s\n", error.what());
        return usage;
    }
}
