#ifndef REJOIN_EXAMPLES_ROUTE_CONFIG_HPP
#define REJOIN_EXAMPLES_ROUTE_CONFIG_HPP

#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <rejoin/gateway/reverse_proxy_options.hpp>
#include <rejoin/gateway/route_table.hpp>
#include <rejoin/http/url.hpp>

#include "parse_duration.hpp"

// What a configuration file says. Only that: what stands nowhere in it is empty here, and is the flags' or the library's to
// decide. rejoin-proxy.toml beside this header shows and explains every key.

namespace examples {

enum class RouteSlow { backpressure, disconnect, skip };

// The names of values in files and flags.
inline constexpr std::initializer_list<std::pair<const char*, rejoin::IdMode>> id_names{
    {"passthrough", rejoin::IdMode::passthrough}, {"minted", rejoin::IdMode::minted}, {"sealed", rejoin::IdMode::sealed}};
inline constexpr std::initializer_list<std::pair<const char*, rejoin::IdOrder>> id_order_names{
    {"auto", rejoin::IdOrder::automatic}, {"integer", rejoin::IdOrder::integer}, {"ms-seq", rejoin::IdOrder::ms_seq},
    {"ulid", rejoin::IdOrder::ulid}, {"none", rejoin::IdOrder::none}};
inline constexpr std::initializer_list<std::pair<const char*, rejoin::Sharing>> sharing_names{
    {"own", rejoin::Sharing::own}, {"exclusive", rejoin::Sharing::exclusive}, {"shared", rejoin::Sharing::shared}};
inline constexpr std::initializer_list<std::pair<const char*, rejoin::GapPolicy>> gap_names{
    {"continue", rejoin::GapPolicy::continue_live}, {"oldest", rejoin::GapPolicy::oldest}, {"410", rejoin::GapPolicy::gone}};
inline constexpr std::initializer_list<std::pair<const char*, rejoin::PostStreams>> post_names{
    {"cut", rejoin::PostStreams::cut}, {"resume", rejoin::PostStreams::resume}, {"mcp", rejoin::PostStreams::mcp},
    {"detach", rejoin::PostStreams::detach}};
inline constexpr std::initializer_list<std::pair<const char*, RouteSlow>> slow_names{
    {"backpressure", RouteSlow::backpressure}, {"disconnect", RouteSlow::disconnect}, {"skip", RouteSlow::skip}};

/// What a request authenticates with, as far as streams are concerned: logs are never shared between different values.
struct RoutePrincipal {
    std::vector<std::string> headers;
    std::vector<std::string> cookies;
};

struct RouteConfig {
    rejoin::RouteRule rule;
    /// In order of preference; one at least.
    std::vector<rejoin::Url> upstreams = {};

    std::optional<rejoin::IdMode> ids = {};
    std::optional<rejoin::IdOrder> id_order = {};
    std::optional<rejoin::Sharing> sharing = {};
    std::optional<rejoin::GapPolicy> gap = {};
    std::optional<rejoin::PostStreams> post = {};
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
/// that says so. `other_keys`: there are keys beside those in the file.
LoadedConfig load_config(const std::string& path, bool other_keys = false);

}  // namespace examples

#endif
