#ifndef REJOIN_TESTING_DETAIL_REGULAR_ROUTES_HPP
#define REJOIN_TESTING_DETAIL_REGULAR_ROUTES_HPP

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <rejoin/http/chunk.hpp>
#include <rejoin/http/message.hpp>
#include <rejoin/net/traits.hpp>
#include <rejoin/testing/detail/served_connection.hpp>

// The answers of a FlakyUpstream that are no event streams: what a reverse proxy passes through beside them.

namespace rejoin::testing::detail {

inline std::string_view path_of(std::string_view target) { return target.substr(0, target.find('?')); }

inline bool is_under(std::string_view path, std::string_view route) {
    return path.starts_with(route) && (path.size() == route.size() || path[route.size()] == '/');
}

inline bool is_regular_route(std::string_view target) {
    const std::string_view path = path_of(target);
    return is_under(path, "/plain") || is_under(path, "/echo") || is_under(path, "/status");
}

// The number behind the last slash.
inline std::optional<std::size_t> trailing_number(std::string_view path) {
    const std::string_view text = path.substr(path.rfind('/') + 1);
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

template <class Traits>
Awaitable<bool> write_response(std::shared_ptr<ServedConnection<Traits>> connection, const ResponseHead& head) {
    std::string bytes;
    const std::error_code refused = write_head(bytes, head);
    if (refused) co_return false;
    const bool alive = co_await connection->write(bytes);
    co_return alive;
}

// Who asks to be told to go on is told so.
template <class Traits>
Awaitable<bool> welcome_body(std::shared_ptr<ServedConnection<Traits>> connection, const RequestHead& head) {
    bool alive = true;
    if (head.fields.has_token("Expect", "100-continue")) alive = co_await connection->write("HTTP/1.1 100 Continue\r\n\r\n");
    co_return alive;
}

// Reads the body to its end, keeping so many bytes of it. False: it did not come whole.
template <class Traits>
Awaitable<bool> read_body(std::shared_ptr<ServedConnection<Traits>> connection, const RequestHead& head, std::string& kept,
                          std::size_t limit) {
    auto& http = connection->http();
    bool alive = co_await welcome_body(connection, head);
    while (alive && !http.body_ended()) {
        std::string_view piece;
        while (http.next_body(piece)) kept.append(piece.substr(0, limit - kept.size()));
        if (!http.body_ended()) co_await http.fill();
    }
    co_return alive && !http.body_error();
}

template <class Traits>
Awaitable<bool> answer_echo(std::shared_ptr<ServedConnection<Traits>> connection, const RequestHead& head) {
    auto& http = connection->http();
    const bool chunked = http.parser().framing() == HttpFraming::chunked;
    ResponseHead response;
    response.fields.add("Content-Type", head.fields.get("Content-Type").value_or("application/octet-stream"));
    const std::uint64_t size = http.parser().content_length().value_or(0);
    if (chunked) response.fields.add("Transfer-Encoding", "chunked");
    else response.fields.add("Content-Length", std::to_string(size));
    bool alive = co_await welcome_body(connection, head);
    if (alive) alive = co_await write_response(connection, response);
    while (alive && !http.body_ended()) {
        std::string_view piece;
        std::string out;
        while (http.next_body(piece)) {
            if (chunked) append_chunk(out, piece);
            else out += piece;
        }
        if (http.body_ended() && chunked && !http.body_error()) out += last_chunk;
        alive = co_await connection->write(out);
        if (alive && !http.body_ended()) co_await http.fill();
    }
    co_return alive && !http.body_error();
}

// True when the connection is good for another request.
template <class Traits>
Awaitable<bool> answer_regular(std::shared_ptr<ServedConnection<Traits>> connection, const RequestHead& head) {
    const std::string_view path = path_of(head.target);
    const bool to_head = head.method == "HEAD";
    bool alive = true;
    if (is_under(path, "/echo") && !to_head) {
        alive = co_await answer_echo(connection, head);
        co_return alive;
    }
    std::string ignored;
    alive = co_await read_body(connection, head, ignored, 0);
    if (!alive) co_return false;

    ResponseHead response;
    std::string_view content = "a regular response\n";
    std::string made;
    const auto number = trailing_number(path);
    if (is_under(path, "/status")) {
        content = {};
        response.status = number && *number >= 200 && *number <= 599 ? static_cast<int>(*number) : 400;
    } else if (number) {
        constexpr std::size_t most = 1024 * 1024 * 1024;
        made.resize(std::min(*number, most));
        for (std::size_t at = 0; at < made.size(); ++at) made[at] = static_cast<char>('a' + at % 26);
        content = made;
    }
    const bool no_length = response.status == 204 || response.status == 304;
    if (!content.empty()) response.fields.add("Content-Type", "text/plain");
    if (!no_length) response.fields.add("Content-Length", std::to_string(content.size()));
    alive = co_await write_response(connection, response);
    if (alive && !to_head) alive = co_await connection->write(content);
    co_return alive;
}

}  // namespace rejoin::testing::detail

#endif
