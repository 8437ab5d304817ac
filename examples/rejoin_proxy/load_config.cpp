#include "../route_config.hpp"

#ifdef REJOIN_EXAMPLES_TOML

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <rejoin/resume/backoff.hpp>

#include "../config_reader.hpp"
#include "../endpoint.hpp"
#include "../id_key_file.hpp"

namespace examples {
namespace {

#ifdef REJOIN_EXAMPLES_TLS
constexpr bool built_with_tls = true;
#else
constexpr bool built_with_tls = false;
#endif

bool is_token(std::string_view name) {
    constexpr std::string_view others = "!#$%&'*+-.^_`|~";
    return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || others.find(c) != std::string_view::npos;
    });
}

std::string lower(std::string text) {
    for (char& c : text) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return text;
}

/// Reads one file; errors are collected on the way.
class ConfigLoader {
public:
    ConfigLoader(const std::string& path, bool other_keys) : path_{path}, has_keys_{other_keys} {}

    LoadedConfig load() {
        const auto text = content_of(path_);
        if (!text) {
            loaded_.errors.push_back({0, 0, "can't be read"});
            return std::move(loaded_);
        }
        const toml::parse_result parsed = toml::parse(std::string_view{*text}, std::string_view{path_});
        if (!parsed) {
            const auto& at = parsed.error().source().begin;
            loaded_.errors.push_back({at.line, at.column, std::string{parsed.error().description()}});
            return std::move(loaded_);
        }
        read_file(parsed.table());
        std::sort(loaded_.errors.begin(), loaded_.errors.end());
        return std::move(loaded_);
    }

private:
    ProxyConfig& config() { return loaded_.config; }

    void read_file(const toml::table& table) {
        ConfigReader reader{table, loaded_.errors};
        endpoint(reader, "listen", config().listen);
        endpoint(reader, "admin", config().admin);
        check_listeners(reader);
        reader.duration("header_timeout", config().header_timeout);
        reader.duration("keep_alive", config().keep_alive);
        reader.duration("drain", config().drain);
        reader.count("max_clients", config().max_clients);
        if (const auto* const access_log = reader.node<toml::table>("access_log", "a table")) read_access_log(*access_log);
        for (const toml::table* const key : tables(reader, "key")) read_key(*key);
        has_keys_ = has_keys_ || reader.has("key");
        RouteConfig defaults;
        if (const auto* const table_of_defaults = reader.node<toml::table>("defaults", "a table")) {
            ConfigReader inner{*table_of_defaults, loaded_.errors};
            read_options(inner, defaults);
            inner.finish();
            check_options(inner, defaults);
        }
        const auto routes = tables(reader, "route");
        if (!reader.has("route")) loaded_.errors.push_back({0, 0, "no [[route]]: at least one is needed"});
        for (const toml::table* const route : routes) read_route(*route, defaults);
        reader.finish();
    }

    // The tables of an array of tables, `[[name]]`.
    std::vector<const toml::table*> tables(ConfigReader& reader, std::string_view name) {
        std::vector<const toml::table*> found;
        const auto* const array = reader.node<toml::array>(name, "an array of tables, [[" + std::string{name} + "]],");
        if (!array) return found;
        if (array->empty() && name == "route") reader.error(name, "at least one is needed");
        for (const toml::node& element : *array) {
            if (const auto* const table = element.as_table()) {
                found.push_back(table);
            } else {
                reader.error(element.source(), std::string{name} + ": a table expected");
            }
        }
        return found;
    }

    void endpoint(ConfigReader& reader, std::string_view key, std::optional<std::string>& out) {
        reader.text(key, out);
        if (out && !parse_endpoint(*out)) reader.error(key, ConfigReader::quoted(*out) + " is not HOST:PORT with an address as host");
    }

    void check_listeners(ConfigReader& reader) {
        if (!config().listen || !config().admin) return;
        const auto one = parse_endpoint(*config().listen);
        const auto other = parse_endpoint(*config().admin);
        if (one && other && one->port() != 0 && *one == *other) reader.error("admin", "the same address as listen");
    }

    void read_access_log(const toml::table& table) {
        ConfigReader reader{table, loaded_.errors};
        std::optional<std::string> path;
        std::optional<bool> query;
        std::optional<bool> event_ids;
        reader.text("path", path);
        reader.flag("query", query);
        reader.flag("event_ids", event_ids);
        reader.finish();
        if (!reader.has("path")) reader.error(table.source(), "access_log: path is missing (\"-\" for standard output)");
        if (path && path->empty()) reader.error("path", "is empty");
        config().access_log = AccessLogConfig{path.value_or(""), query.value_or(false), event_ids.value_or(false)};
    }

    // --- keys ---

    void read_key(const toml::table& table) {
        ConfigReader reader{table, loaded_.errors};
        std::optional<std::string> id;
        std::optional<std::string> secret;
        std::optional<std::string> file;
        reader.text("id", id);
        reader.text("secret", secret);
        reader.text("file", file);
        reader.finish();
        const bool good_id = id && rejoin::IdKeys::is_key_id(*id);
        if (!reader.has("id")) reader.error(table.source(), "key: id is missing");
        else if (id && !good_id) reader.error("id", ConfigReader::quoted(*id) + " is not 1 to 16 letters and digits");
        const bool twice = good_id && !key_ids_.insert(*id).second;
        if (twice) reader.error("id", ConfigReader::quoted(*id) + " is another key's id, too");
        if (reader.has("secret") == reader.has("file")) {
            reader.error(table.source(), "key: needs either secret or file");
            return;
        }
        if (file) secret = content_of(std::filesystem::path{path_}.parent_path() / *file);
        if (file && !secret) reader.error("file", ConfigReader::quoted(*file) + " can't be read");
        if (!secret) return;
        auto bytes = read_secret(*secret);
        if (!bytes.secret) reader.error(file ? "file" : "secret", bytes.error);
        else if (good_id && !twice) config().keys.push_back({*id, std::move(*bytes.secret)});
    }

    // --- routes ---

    void read_route(const toml::table& table, const RouteConfig& defaults) {
        ConfigReader reader{table, loaded_.errors};
        RouteConfig route = defaults;
        read_rule(reader, route.rule);
        read_upstreams(reader, route.upstreams);
        read_options(reader, route);
        reader.finish();
        check_options(reader, route);
        config().routes.push_back(std::move(route));
    }

    void read_rule(ConfigReader& reader, rejoin::RouteRule& rule) {
        std::optional<std::string> prefix;
        std::optional<std::string> host;
        reader.text("prefix", prefix);
        reader.text("host", host);
        bool good = prefix.has_value() && (host || !reader.has("host"));
        if (!reader.has("prefix")) reader.error("prefix", "is missing (\"/\" for all paths)");
        if (prefix && !rejoin::RouteTable::is_prefix(*prefix)) {
            reader.error("prefix", ConfigReader::quoted(*prefix) + " is no path: it must begin with / and hold no query and no dot segment");
            good = false;
        }
        if (host && (host->empty() || !rejoin::RouteTable::is_host(*host))) {
            reader.error("host", ConfigReader::quoted(*host) + " is neither NAME nor *.NAME nor [IPv6], without port; leave it out for any");
            good = false;
        }
        if (!good) return;
        rule = {*prefix, host.value_or("")};
        if (const auto same = config().table.find(rule)) {
            reader.error("prefix", "the route at line " + std::to_string(lines_[*same]) + " has the same prefix and host");
        } else {
            static_cast<void>(config().table.add(rule));
            lines_.push_back(reader.line());
        }
    }

    void read_upstreams(ConfigReader& reader, std::vector<rejoin::Url>& upstreams) {
        std::set<std::string> seen;
        std::size_t count = 0;
        const bool is_array = reader.texts("upstreams", [&](const std::string& text, const toml::source_region& at) {
            ++count;
            const auto wrong = [&](const std::string& reason) { reader.error(at, "upstreams: " + reason); };
            auto url = rejoin::Url::parse(text);
            const bool secret = text.find('@') != std::string::npos;
            if (!url) return wrong((secret ? "a URL" : ConfigReader::quoted(text)) + ": " + url.error().message());
            if (!url->userinfo.empty()) return wrong("a URL that holds a password");
            if (url->is_https() && !built_with_tls) return wrong(ConfigReader::quoted(text) + ": built without TLS");
            if (url->target.find('?') != std::string::npos) return wrong(ConfigReader::quoted(text) + " has a query");
            if (!seen.insert(url->to_string()).second) return wrong(ConfigReader::quoted(text) + " stands there twice");
            upstreams.push_back(std::move(*url));
        });
        if (!reader.has("upstreams")) reader.error("upstreams", "is missing");
        if (is_array && count == 0) reader.error("upstreams", "is empty");
    }

    void read_options(ConfigReader& reader, RouteConfig& route) {
        reader.choice("ids", route.ids, id_names);
        reader.choice("id_order", route.id_order, id_order_names);
        reader.choice("sharing", route.sharing, sharing_names);
        reader.choice("gap", route.gap, gap_names);
        reader.choice("post", route.post, post_names);
        reader.choice("slow_clients", route.slow_clients, slow_names);
        reader.flag("seal_wide_ids", route.seal_wide_ids);
        reader.flag("forward_comments", route.forward_comments);
        reader.text("gap_event", route.gap_event);
        if (route.gap_event && route.gap_event->find_first_of("\r\n") != std::string::npos) reader.error("gap_event", "has a line break");
        if (const auto* const principal = reader.node<toml::table>("principal", "a table")) route.principal = read_principal(*principal);
        reader.duration("backoff_base", route.backoff_base, false);
        reader.duration("backoff_cap", route.backoff_cap, false);
        reader.duration("connect_timeout", route.connect_timeout);
        reader.duration("response_timeout", route.response_timeout);
        reader.duration("idle_timeout", route.idle_timeout);
        reader.duration("resume_silence", route.resume_silence);
        reader.duration("stall_timeout", route.stall_timeout);
        reader.duration("max_outage", route.max_outage);
        reader.duration("cool_down", route.cool_down);
        reader.duration("linger", route.linger);
        reader.duration("post_linger", route.post_linger);
        reader.duration("heartbeat", route.heartbeat);
        reader.duration("write_deadline", route.write_deadline);
        reader.duration("retry", route.retry, false);
        reader.duration("log_age", route.log_age);
        reader.count("log_events", route.log_events);
        reader.size("log_bytes", route.log_bytes);
        reader.size("log_bytes_total", route.log_bytes_total, true);
        reader.count("max_streams", route.max_streams);
        reader.size("max_line", route.max_line, true);
        reader.size("max_event", route.max_event, true);
    }

    RoutePrincipal read_principal(const toml::table& table) {
        ConfigReader reader{table, loaded_.errors};
        RoutePrincipal principal;
        const auto read = [&reader](std::string_view key, std::vector<std::string>& out, auto same) {
            reader.texts(key, [&](const std::string& name, const toml::source_region& at) {
                const std::string what = std::string{key} + ": " + ConfigReader::quoted(name);
                if (!is_token(name)) return reader.error(at, what + " can't be a name");
                const bool twice = std::any_of(out.begin(), out.end(), [&](const std::string& other) { return same(name, other); });
                if (twice) return reader.error(at, what + " stands there twice");
                out.push_back(name);
            });
        };
        read("headers", principal.headers, [](const std::string& a, const std::string& b) { return lower(a) == lower(b); });
        read("cookies", principal.cookies, [](const std::string& a, const std::string& b) { return a == b; });
        if (!principal.cookies.empty() && has_header(principal, "cookie")) {
            reader.error("cookies", "the header Cookie counts already, and with it all cookies");
        }
        reader.finish();
        return principal;
    }

    static bool has_header(const RoutePrincipal& principal, std::string_view name) {
        return std::any_of(principal.headers.begin(), principal.headers.end(), [&](const std::string& header) { return lower(header) == name; });
    }

    // What can't be meant together. A route that sets none of the keys has it from the defaults, where it was reported.
    void check_options(ConfigReader& reader, const RouteConfig& route) {
        const auto refuse = [&reader](bool contradicts, std::initializer_list<std::string_view> keys, const std::string& reason) {
            const auto key = std::find_if(keys.begin(), keys.end(), [&](std::string_view one) { return reader.has(one); });
            if (contradicts && key != keys.end()) reader.error(*key, reason);
        };
        const bool detach = route.post == rejoin::PostStreams::detach;
        const bool mcp = route.post == rejoin::PostStreams::mcp;
        refuse(detach && route.ids == rejoin::IdMode::passthrough, {"ids", "post"}, "a detached answer has the proxy's own ids, not the upstream's");
        refuse(mcp && route.principal && !has_header(*route.principal, "mcp-session-id"), {"principal", "post"},
               "with post = 'mcp' the header Mcp-Session-Id must count, or sessions would be mixed");
        refuse(route.ids == rejoin::IdMode::sealed && !has_keys_, {"ids"}, "'sealed' needs a [[key]]: ids outlive the proxy only as long as its key does");
        const Duration base = route.backoff_base.value_or(rejoin::BackoffOptions{}.base);
        const Duration cap = route.backoff_cap.value_or(rejoin::BackoffOptions{}.cap);
        refuse(base > cap, {"backoff_base", "backoff_cap"},
               "a backoff_base of " + duration_text(base) + " is longer than the backoff_cap of " + duration_text(cap));
        const std::size_t total = route.log_bytes_total.value_or(0);
        refuse(total > 0 && route.log_bytes.value_or(0) > total, {"log_bytes", "log_bytes_total"}, "log_bytes is more than log_bytes_total");
    }

    std::string path_;
    LoadedConfig loaded_;
    std::vector<std::size_t> lines_;  // of the routes in the table
    std::set<std::string> key_ids_;
    bool has_keys_;
};

}  // namespace

LoadedConfig load_config(const std::string& path, bool other_keys) { return ConfigLoader{path, other_keys}.load(); }

}  // namespace examples

#else

namespace examples {

LoadedConfig load_config(const std::string&, bool) {
    LoadedConfig loaded;
    loaded.errors.push_back({0, 0, "can't be read: built without a TOML library"});
    return loaded;
}

}  // namespace examples

#endif
