#ifndef REJOIN_GATEWAY_STREAM_IDENTITY_HPP
#define REJOIN_GATEWAY_STREAM_IDENTITY_HPP

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <rejoin/http/detail/ascii.hpp>
#include <rejoin/http/message.hpp>

namespace rejoin {

/// Whose stream it is. A log is found only under exactly the identity that it was made for: same method, same host and target,
/// and same values of every header that the requester authenticates with. Nobody is served from another's log, whatever id is
/// presented.
///
/// The text is the full concatenation, not a hash, so two identities can't collide; it is kept in memory only.
class StreamIdentity {
public:
    /// Headers that make the principal where a route does not name its own.
    static std::vector<std::string> default_principal() {
        return {"Authorization", "Cookie", "X-Api-Key", "Mcp-Session-Id"};
    }

    StreamIdentity(const RequestHead& request, std::string_view target, const std::vector<std::string>& principal)
        : StreamIdentity{request, request.method, target, principal} {}

    /// As if the request had another method: a client comes back by GET to a stream that answered a POST.
    /// `cookies`: the names of those that count, beside the headers in `principal`.
    StreamIdentity(const RequestHead& request, std::string_view method, std::string_view target, const std::vector<std::string>& principal,
                   const std::vector<std::string>& cookies = {}) {
        append(method);
        append(request.fields.get("Host").value_or(""));
        append(target);
        for (const std::string& name : principal) {
            request.fields.for_each_value(name, [&](std::string_view value) { append(name, value); });
        }
        for (const std::string& name : cookies) {
            request.fields.for_each_value("Cookie", [&](std::string_view pairs) { append_cookie(pairs, name); });
        }
    }

    const std::string& text() const noexcept { return text_; }
    /// The request authenticates with nothing that counts: who sends it could be anybody.
    bool anonymous() const noexcept { return anonymous_; }

    friend bool operator==(const StreamIdentity&, const StreamIdentity&) = default;

private:
    // Length before content: no value can be made to look like the border between two.
    void append(std::string_view part) {
        text_ += std::to_string(part.size());
        text_ += ':';
        text_ += part;
    }

    void append(std::string_view name, std::string_view value) {
        append(name);
        append(value);
        anonymous_ = false;
    }

    // RFC 6265 4.2.1: pairs between semicolons. Names are compared as they stand.
    void append_cookie(std::string_view pairs, std::string_view cookie) {
        while (!pairs.empty()) {
            const std::size_t end = std::min(pairs.find(';'), pairs.size());
            const std::string_view pair = detail::trim(pairs.substr(0, end));
            pairs.remove_prefix(std::min(end + 1, pairs.size()));
            const std::size_t equals = std::min(pair.find('='), pair.size());
            if (pair.substr(0, equals) == cookie) append("cookie " + std::string{cookie}, pair.substr(equals));
        }
    }

    std::string text_;
    bool anonymous_ = true;
};

}  // namespace rejoin

#endif
