#ifndef REJOIN_EXAMPLES_INTERCEPTORS_SET_HEADER_HPP
#define REJOIN_EXAMPLES_INTERCEPTORS_SET_HEADER_HPP

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <rejoin/gateway/head_interceptor.hpp>

namespace examples {

/// An interceptor of requests or responses that sets a header field, in place of any of that name.
class SetHeader {
public:
    explicit SetHeader(rejoin::HttpField field) : field_{std::move(field)} {}

    std::optional<rejoin::Refusal> operator()(const rejoin::ForwardingContext&, rejoin::RequestHead& request) const {
        request.fields.set(field_.name, field_.value);
        return std::nullopt;
    }

    void operator()(const rejoin::RequestHead&, rejoin::ResponseHead& response) const { response.fields.set(field_.name, field_.value); }

private:
    rejoin::HttpField field_;
};

/// Reads `Name: value`. Nothing, with `why`, for what can't be sent or has no effect.
inline std::optional<rejoin::HttpField> parse_header(std::string_view text, std::string& why) {
    const std::size_t colon = text.find(':');
    why = "'" + std::string{text} + "' is not 'Name: value'";
    if (colon == text.npos) return std::nullopt;
    std::string_view value = text.substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    while (value.ends_with(' ')) value.remove_suffix(1);
    rejoin::RequestHead head;
    head.fields.set(text.substr(0, colon), value);
    std::string unused;
    if (rejoin::write_head(unused, head)) return std::nullopt;
    const std::string& name = head.fields.back().name;
    why = "'" + name + "' is the proxy's own to set";
    if (rejoin::is_framing_field(name)) return std::nullopt;
    for (const char* const own : {"Host", "Accept-Encoding", "Last-Event-ID", "Proxy-Authorization"}) {
        if (head.fields.contains(own)) return std::nullopt;
    }
    return std::move(head.fields.back());
}

}  // namespace examples

#endif
