#ifndef REJOIN_HTTP_HOP_BY_HOP_HPP
#define REJOIN_HTTP_HOP_BY_HOP_HPP

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <rejoin/http/detail/ascii.hpp>
#include <rejoin/http/fields.hpp>

namespace rejoin {

namespace detail {

inline bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) noexcept {
    return std::any_of(names.begin(), names.end(), [name](std::string_view other) { return iequals(name, other); });
}

}  // namespace detail

/// Removes what belongs to one connection and must not be forwarded (RFC 9110 7.6.1): Connection and every field it
/// names, Keep-Alive, Proxy-Connection, Proxy-Authenticate, Proxy-Authorization, TE, Trailer (trailers are not passed
/// on), Transfer-Encoding and Upgrade. What the forwarding side needs of them it must read before.
///
/// Some fields stay even if Connection names them, because they are meant for all recipients and a peer that has them
/// stripped means no good: Host, Content-Length, Content-Type, Authorization, Cache-Control, Cookie, Last-Event-ID,
/// X-Forwarded-For, -Host and -Proto.
inline void remove_hop_by_hop(HttpFields& fields) {
    std::vector<std::string> named;
    fields.for_each_token("connection", [&named](std::string_view token) {
        const bool end_to_end = detail::is_one_of(token, {"host", "content-length", "content-type", "authorization",
                                                          "cache-control", "cookie", "last-event-id", "x-forwarded-for",
                                                          "x-forwarded-host", "x-forwarded-proto"});
        if (!end_to_end) named.emplace_back(token);
    });
    fields.remove_if([&named](const HttpField& field) {
        if (detail::is_one_of(field.name, {"connection", "keep-alive", "proxy-connection", "proxy-authenticate",
                                           "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade"})) {
            return true;
        }
        return std::any_of(named.begin(), named.end(),
                           [&field](const std::string& name) { return detail::iequals(field.name, name); });
    });
}

}  // namespace rejoin

#endif
