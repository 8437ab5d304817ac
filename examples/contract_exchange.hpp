#ifndef REJOIN_EXAMPLES_CONTRACT_EXCHANGE_HPP
#define REJOIN_EXAMPLES_CONTRACT_EXCHANGE_HPP

#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <rejoin/gateway/body_pump.hpp>
#include <rejoin/gateway/http_server.hpp>

namespace examples {

/// Where a body is pumped to that is to be kept as a whole.
class BodyText {
public:
    explicit BodyText(std::size_t limit) : limit_{limit} {}

    rejoin::Awaitable<std::error_code> write(std::span<const asio::const_buffer> buffers, rejoin::Duration) {
        if (asio::buffer_size(buffers) > limit_ - text_.size()) co_return rejoin::Error::body_too_large;
        for (const asio::const_buffer& buffer : buffers) text_.append(static_cast<const char*>(buffer.data()), buffer.size());
        co_return std::error_code{};
    }

    rejoin::Awaitable<std::error_code> write(std::string_view bytes, rejoin::Duration timeout) {
        const std::array<asio::const_buffer, 1> buffers{asio::buffer(bytes)};
        const std::error_code error = co_await write(buffers, timeout);
        co_return error;
    }

    std::string& text() noexcept { return text_; }

private:
    std::size_t limit_;
    std::string text_;
};

/// The whole body of a request. Errors: `body_too_large` past `limit` bytes, `body_timeout`, `truncated`, what HTTP forbids.
inline rejoin::Awaitable<rejoin::Result<std::string>> read_body(rejoin::HttpExchange& exchange, std::size_t limit) {
    if (exchange.request.fields.has_token("Expect", "100-continue")) {
        const std::error_code error = co_await exchange.connection->write("HTTP/1.1 100 Continue\r\n\r\n", exchange.write_timeout);
        if (error) co_return error;
    }
    BodyText body{limit};
    rejoin::BodyPumpOptions options;
    options.idle = std::chrono::seconds{10};
    const auto pumped = co_await rejoin::pump_body<rejoin::DefaultTraits>(*exchange.connection, body, options);
    if (pumped.write_error) co_return pumped.write_error;
    if (pumped.read_error) co_return pumped.read_error;
    co_return std::move(body.text());
}

/// Answers without a body.
inline rejoin::Awaitable<bool> respond_empty(rejoin::HttpExchange& exchange, int status) {
    std::string nothing;
    const bool reusable = co_await exchange.respond(status, std::move(nothing));
    co_return reusable;
}

/// Answers 200 with JSON, the request's body having been read. The result is that of `HttpExchange::respond()`.
inline rejoin::Awaitable<bool> respond_json(rejoin::HttpExchange& exchange, std::string_view json) {
    rejoin::ResponseHead head;
    head.fields.set("Content-Type", "application/json");
    head.fields.set("Content-Length", std::to_string(json.size()));
    const bool reusable = exchange.connection->parser().keep_alive();
    if (!reusable) head.fields.set("Connection", "close");
    std::string bytes;
    if (rejoin::write_head(bytes, head)) co_return false;
    bytes += json;
    const std::error_code error = co_await exchange.connection->write(bytes, exchange.write_timeout);
    co_return !error && reusable;
}

}  // namespace examples

#endif
