// A user's program against rejoin::rejoin: the event stream format, llhttp's library and a coroutine on Asio.

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <exception>
#include <iostream>
#include <string_view>

#include <rejoin/rejoin.hpp>

namespace {

asio::awaitable<int> status_of(std::string_view bytes) {
    rejoin::ResponseParser parser;
    if (parser.parse(bytes) != rejoin::HttpStep::head) co_return 0;
    co_return parser.head().status;
}

asio::awaitable<void> run(int& status) {
    const int parsed = co_await status_of("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    status = parsed;
}

}  // namespace

int main() {
    rejoin::SseParser parser;
    parser.feed("data: hello\n\n");
    rejoin::SseEventView event;
    if (!parser.next(event) || event.data != "hello") return 1;

    int status = 0;
    asio::io_context io;
    asio::co_spawn(io, run(status), [](std::exception_ptr failure) {
        if (failure) std::rethrow_exception(failure);
    });
    io.run();
    std::cout << "rejoin " << REJOIN_VERSION_STRING << ", status " << status << '\n';
    return status == 200 ? 0 : 1;
}
