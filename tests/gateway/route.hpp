#ifndef REJOIN_TESTS_GATEWAY_ROUTE_HPP
#define REJOIN_TESTS_GATEWAY_ROUTE_HPP

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gateway/proxy_fixture.hpp"

namespace proxy_tests {

// A scripted upstream behind a proxy, or behind several one after the other.
struct Route {
    Route() { options.upstream = Url::parse(upstream.url()).value(); }

    // Another one takes the place of the one before, which serves nobody any more.
    void start() {
        if (proxy) proxy->manager.stop();
        proxies.push_back(std::make_unique<Proxy>(io, options));
        proxy = proxies.back().get();
    }

    Fetched ask(const std::string& fields, const std::string& end_with, const std::string& target = "/s") {
        return fetched(io, proxy->url(target), get(target, fields), end_with);
    }

    // A client that stays: what it got is in `body`, and how it ended in `ended`.
    struct Client {
        std::string body;
        bool ended = false;
    };

    std::shared_ptr<Client> follow(const std::string& fields = {}, const std::string& target = "/s") {
        auto client = std::make_shared<Client>();
        spawn(io.get_executor(), read(client, proxy->url(target), get(target, fields)));
        return client;
    }

    bool until_has(const std::shared_ptr<Client>& client, const std::string& text) {
        return testing::run_until(io, [&] { return client->body.find(text) != std::string::npos; });
    }

    // The ids that have been asked for; empty for a request without one.
    std::vector<std::string> asked() const {
        std::vector<std::string> ids;
        for (const auto& request : upstream.requests()) ids.emplace_back(request.last_event_id().value_or(""));
        return ids;
    }

    const GatewayMetrics& metrics() const { return proxy->manager.metrics(); }

    static Awaitable<> read(std::shared_ptr<Client> client, std::string url, std::string request) {
        const auto keep = [client](const std::string& body) {
            client->body = body;
            return false;
        };
        const auto got = co_await fetch(std::move(url), std::move(request), keep);
        if (got) client->body = got->body;
        client->ended = true;
    }

    asio::io_context io{1};
    testing::ScriptedServer upstream{io};
    ReverseProxyOptions options = quick("http://127.0.0.1");
    std::vector<std::unique_ptr<Proxy>> proxies;
    Proxy* proxy = nullptr;
};

inline testing::Reaction events(int first, int last, testing::Reaction reaction = testing::Reaction::stream()) {
    for (int i = first; i <= last; ++i) reaction.event("event " + std::to_string(i), std::to_string(i));
    return reaction;
}

inline bool exactly(const std::string& body, int first, int last) {
    for (int i = first; i <= last; ++i) {
        if (count(body, "data: event " + std::to_string(i) + "\n") != 1) return false;
    }
    return count(body, "data: event ") == static_cast<std::size_t>(last - first + 1);
}

inline std::shared_ptr<const IdKeys> keys(char secret, std::string id = "k1") {
    return std::make_shared<const IdKeys>(std::vector<IdKey>{{std::move(id), std::string(32, secret)}});
}

}  // namespace proxy_tests

#endif
