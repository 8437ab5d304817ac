#ifndef REJOIN_GATEWAY_STREAM_IDENTITY_HPP
#define REJOIN_GATEWAY_STREAM_IDENTITY_HPP

#include <string>
#include <string_view>
#include <vector>

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
    StreamIdentity(const RequestHead& request, std::string_view method, std::string_view target, const std::vector<std::string>& principal) {
        append(method);
        append(request.fields.get("Host").value_or(""));
        append(target);
        for (const std::string& name : principal) {
            request.fields.for_each_value(name, [&](std::string_view value) {
                append(name);
                append(value);
            });
        }
    }

    const std::string& text() const noexcept { return text_; }

    friend bool operator==(const StreamIdentity&, const StreamIdentity&) = default;

private:
    // Length before content: no value can be made to look like the border between two.
    void append(std::string_view part) {
        text_ += std::to_string(part.size());
        text_ += ':';
        text_ += part;
    }

    std::string text_;
};

}  // namespace rejoin

#endif
