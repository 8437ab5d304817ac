#ifndef REJOIN_GATEWAY_ROUTE_TABLE_HPP
#define REJOIN_GATEWAY_ROUTE_TABLE_HPP

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <rejoin/error.hpp>
#include <rejoin/http/detail/ascii.hpp>

namespace rejoin {

/// Which requests a route takes.
struct RouteRule {
    /// Beginning of the path, in whole segments: `/api` takes `/api` and `/api/x`, not `/apis`; `/api/` takes `/api/x` only.
    std::string prefix = "/";
    /// Name or address without port; `*.example.com` for every name below it; empty for any host.
    std::string host;

    friend bool operator==(const RouteRule&, const RouteRule&) = default;
};

/// Finds the route of a request: the rules for its very host come first, then those for the longest `*.` above it, then those
/// for any host; among those of one host the longest prefix wins. A host whose rules take no such path is looked for
/// further on.
///
/// Paths are compared as upstreams understand them (RFC 3986 6.2.2): `%61` as `a`, `/x/../y` as `/y`; so no spelling of a path
/// leads around the rule that is meant for it. Case counts in paths, not in hosts. Thread safety: const members from any thread.
class RouteTable {
public:
    /// Adds a rule under the next number, beginning with 0. `Error::invalid_option` when its prefix does not begin with `/`,
    /// has a query, a dot segment or what no path may hold, when its host is none, or when there is such a rule already:
    /// nothing is added then.
    std::error_code add(RouteRule rule) {
        rule.host = plain_host(rule.host);
        if (!is_prefix(rule.prefix) || !is_host(rule.host)) return Error::invalid_option;
        rule.prefix = *normal_path(rule.prefix);
        if (index_of(rule)) return Error::invalid_option;
        rules_.push_back(std::move(rule));
        return {};
    }

    /// The number of the rule that asks for the same as `rule`, whatever the spelling.
    std::optional<std::size_t> find(RouteRule rule) const {
        rule.host = plain_host(rule.host);
        if (!is_prefix(rule.prefix)) return std::nullopt;
        rule.prefix = *normal_path(rule.prefix);
        return index_of(rule);
    }

    std::size_t size() const noexcept { return rules_.size(); }

    /// The number of the rule for a request. `host`: value of its Host field, with or without port; `target`: in origin form.
    /// Nothing when no rule takes it, and for a target that is no path.
    std::optional<std::size_t> match(std::string_view host, std::string_view target) const {
        const auto path = normal_path(target.substr(0, target.find('?')));
        if (!path) return std::nullopt;
        const std::string name = plain_host(without_port(host));
        std::optional<std::size_t> best;
        for (std::size_t i = 0; i < rules_.size(); ++i) {
            if (!takes_host(rules_[i].host, name) || !takes_path(rules_[i].prefix, *path)) continue;
            if (!best || rank(rules_[i]) > rank(rules_[*best])) best = i;
        }
        return best;
    }

    /// Whether a rule may have such a prefix.
    static bool is_prefix(std::string_view prefix) {
        const auto normal = normal_path(prefix);
        if (!normal || !detail::all_chars(prefix, detail::char_target) || prefix.find('?') != std::string_view::npos) return false;
        return !has_dot_segment(decoded(prefix));
    }

    /// Whether a rule may have such a host.
    static bool is_host(std::string_view host) {
        if (host.empty()) return true;
        if (host.starts_with("*.")) host.remove_prefix(2);
        if (host.starts_with('[')) {
            return host.size() > 3 && host.ends_with(']') && host.find_first_not_of("0123456789abcdefABCDEF:.", 1) == host.size() - 1;
        }
        return !host.empty() && detail::all_chars(host, detail::char_host) && host.find('*') == std::string_view::npos;
    }

private:
    // Hosts first, by how narrow they are: the very name, then the longest wildcard, then any.
    static std::pair<std::size_t, std::size_t> rank(const RouteRule& rule) {
        const bool exact = !rule.host.empty() && !rule.host.starts_with('*');
        return {exact ? std::string::npos : rule.host.size(), rule.prefix.size()};
    }

    static bool takes_host(std::string_view rule, std::string_view host) {
        if (rule.empty() || rule == host) return true;
        // What stands before the rule's dot must be something.
        return rule.starts_with('*') && host.size() >= rule.size() && host.ends_with(rule.substr(1));
    }

    static bool takes_path(std::string_view prefix, std::string_view path) {
        if (!path.starts_with(prefix)) return false;
        return prefix.ends_with('/') || path.size() == prefix.size() || path[prefix.size()] == '/';
    }

    static std::string plain_host(std::string_view host) {
        if (host.size() > 1 && host.ends_with('.')) host.remove_suffix(1);
        return detail::to_lower(host);
    }

    static std::string_view without_port(std::string_view host) {
        const std::size_t from = host.starts_with('[') ? std::min(host.find(']'), host.size()) : 0;
        return host.substr(0, host.find(':', from));
    }

    // With the escapes taken back that mean nothing (RFC 3986 2.3); the others stay, since `%2F` is not `/`.
    static std::string decoded(std::string_view path) {
        std::string out;
        for (std::size_t i = 0; i < path.size(); ++i) {
            const auto unreserved = [](char c) {
                return detail::is_char(c, detail::char_alpha | detail::char_digit) || c == '-' || c == '.' || c == '_' || c == '~';
            };
            if (path[i] == '%' && i + 2 < path.size() && detail::all_chars(path.substr(i + 1, 2), detail::char_hex)) {
                const char c = static_cast<char>(hex_value(path[i + 1]) * 16 + hex_value(path[i + 2]));
                if (unreserved(c)) {
                    out += c;
                } else {
                    out.append({'%', upper(path[i + 1]), upper(path[i + 2])});
                }
                i += 2;
            } else {
                out += path[i];
            }
        }
        return out;
    }

    static bool has_dot_segment(std::string_view path) {
        return path.find("/./") != std::string_view::npos || path.find("/../") != std::string_view::npos || path.ends_with("/.") ||
               path.ends_with("/..");
    }

    // RFC 3986 5.2.4, behind decoding.
    static std::optional<std::string> normal_path(std::string_view target) {
        if (!target.starts_with('/')) return std::nullopt;
        const std::string path = decoded(target);
        if (!has_dot_segment(path)) return path;
        std::string out;
        for (std::string_view rest = path; !rest.empty();) {
            const std::size_t next = std::min(rest.size(), rest.find('/', 1));
            const std::string_view segment = rest.substr(0, next);  // with its leading '/'
            rest.remove_prefix(next);
            if (segment == "/.." || segment == "/.") {
                if (segment == "/.." && !out.empty()) out.resize(out.rfind('/'));
                if (rest.empty()) out += '/';
            } else {
                out += segment;
            }
        }
        return out;
    }

    static int hex_value(char c) {
        if (c >= '0' && c <= '9') return c - '0';
        return upper(c) - 'A' + 10;
    }

    static char upper(char c) { return c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c; }

    std::optional<std::size_t> index_of(const RouteRule& rule) const {
        const auto found = std::find(rules_.begin(), rules_.end(), rule);
        if (found == rules_.end()) return std::nullopt;
        return static_cast<std::size_t>(found - rules_.begin());
    }

    std::vector<RouteRule> rules_;
};

}  // namespace rejoin

#endif
