#ifndef REJOIN_EXAMPLES_ROUTE_CONFIG_HPP
#define REJOIN_EXAMPLES_ROUTE_CONFIG_HPP

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <rejoin/gateway/id_keys.hpp>
#include <rejoin/gateway/route_table.hpp>
#include <rejoin/http/url.hpp>

#include "parse_duration.hpp"

// What a configuration file says. Only that: what stands nowhere in it is empty here, and is the flags' or the library's to
// decide. rejoin-proxy.toml beside this header shows and explains every key.

namespace examples {

enum class RouteIds { passthrough, minted, sealed };
enum class RouteSharing { own, exclusive, shared };
enum class RouteGap { continue_live, oldest, gone };
enum class RoutePost { none, mcp, llm };
enum class RouteSlow { backpressure, disconnect, skip };

/// What a request authenticates with, as far as streams are concerned: logs are never shared between different values.
struct RoutePrincipal {
    std::vector<std::string> headers;
    std::vector<std::string> cookies;
};

struct RouteConfig {
    rejoin::RouteRule rule;
    /// In order of preference; one at least.
    std::vector<rejoin::Url> upstreams = {};

    std::optional<RouteIds> ids = {};
    std::optional<RouteSharing> sharing = {};
    std::optional<RouteGap> gap = {};
    std::optional<RoutePost> post = {};
    std::optional<bool> detach = {};
    std::optional<RoutePrincipal> principal = {};
    std::optional<std::string> gap_event = {};
    std::optional<RouteSlow> slow_clients = {};
    std::optional<bool> seal_wide_ids = {};
    std::optional<bool> forward_comments = {};

    std::optional<Duration> backoff_base = {};
    std::optional<Duration> backoff_cap = {};
    std::optional<Duration> connect_timeout = {};
    std::optional<Duration> response_timeout = {};
    std::optional<Duration> idle_timeout = {};
    std::optional<Duration> resume_silence = {};
    std::optional<Duration> stall_timeout = {};
    std::optional<Duration> max_outage = {};
    std::optional<Duration> cool_down = {};
    std::optional<Duration> linger = {};
    std::optional<Duration> post_linger = {};
    std::optional<Duration> heartbeat = {};
    std::optional<Duration> write_deadline = {};
    std::optional<Duration> retry = {};
    std::optional<Duration> log_age = {};

    std::optional<std::size_t> log_events = {};
    std::optional<std::size_t> log_bytes = {};
    std::optional<std::size_t> log_bytes_total = {};
    std::optional<std::size_t> max_streams = {};
    std::optional<std::size_t> max_line = {};
    std::optional<std::size_t> max_event = {};
};

struct AccessLogConfig {
    std::string path;  ///< `-`: standard output
    bool query = false;
    bool event_ids = false;
};

struct ProxyConfig {
    std::optional<std::string> listen;  ///< HOST:PORT
    std::optional<std::string> admin;   ///< HOST:PORT; none: no admin listener
    std::optional<Duration> header_timeout;
    std::optional<Duration> keep_alive;
    std::optional<Duration> drain;
    std::optional<std::size_t> max_clients;
    std::optional<AccessLogConfig> access_log;
    /// New ids are made with the first; those of the others are still understood.
    std::vector<rejoin::IdKey> keys;
    /// In the file's order; `table` gives their places in it.
    std::vector<RouteConfig> routes;
    rejoin::RouteTable table;
};

/// What is wrong in a file, and where. Lines and columns begin with 1; 0: the file as a whole.
struct ConfigError {
    std::size_t line = 0;
    std::size_t column = 0;
    std::string reason;

    /// `file:line:column: reason`, as compilers write it.
    std::string text(const std::string& file) const {
        if (line == 0) return file + ": " + reason;
        return file + ":" + std::to_string(line) + ":" + std::to_string(column) + ": " + reason;
    }

    friend bool operator<(const ConfigError& a, const ConfigError& b) {
        return std::tie(a.line, a.column, a.reason) < std::tie(b.line, b.column, b.reason);
    }
};

/// A configuration, or all that is wrong with it.
struct LoadedConfig {
    ProxyConfig config;               ///< meaningful only without errors
    std::vector<ConfigError> errors;  ///< in the file's order
};

/// Reads a configuration file; files it names are looked for beside it. In a program built without a TOML library: an error
/// that says so.
LoadedConfig load_config(const std::string& path);

}  // namespace examples

#endif
