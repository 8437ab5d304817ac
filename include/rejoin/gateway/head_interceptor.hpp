#ifndef REJOIN_GATEWAY_HEAD_INTERCEPTOR_HPP
#define REJOIN_GATEWAY_HEAD_INTERCEPTOR_HPP

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rejoin/gateway/forwarding.hpp>
#include <rejoin/http/hop_by_hop.hpp>
#include <rejoin/http/message.hpp>

namespace rejoin {

/// The answer to a request that does not go on. The status is within 200..599, but not 205 or 304. With 204, which ends an
/// EventSource for good, the text is left out.
struct Refusal {
    int status = 403;
    std::string text = {};
    HttpFields fields = {};
};

/// Sees each request of a client before anything is done with it, also those that are answered from a log, and may change its
/// target and fields. What it leaves is what goes upstream, with this request and with those that resume its stream; whose
/// stream it is and which has been told before, by the client's own words. A result refuses the request.
///
/// Runs on the gateway's strand and must not block. What it throws is a 500.
using RequestInterceptor = std::function<std::optional<Refusal>(const ForwardingContext& client, RequestHead& request)>;

/// Sees the head of each response that came from an upstream, a stream's for each of its clients, before it goes to the
/// client, and may change it. Answers of the gateway's own and interim responses are not shown.
///
/// Runs on the gateway's strand and must not block. What it throws is a 500.
using ResponseInterceptor = std::function<void(const RequestHead& request, ResponseHead& response)>;

/// Whether a field frames its message or belongs to one connection: such are the gateway's, and what an interceptor says of
/// them has no effect.
inline bool is_framing_field(std::string_view name) {
    return detail::is_one_of(name, {"content-length", "transfer-encoding", "connection", "expect", "keep-alive", "proxy-connection", "te",
                                    "trailer", "upgrade"});
}

/// Interceptors of heads, in their order. They can't break a message's framing: its fields stay as they were, as do method
/// and version; a status may change to one that has a body where the one before had, and the reverse. A head that can't be
/// written is a 500.
class HeadInterceptors {
public:
    void add(RequestInterceptor interceptor) { requests_.push_back(std::move(interceptor)); }
    void add(ResponseInterceptor interceptor) { responses_.push_back(std::move(interceptor)); }

    bool sees_requests() const noexcept { return !requests_.empty(); }
    bool sees_responses() const noexcept { return !responses_.empty(); }

    /// Shows them a request in origin-form. A result is to be the answer.
    std::optional<Refusal> intercept(const ForwardingContext& client, RequestHead& request) const {
        const std::string method = request.method;
        const int minor = request.minor;
        std::optional<Refusal> refusal;
        const auto change = [&] {
            for (const RequestInterceptor& interceptor : requests_) {
                refusal = interceptor(client, request);
                if (refusal) break;
            }
        };
        if (!keep_framing(request.fields, change)) return Refusal{500, "an interceptor failed"};
        if (refusal) return checked(std::move(*refusal));
        request.method = method;
        request.minor = minor;
        std::string unused;
        const bool origin_form = request.target.starts_with('/') || request.target == "*";
        if (!origin_form || climbs(request.target) || write_head(unused, request)) {
            return Refusal{500, "an interceptor made a request that can't be sent"};
        }
        return std::nullopt;
    }

    /// Shows them a response as it is to go out. A result is to be the answer in its place.
    std::optional<Refusal> intercept(const RequestHead& request, ResponseHead& response) const {
        const int status = response.status;
        const int minor = response.minor;
        const auto change = [&] {
            for (const ResponseInterceptor& interceptor : responses_) interceptor(request, response);
        };
        if (!keep_framing(response.fields, change)) return Refusal{500, "an interceptor failed"};
        response.minor = minor;
        std::string unused;
        const bool final_status = response.status >= 200 && response.status <= 599;
        if (!final_status || has_body(response.status) != has_body(status) || write_head(unused, response)) {
            return Refusal{500, "an interceptor made a response that can't be sent"};
        }
        return std::nullopt;
    }

private:
    static bool has_body(int status) noexcept { return status != 204 && status != 304; }

    // What belongs to the connection is taken away before, so that a client can't have an interceptor's field removed by
    // naming it in Connection. False when `change` threw.
    template <class Change>
    static bool keep_framing(HttpFields& fields, Change change) {
        std::vector<HttpField> kept;
        for (const HttpField& field : fields) {
            if (detail::is_one_of(field.name, {"content-length", "transfer-encoding", "expect"})) kept.push_back(field);
        }
        remove_hop_by_hop(fields);
        try {
            change();
        } catch (...) {
            return false;
        }
        fields.remove_if([](const HttpField& field) { return is_framing_field(field.name); });
        for (const HttpField& field : kept) fields.add(field.name, field.value);
        return true;
    }

    static Refusal checked(Refusal refusal) {
        const int status = refusal.status;
        if (status == 204) refusal.text.clear();
        refusal.fields.remove_if([](const HttpField& field) { return is_framing_field(field.name); });
        ResponseHead head;
        head.status = status;
        head.fields = refusal.fields;
        std::string unused;
        if (status < 200 || status > 599 || status == 205 || status == 304 || write_head(unused, head)) {
            return Refusal{500, "an interceptor's refusal can't be sent"};
        }
        return refusal;
    }

    std::vector<RequestInterceptor> requests_;
    std::vector<ResponseInterceptor> responses_;
};

}  // namespace rejoin

#endif
