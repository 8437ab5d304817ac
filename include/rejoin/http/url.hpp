#ifndef REJOIN_HTTP_URL_HPP
#define REJOIN_HTTP_URL_HPP

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <rejoin/error.hpp>
#include <rejoin/http/detail/ascii.hpp>
#include <rejoin/result.hpp>

namespace rejoin {

/// An absolute http or https URL in the parts that a request needs (RFC 3986, RFC 9110 4.2).
///
/// Taken literally: percent-encoding and dot segments stay as written (a relative reference has its dot segments
/// resolved). Only this is changed: scheme and host become lower case, the fragment is dropped, an empty path becomes
/// `/`, and bytes of 0x80 and above in path and query are percent-encoded, since a request target can't carry them.
struct Url {
    std::string scheme = "http";  ///< `http` or `https`
    std::string userinfo;      ///< What stood before `@`, still percent-encoded; never part of what is sent by itself.
    std::string host;          ///< A name or an address, lower case; an IPv6 address without its brackets.
    std::uint16_t port = 80;   ///< The scheme's default when the URL has none.
    std::string target = "/";  ///< Path and query: the origin-form of the request target.

    /// Parses an absolute URL. `Error::unsupported_scheme` for a scheme other than http and https; `Error::bad_url`
    /// for all else: no scheme or host, a port outside 1..65535, white space, control bytes or a backslash anywhere,
    /// a host that is neither a plain name nor an address (no percent-encoding, no zone, non-ASCII names only in
    /// their `xn--` form).
    static Result<Url> parse(std::string_view text) {
        if (!readable(text)) return Error::bad_url;
        const std::size_t colon = scheme_length(text);
        if (colon == 0) return Error::bad_url;
        Url url;
        url.scheme = detail::to_lower(text.substr(0, colon));
        if (url.scheme != "http" && url.scheme != "https") return Error::unsupported_scheme;
        text.remove_prefix(colon + 1);
        if (!text.starts_with("//")) return Error::bad_url;
        text.remove_prefix(2);
        const std::size_t authority = std::min(text.size(), text.find_first_of("/?#"));
        if (!url.set_authority(text.substr(0, authority))) return Error::bad_url;
        url.set_target(text.substr(authority));
        return url;
    }

    /// What the reference means when it stands in an answer from this URL (RFC 3986 5.2, strictly: `http:x` is not
    /// relative), as in a Location field. Userinfo is never taken over to another authority. Errors as of `parse()`.
    Result<Url> resolve(std::string_view reference) const {
        if (!readable(reference)) return Error::bad_url;
        if (scheme_length(reference) != 0) return with_dots_removed(parse(reference));
        if (reference.starts_with("//")) return with_dots_removed(parse(scheme + ":" + std::string{reference}));
        Url url = *this;
        reference = reference.substr(0, reference.find('#'));
        if (reference.empty()) return url;
        const std::string_view base_path = std::string_view{target}.substr(0, target.find('?'));
        if (reference.front() == '?') {
            url.set_target(std::string{base_path}.append(reference));
        } else if (reference.front() == '/') {
            url.set_target(reference);
            url.remove_dots();
        } else {
            url.set_target(std::string{base_path.substr(0, base_path.rfind('/') + 1)}.append(reference));
            url.remove_dots();
        }
        return url;
    }

    bool is_https() const noexcept { return scheme == "https"; }

    /// The same scheme, host and port (RFC 6454 5): what credentials may be kept for.
    bool same_origin(const Url& other) const noexcept {
        return scheme == other.scheme && host == other.host && port == other.port;
    }

    /// Scheme, host and port as one text (RFC 6454 6.2): equal for URLs of the same origin.
    std::string origin() const { return scheme + "://" + host_header(); }

    /// The value of the Host field: the port only where it is not the scheme's default, IPv6 addresses in brackets.
    std::string host_header() const {
        std::string out = host.find(':') == std::string::npos ? host : "[" + host + "]";
        if (port != default_port()) out.append(":").append(std::to_string(port));
        return out;
    }

    /// The URL as text, without userinfo: fit for logs.
    std::string to_string() const { return scheme + "://" + host_header() + target; }

    friend bool operator==(const Url&, const Url&) = default;

private:
    std::uint16_t default_port() const noexcept { return is_https() ? 443 : 80; }

    static bool readable(std::string_view text) noexcept {
        for (const char c : text) {
            if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7F || c == '\\') return false;
        }
        return true;
    }

    // Of the scheme before its colon; 0 when the text does not begin with one.
    static std::size_t scheme_length(std::string_view text) noexcept {
        if (text.empty() || !detail::is_char(text.front(), detail::char_alpha)) return 0;
        std::size_t size = 1;
        const auto in_scheme = [](char c) {
            return detail::is_char(c, detail::char_alpha | detail::char_digit) || c == '+' || c == '-' || c == '.';
        };
        while (size < text.size() && in_scheme(text[size])) ++size;
        return size < text.size() && text[size] == ':' ? size : 0;
    }

    bool set_authority(std::string_view authority) {
        if (const std::size_t at = authority.find('@'); at != std::string_view::npos) {
            userinfo.assign(authority.substr(0, at));
            authority.remove_prefix(at + 1);
        }
        std::string_view name;
        if (authority.starts_with('[')) {
            const std::size_t close = authority.find(']');
            if (close == std::string_view::npos) return false;
            name = authority.substr(1, close - 1);
            if (!looks_like_ipv6(name)) return false;
            authority.remove_prefix(close + 1);
        } else {
            name = authority.substr(0, authority.find(':'));
            if (name.empty() || !detail::all_chars(name, detail::char_host)) return false;
            authority.remove_prefix(name.size());
        }
        host = detail::to_lower(name);
        return set_port(authority);
    }

    // Enough to keep it from meaning something else in a Host field; the exact form is the resolver's matter.
    static bool looks_like_ipv6(std::string_view text) noexcept {
        std::size_t colons = 0;
        for (const char c : text) {
            if (c == ':')
                ++colons;
            else if (c != '.' && !detail::is_char(c, detail::char_hex))
                return false;
        }
        return colons >= 2;
    }

    bool set_port(std::string_view text) {
        port = default_port();
        if (text.empty() || text == ":") return true;
        if (text.front() != ':') return false;
        text.remove_prefix(1);
        if (!detail::all_chars(text, detail::char_digit)) return false;
        const auto [at, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
        return failure == std::errc{} && at == text.data() + text.size() && port != 0;
    }

    // From path, query and fragment.
    void set_target(std::string_view text) {
        constexpr std::string_view hex = "0123456789ABCDEF";
        text = text.substr(0, text.find('#'));
        std::string made;
        if (!text.starts_with('/')) made.push_back('/');
        for (const char c : text) {
            const auto byte = static_cast<unsigned char>(c);
            if (byte < 0x80)
                made.push_back(c);
            else
                made.append({'%', hex[byte >> 4], hex[byte & 15]});
        }
        target = std::move(made);
    }

    // RFC 3986 5.2.4, on the path of a target that begins with '/'.
    void remove_dots() {
        const std::size_t query = std::min(target.size(), target.find('?'));
        std::string_view rest = std::string_view{target}.substr(0, query);
        std::string out;
        while (!rest.empty()) {
            const std::size_t next = std::min(rest.size(), rest.find('/', 1));
            const std::string_view segment = rest.substr(0, next);  // with its leading '/'
            rest.remove_prefix(next);
            if (segment == "/.." || segment == "/.") {
                if (segment == "/..") out.resize(out.empty() ? 0 : out.rfind('/'));
                if (rest.empty()) out.push_back('/');
            } else {
                out.append(segment);
            }
        }
        target = out.append(target, query);
    }

    static Result<Url> with_dots_removed(Result<Url> url) {
        if (url) url->remove_dots();
        return url;
    }
};

}  // namespace rejoin

#endif
