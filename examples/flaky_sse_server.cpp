// flaky-sse-server: an upstream that keeps being cut, for trying out what stands between it and a client.
//
//   flaky-sse-server --listen 127.0.0.1:8081 --rate 20 --cut-events 50 --end rotate --replay inclusive

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <CLI/CLI.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include <rejoin/testing/flaky_upstream.hpp>
#include <rejoin/version.hpp>

#include "durations.hpp"

namespace {

using namespace rejoin::testing;

constexpr const char* about =
    "An event-stream server with a history 1, 2, 3, ... that cuts its responses in every way there is.\n"
    "GET or POST any path for a stream; /plain[/BYTES], /echo and /status/CODE are regular responses.\n"
    "Durations have a unit: 250ms, 3s, 1m. SIGTERM or SIGINT ends it; a summary in JSON goes to stderr.";

const std::map<std::string, FlakyEnd> ends{
    {"clean", FlakyEnd::clean},
    {"truncated", FlakyEnd::truncated},
    {"mid-event", FlakyEnd::mid_event},
    {"reset", FlakyEnd::reset},
    {"close-delimited", FlakyEnd::close_delimited},
    {"stall", FlakyEnd::stall},
};
const std::map<std::string, FlakyReplay> replays{
    {"exact", FlakyReplay::exact},
    {"inclusive", FlakyReplay::inclusive},
    {"from-start", FlakyReplay::from_start},
    {"none", FlakyReplay::none},
    {"lost", FlakyReplay::lost},
};
const std::map<std::string, FlakyIds> ids{
    {"numeric", FlakyIds::numeric},
    {"none", FlakyIds::none},
    {"text", FlakyIds::text},
};
const std::map<std::string, FlakyAfterLast> after_lasts{
    {"hold", FlakyAfterLast::hold},
    {"end", FlakyAfterLast::end},
    {"204", FlakyAfterLast::no_content},
};

const std::map<std::string, FlakyOutage> outages{
    {"status", FlakyOutage::status},
    {"refuse", FlakyOutage::refuse},
};

template <class Value>
std::string names(const std::map<std::string, Value>& choices) {
    std::string text;
    for (const auto& [name, value] : choices) text.append(text.empty() ? "" : "|").append(name);
    return text;
}

template <class Value>
Value choose(const std::string& option, const std::map<std::string, Value>& choices, const std::string& name) {
    const auto at = choices.find(name);
    if (at == choices.end()) throw CLI::ValidationError(option, "'" + name + "' is not one of " + names(choices));
    return at->second;
}

template <class Value>
CLI::Option* add_choice(CLI::App& app, const std::string& option, const std::map<std::string, Value>& choices, Value& target,
                        const std::string& initial, const std::string& description) {
    const auto read = [option, &choices, &target](const std::string& name) { target = choose(option, choices, name); };
    return app.add_option_function<std::string>(option, read, description)->type_name(names(choices))->default_str(initial);
}

// HOST:PORT, the host a literal address (IPv6 in brackets) or localhost.
void read_listen(const std::string& text, FlakyOptions& options) {
    const std::size_t colon = text.rfind(':');
    std::string host = text.substr(0, colon);
    const std::string_view port = colon == std::string::npos ? std::string_view{} : std::string_view{text}.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), options.port);
    if (port.empty() || error != std::errc{} || end != port.data() + port.size()) {
        throw CLI::ValidationError("--listen", "'" + text + "' is not HOST:PORT");
    }
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    if (host == "localhost") host = "127.0.0.1";
    std::error_code not_numeric;
    asio::ip::make_address(host, not_numeric);
    if (not_numeric) throw CLI::ValidationError("--listen", "'" + host + "' is not an address (names are not looked up)");
    options.address = host;
}

void read_ends(const std::vector<std::string>& names_given, FlakyOptions& options) {
    options.ends.clear();
    for (const std::string& name : names_given) {
        if (name != "rotate") {
            options.ends.push_back(choose("--end", ends, name));
            continue;
        }
        for (const auto& [each, end] : ends) options.ends.push_back(end);
    }
}

void print_summary(const FlakyStats& stats) {
    std::fprintf(stderr,
                 "{\"connections\":%llu,\"requests\":%llu,\"streams\":%llu,\"resumed\":%llu,\"events_sent\":%llu,\"cuts\":%llu,"
                 "\"posts\":%llu,\"no_content\":%llu,\"refused\":%llu,\"most_streams\":%llu}\n",
                 static_cast<unsigned long long>(stats.connections), static_cast<unsigned long long>(stats.requests),
                 static_cast<unsigned long long>(stats.streams), static_cast<unsigned long long>(stats.resumed),
                 static_cast<unsigned long long>(stats.events_sent), static_cast<unsigned long long>(stats.cuts),
                 static_cast<unsigned long long>(stats.posts), static_cast<unsigned long long>(stats.no_content),
                 static_cast<unsigned long long>(stats.refused), static_cast<unsigned long long>(stats.most_streams));
}

int serve(const FlakyOptions& options, bool quiet, bool verbose) {
    asio::io_context io{1};
    FlakyUpstream upstream{io, options};
    if (verbose) {
        upstream.on_log([](std::string_view line) {
            std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
        });
    }
    asio::signal_set signals{io, SIGINT, SIGTERM};
    signals.async_wait([&](std::error_code, int) { upstream.stop(); });
    std::printf("listening on http://%s\n", upstream.authority().c_str());
    std::fflush(stdout);
    io.run();
    if (!quiet) print_summary(upstream.stats());
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{about, "flaky-sse-server"};
    FlakyOptions options;
    options.rate = 10;
    examples::Duration retry = {};
    bool quiet = false;
    bool verbose = false;

    app.add_option_function<std::string>("--listen", [&](const std::string& text) { read_listen(text, options); },
                                         "Where to listen; port 0 picks one")
        ->type_name("HOST:PORT")
        ->default_str("127.0.0.1:0");
    app.add_option("--events", options.events, "Events in the history; 0: endless")->capture_default_str();
    add_choice(app, "--after-last", after_lasts, options.after_last, "hold",
               "After the last event: hold the response open, end it, or end it and answer 204 from then on");
    app.add_option("--rate", options.rate, "Events per second on each connection; 0: as fast as it goes")
        ->check(CLI::Range(0.0, 1e9))
        ->capture_default_str();
    app.add_option("--size", options.data_size, "Bytes of data of an event")->check(CLI::Range(0, 100'000'000))->capture_default_str();
    add_choice(app, "--ids", ids, options.ids, "numeric", "What ids look like");
    app.add_option("--cut-events", options.cut_events, "Cut each response after so many events; 0: never")->capture_default_str();
    examples::add_duration(app, "--cut-every", options.cut_every, "Cut each response after so much time; 0: never");
    app.add_option_function<std::vector<std::string>>(
           "--end", [&](const std::vector<std::string>& given) { read_ends(given, options); },
           "How a response is cut; several, with commas: in turn; rotate: all in turn")
        ->delimiter(',')
        ->type_name(names(ends) + "|rotate")
        ->default_str("clean");
    add_choice(app, "--replay", replays, options.replay, "exact",
               "What Last-Event-ID: k gets: k+1 on, k on, everything, what is live, or k+1+LOST on");
    app.add_option("--lost", options.lost, "Events that --replay lost skips")->capture_default_str();
    const CLI::Option* const retry_given =
        examples::add_duration(app, "--retry", retry, "A retry: field in the first event of a response")->default_str("");
    examples::add_duration(app, "--heartbeat", options.heartbeat, "A comment after so much silence; 0: none");
    app.add_option("--chunk-bytes", options.chunk_bytes, "Size of chunks, across events; 0: one for each event")->capture_default_str();
    examples::add_duration(app, "--outage-every", options.outage_every, "From the begin of one outage to the next; 0: none");
    examples::add_duration(app, "--outage-for", options.outage_for, "How long an outage lasts");
    add_choice(app, "--outage", outages, options.outage, "status", "An outage answers with a status, or refuses connections");
    app.add_option("--status", options.outage_status, "The status that an outage answers with")->check(CLI::Range(200, 599))->capture_default_str();
    app.add_flag("-q,--quiet", quiet, "No summary at the end");
    app.add_flag("-v,--verbose", verbose, "A line on stderr for everything that happens");
    app.set_version_flag("--version", "flaky-sse-server " REJOIN_VERSION_STRING);

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 1;
    }
    if (retry_given->count() != 0) options.retry = std::chrono::duration_cast<std::chrono::milliseconds>(retry);

    try {
        return serve(options, quiet, verbose);
    } catch (const std::system_error& error) {
        std::fprintf(stderr, "flaky-sse-server: %s\n", error.what());
        return error.code() == rejoin::Error::invalid_option ? 1 : 2;
    }
}
