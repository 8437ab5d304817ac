#ifndef REJOIN_EXAMPLES_CONTRACT_STREAM_REQUEST_HPP
#define REJOIN_EXAMPLES_CONTRACT_STREAM_REQUEST_HPP

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include <rejoin/client/http_request.hpp>

namespace examples {

/// What a harness asks for: a stream to follow, and where to tell what comes.
struct ContractStreamRequest {
    rejoin::HttpRequest request{rejoin::Url{}};
    std::string callback_url;
    std::string tag;
    std::optional<std::chrono::milliseconds> initial_delay;
    std::optional<std::chrono::milliseconds> read_timeout;
};

/// Reads the JSON that asks for a stream, member by member, and keeps the first thing that is wrong with it.
class ContractRequestReader {
public:
    /// The request, or nothing with the reason in `why`.
    static std::optional<ContractStreamRequest> read(std::string_view text, std::string& why) {
        const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
        if (json.is_discarded()) why = "the body is not JSON";
        else if (!json.is_object()) why = "the body is JSON, but not an object";
        if (!why.empty()) return std::nullopt;

        ContractRequestReader reader{json, why};
        ContractStreamRequest made;
        reader.read_into(made);
        if (!why.empty()) return std::nullopt;
        return made;
    }

private:
    ContractRequestReader(const nlohmann::json& object, std::string& why) : object_{object}, why_{why} {}

    void read_into(ContractStreamRequest& made) {
        rejoin::HttpRequest& request = made.request;
        request.url = url("streamUrl");
        static_cast<void>(url("callbackUrl"));
        made.callback_url = text("callbackUrl").value_or("");
        made.tag = text("tag").value_or("");
        made.initial_delay = milliseconds("initialDelayMs");
        made.read_timeout = milliseconds("readTimeoutMs");
        request.method = text("method").value_or("GET");
        request.body = text("body").value_or("");
        headers(request.headers);
        if (const auto id = text("lastEventId"); id && !id->empty()) request.headers.set("Last-Event-ID", *id);
        // The length is the client's to tell, and what would contradict it is refused.
        request.headers.erase("Content-Length");
        if (request.headers.contains("Transfer-Encoding")) refuse("'headers': transfer-encoding is not the caller's to set");
        // The stream keeps its last event id apart, since not each id can be sent.
        rejoin::HttpRequest sent = request;
        sent.headers.erase("Last-Event-ID");
        std::string unused;
        if (rejoin::write_head(unused, rejoin::make_request_head(sent))) refuse("'method' or 'headers' can't be sent in a request");
    }

    // Null stands for absent.
    const nlohmann::json* member(const char* name) const {
        const auto at = object_.find(name);
        return at == object_.end() || at->is_null() ? nullptr : &*at;
    }

    std::optional<std::string> text(const char* name) {
        const nlohmann::json* const value = member(name);
        if (value == nullptr) return std::nullopt;
        if (value->is_string()) return value->get<std::string>();
        refuse("'" + std::string{name} + "' is not a string");
        return std::nullopt;
    }

    rejoin::Url url(const char* name) {
        if (member(name) == nullptr) refuse("'" + std::string{name} + "' is missing");
        auto parsed = rejoin::Url::parse(text(name).value_or(""));
        if (parsed) return std::move(*parsed);
        refuse("'" + std::string{name} + "': " + parsed.error().message());
        return {};
    }

    std::optional<std::chrono::milliseconds> milliseconds(const char* name) {
        const nlohmann::json* const value = member(name);
        if (value == nullptr) return std::nullopt;
        constexpr std::int64_t most = 1000LL * 60 * 60 * 24 * 365;
        // Unsigned first: what passes the signed range is still an integer.
        const bool fits = value->is_number_unsigned() && value->get<std::uint64_t>() <= std::uint64_t{most};
        if (fits) return std::chrono::milliseconds{value->get<std::int64_t>()};
        refuse("'" + std::string{name} + "' is not a number of milliseconds: a whole number from 0 to a year");
        return std::nullopt;
    }

    void headers(rejoin::HttpFields& fields) {
        const nlohmann::json* const value = member("headers");
        if (value == nullptr) return;
        if (!value->is_object()) refuse("'headers' is not an object");
        for (const auto& [name, content] : value->items()) {
            if (content.is_string()) fields.set(name, content.get<std::string>());
            else refuse("'headers': '" + name + "' is not a string");
        }
    }

    void refuse(std::string why) {
        if (why_.empty()) why_ = std::move(why);
    }

    const nlohmann::json& object_;
    std::string& why_;
};

}  // namespace examples

#endif
