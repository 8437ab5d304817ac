#ifndef REJOIN_EXAMPLES_CONTRACT_ROUTES_HPP
#define REJOIN_EXAMPLES_CONTRACT_ROUTES_HPP

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "contract_exchange.hpp"
#include "contract_stream.hpp"

namespace examples {

/// The service's resources: `/` to ask what it can do, make a stream or end it all, and one for each stream.
class ContractRoutes {
public:
    /// `exit` is called once `DELETE /` was answered.
    ContractRoutes(const asio::any_io_executor& executor, std::function<void()> exit) : executor_{executor}, exit_{std::move(exit)} {}

    /// Answers one request.
    rejoin::Awaitable<bool> handle(rejoin::HttpExchange& exchange) {
        const std::string path = exchange.request.target.substr(0, exchange.request.target.find('?'));
        auto body = co_await read_body(exchange, max_body);
        bool reusable = false;
        if (!body) {
            reusable = co_await refuse(exchange, body.error());
        } else if (path == "/") {
            reusable = co_await root(exchange, *body);
        } else if (const auto at = streams_.find(path); at != streams_.end()) {
            reusable = co_await stream(exchange, *body, at->first, at->second);
        } else {
            reusable = co_await exchange.respond(404, "no such stream");
        }
        co_return reusable;
    }

    /// Ends every stream.
    void close() {
        for (const auto& [path, stream] : std::exchange(streams_, {})) stream->close();
    }

private:
    static constexpr std::size_t max_body = 16 * 1024 * 1024;
    static constexpr std::string_view capabilities =
        R"({"capabilities":["bom","comments","headers","last-event-id","post","read-timeout","report","restart",)"
        R"("server-directed-shutdown-request"]})";

    static rejoin::Awaitable<bool> refuse(rejoin::HttpExchange& exchange, std::error_code error) {
        int status = 400;
        if (error == rejoin::Error::body_too_large) status = 413;
        if (error == rejoin::Error::body_timeout) status = 408;
        const bool reusable = co_await exchange.respond(status, error.message());
        co_return reusable;
    }

    static rejoin::Awaitable<bool> not_allowed(rejoin::HttpExchange& exchange, const char* allowed) {
        rejoin::HttpFields fields;
        fields.set("Allow", allowed);
        const bool reusable = co_await exchange.respond(405, "only " + std::string{allowed} + " here", std::move(fields));
        co_return reusable;
    }

    rejoin::Awaitable<bool> root(rejoin::HttpExchange& exchange, const std::string& body) {
        const std::string& method = exchange.request.method;
        bool reusable = false;
        if (method == "GET") {
            reusable = co_await respond_json(exchange, capabilities);
        } else if (method == "POST") {
            reusable = co_await create(exchange, body);
        } else if (method == "DELETE") {
            reusable = co_await respond_empty(exchange, 204);
            exit_();
        } else {
            reusable = co_await not_allowed(exchange, "GET, POST, DELETE");
        }
        co_return reusable;
    }

    rejoin::Awaitable<bool> create(rejoin::HttpExchange& exchange, const std::string& body) {
        bool reusable = false;
        std::string why;  // empty: nothing is wrong
        auto asked = ContractRequestReader::read(body, why);
        if (!asked) {
            reusable = co_await exchange.respond(400, std::move(why));
            co_return reusable;
        }
        const auto stream = std::make_shared<ContractStream>(executor_, std::move(*asked));
        const std::string path = "/streams/" + std::to_string(++count_);
        streams_.emplace(path, stream);
        stream->start();
        rejoin::HttpFields fields;
        fields.set("Location", path);
        reusable = co_await exchange.respond(201, std::move(why), std::move(fields));
        co_return reusable;
    }

    // By value, since the stream may be deleted meanwhile.
    rejoin::Awaitable<bool> stream(rejoin::HttpExchange& exchange, const std::string& body, std::string path,
                                   std::shared_ptr<ContractStream> one) {
        const std::string& method = exchange.request.method;
        bool reusable = false;
        if (method == "DELETE") {
            streams_.erase(path);
            one->close();
            co_await one->ended();
            reusable = co_await respond_empty(exchange, 204);
        } else if (method != "POST") {
            reusable = co_await not_allowed(exchange, "POST, DELETE");
        } else if (command(body) == "restart") {
            one->restart();
            reusable = co_await respond_empty(exchange, 204);
        } else {
            reusable = co_await exchange.respond(400, "the only command is restart: an object with the member command");
        }
        co_return reusable;
    }

    static std::string command(std::string_view body) {
        const nlohmann::json json = nlohmann::json::parse(body, nullptr, false);
        if (!json.is_object()) return {};
        const auto at = json.find("command");
        return at != json.end() && at->is_string() ? at->get<std::string>() : std::string{};
    }

    asio::any_io_executor executor_;
    std::function<void()> exit_;
    std::map<std::string, std::shared_ptr<ContractStream>> streams_;
    std::size_t count_ = 0;
};

}  // namespace examples

#endif
