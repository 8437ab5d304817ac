#ifndef REJOIN_EXAMPLES_CONTRACT_CALLBACKS_HPP
#define REJOIN_EXAMPLES_CONTRACT_CALLBACKS_HPP

#include <chrono>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

#include <rejoin/client/sse_http_client.hpp>

namespace examples {

/// Posts JSON to `<url>/1`, `<url>/2`, ... one after the other: the next only once the one before was answered.
class ContractCallbacks {
public:
    explicit ContractCallbacks(std::string url) : url_{std::move(url)}, client_{options()} {}

    /// Completes when the receiver has answered. Errors: `bad_status` for anything but 2xx, or why there was no answer.
    /// Cancellation (terminal): `operation_aborted`; the connection is closed.
    rejoin::Awaitable<std::error_code> post(std::string json) {
        auto url = rejoin::Url::parse(url_ + "/" + std::to_string(++count_));
        if (!url) co_return url.error();
        rejoin::HttpRequest request{std::move(*url), "POST"};
        request.headers.set("Content-Type", "application/json");
        request.headers.set("Accept", "*/*");
        request.headers.set("Connection", "close");
        request.body = std::move(json);
        auto response = co_await client_.send(std::move(request));
        if (!response) co_return response.error();
        // To its end, since closing with unread bytes resets the connection. What it says, and how it ends, is all one.
        const std::error_code ignored = co_await response->read_body(64 * 1024, std::chrono::seconds{5});
        static_cast<void>(ignored);
        if (response->status() / 100 != 2) co_return rejoin::Error::bad_status;
        co_return std::error_code{};
    }

    /// The number of the last callback.
    std::uint64_t count() const noexcept { return count_; }

private:
    static rejoin::SseHttpClientOptions options() {
        rejoin::SseHttpClientOptions options;
        options.response_timeout = std::chrono::seconds{60};  // a harness may think before it answers
        options.max_redirects = 0;
        return options;
    }

    std::string url_;
    rejoin::SseHttpClient client_;
    std::uint64_t count_ = 0;
};

}  // namespace examples

#endif
