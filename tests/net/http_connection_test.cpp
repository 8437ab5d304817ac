#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <asio/read.hpp>
#include <asio/write.hpp>

#include <rejoin/net/http_connection.hpp>

#include "net/support.hpp"
#include "support/catch.hpp"

namespace rejoin::testing {
namespace {

using namespace std::chrono_literals;

using ClientConnection = BasicHttpClientConnection<ManualTraits>;
using ServerConnection = BasicHttpServerConnection<ManualTraits>;

constexpr std::string_view chunked_head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

// A connection and, at the other end, a bare socket.
template <class Connection>
struct End {
    explicit End(asio::io_context& io) : pair{io}, connection{std::move(pair.left), HttpLimits{}}, peer{std::move(pair.right)} {}

    void send(std::string_view bytes) { asio::write(peer, asio::buffer(bytes)); }
    void finish() { peer.close(); }
    void reset() {
        peer.set_option(asio::socket_base::linger{true, 0});
        peer.close();
    }
    std::size_t drop_some() {
        char bytes[65536];
        std::error_code error;
        peer.non_blocking(true);
        return peer.read_some(asio::buffer(bytes), error);
    }

    SocketPair pair;
    Connection connection;
    asio::ip::tcp::socket peer;
};

struct Body {
    std::string text;
    std::error_code error;
};

Awaitable<Body> read_body(ClientConnection& connection) {
    Body body;
    for (;;) {
        std::string_view piece;
        while (connection.next_body(piece)) body.text += piece;
        if (connection.body_ended()) break;
        co_await connection.fill();
    }
    body.error = connection.body_error();
    co_return std::move(body);
}

Awaitable<Body> read_message(ClientConnection& connection) {
    auto head = co_await connection.read_head(Duration::zero(), Error::response_timeout);
    Body body;
    body.error = head.error();
    if (head) body = co_await read_body(connection);
    co_return std::move(body);
}

Result<ResponseHead> head_now(asio::io_context& io, ClientConnection& connection) {
    return run(io, connection.read_head(Duration::zero(), Error::response_timeout));
}

// --- heads ---

TEST_CASE("http connection: a head, however it is cut, and what follows it stays") {
    asio::io_context io;
    End<ServerConnection> end{io};
    const std::string first = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
    const std::string second = "GET /2 HTTP/1.1\r\nHost: b\r\n\r\n";
    Task<Result<RequestHead>> task{io, end.connection.read_head(10s, Error::header_timeout)};
    for (const char byte : first) {
        CHECK_FALSE(task.done());
        end.send({&byte, 1});
        run_until_idle(io);
    }
    REQUIRE(task.done());
    CHECK(task.value()->target == "/1");
    CHECK(ManualClock::pending() == 0);

    std::string_view none;
    CHECK_FALSE(end.connection.next_body(none));
    CHECK(end.connection.body_ended());
    end.send(second + first);
    CHECK(run(io, end.connection.read_head(10s, Error::header_timeout))->target == "/2");
    CHECK_FALSE(end.connection.next_body(none));
    CHECK(run(io, end.connection.read_head(10s, Error::header_timeout))->target == "/1");
}

TEST_CASE("http connection: ends before, inside and instead of a head") {
    asio::io_context io;
    End<ClientConnection> end{io};
    SECTION("before it") {
        end.finish();
        CHECK(head_now(io, end.connection).error() == Error::end_of_stream);
    }
    SECTION("inside it") {
        end.send("HTTP/1.1 200 OK\r\nConte");
        end.finish();
        CHECK(head_now(io, end.connection).error() == Error::truncated);
    }
    SECTION("reset") {
        end.reset();
        CHECK(head_now(io, end.connection).error() == asio::error::connection_reset);
    }
    SECTION("no HTTP") {
        end.send("SSH-2.0-x\r\n");
        CHECK(head_now(io, end.connection).error() == Error::bad_message);
    }
}

TEST_CASE("http connection: bytes that drip in don't prolong the time a head has") {
    asio::io_context io;
    End<ServerConnection> end{io};
    Task<Result<RequestHead>> task{io, end.connection.read_head(10s, Error::header_timeout)};
    run_until_idle(io);
    const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (std::size_t second = 0; second < 10; ++second) {
        REQUIRE_FALSE(task.done());
        end.send(head.substr(second, 1));
        advance_clock(io, second < 9 ? 1s : 1s - 1ns);
    }
    REQUIRE_FALSE(task.done());
    advance_clock(io, 1ns);
    REQUIRE(task.done());
    CHECK(task.value().error() == Error::header_timeout);
    CHECK(task.value().error() == ErrorCondition::timeout);
}

TEST_CASE("http connection: a head that is there when its time is over is a success") {
    asio::io_context io;
    End<ServerConnection> end{io};
    Task<Result<RequestHead>> task{io, end.connection.read_head(10s, Error::header_timeout)};
    run_until_idle(io);
    end.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(io.run_one_for(patience) == 1);  // readable: the read is next
    ManualClock::advance(10s);
    REQUIRE(task.wait());
    CHECK(task.value());
}

// --- waiting ---

TEST_CASE("http connection: waits for bytes without taking them") {
    asio::io_context io;
    End<ClientConnection> end{io};
    Task<std::error_code> task{io, end.connection.wait_readable(5s, Error::idle_timeout)};
    run_until_idle(io);
    REQUIRE_FALSE(task.done());

    SECTION("bytes") {
        end.send("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n");
        REQUIRE(task.wait());
        CHECK_FALSE(task.value());
        CHECK(head_now(io, end.connection)->status == 204);
        std::string_view none;
        CHECK_FALSE(end.connection.next_body(none));
        Task<std::error_code> again{io, end.connection.wait_readable(5s, Error::idle_timeout)};
        run_until_idle(io);
        CHECK(again.done());  // they are in the buffer already
        CHECK(head_now(io, end.connection)->status == 205);
    }
    SECTION("the end") {
        end.finish();
        REQUIRE(task.wait());
        CHECK_FALSE(task.value());
        CHECK(head_now(io, end.connection).error() == Error::end_of_stream);
    }
    SECTION("nothing") {
        advance_clock(io, 5s);
        REQUIRE(task.done());
        CHECK(task.value() == Error::idle_timeout);
        end.send("HTTP/1.1 204 No Content\r\n\r\n");  // the connection is as good as before
        CHECK(head_now(io, end.connection)->status == 204);
    }
    SECTION("cancellation") { CHECK(task.cancel_ends_it()); }
}

TEST_CASE("http connection: an idle connection holds no buffer") {
    asio::io_context io;
    End<ClientConnection> end{io};
    std::vector<ReadBuffer> all(ReadBuffer::kept_per_thread);
    for (ReadBuffer& buffer : all) buffer.acquire();  // nothing is in stock
    end.send(chunked_head);
    end.send("5\r\nhello\r\n");
    REQUIRE(head_now(io, end.connection));
    std::string_view piece;
    while (!end.connection.next_body(piece)) run(io, end.connection.fill());
    CHECK(piece == "hello");
    const char* const begin = piece.data();
    const auto lent = [&] {
        ReadBuffer probe;
        probe.acquire();
        return probe.data() > begin || begin >= probe.data() + ReadBuffer::size;
    };
    CHECK(lent());
    CHECK_FALSE(end.connection.next_body(piece));
    Task<void> idle{io, end.connection.fill()};
    run_until_idle(io);
    REQUIRE_FALSE(idle.done());
    CHECK_FALSE(lent());
    end.send("1\r\n!\r\n");
    REQUIRE(idle.wait());
    CHECK(end.connection.next_body(piece));
    CHECK(piece == "!");
}

TEST_CASE("read buffer: loans") {
    ReadBuffer one;
    CHECK_FALSE(one);
    one.acquire();
    char* const data = one.data();
    one.acquire();
    CHECK(one.data() == data);
    ReadBuffer two{std::move(one)};
    CHECK_FALSE(one);
    CHECK(two.data() == data);
    one = std::move(two);
    CHECK(one.data() == data);
    one.release();
    one.release();
    two.acquire();
    CHECK(two.data() == data);
}

// --- bodies and their ends ---

TEST_CASE("http connection: the ways a body ends are told apart") {
    asio::io_context io;
    End<ClientConnection> end{io};
    const auto body = [&] { return run(io, read_message(end.connection)); };

    SECTION("last chunk") {
        end.send(chunked_head);
        end.send("5\r\nhello\r\n0\r\n\r\n");
        const Body got = body();
        CHECK(got.text == "hello");
        CHECK_FALSE(got.error);
        CHECK(end.connection.parser().keep_alive());
    }
    SECTION("Content-Length, and the next message") {
        end.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyou");
        CHECK(body().text == "hello");
        CHECK(body().text == "you");
    }
    SECTION("close") {
        end.send("HTTP/1.1 200 OK\r\n\r\nhello");
        end.finish();
        const Body got = body();
        CHECK(got.text == "hello");
        CHECK_FALSE(got.error);
        CHECK(end.connection.parser().framing() == HttpFraming::until_close);
    }
    SECTION("FIN before the last chunk") {
        end.send(chunked_head);
        end.send("5\r\nhello\r\n");
        end.finish();
        const Body got = body();
        CHECK(got.text == "hello");
        CHECK(got.error == Error::truncated);
    }
    SECTION("FIN inside a chunk") {
        end.send(chunked_head);
        end.send("5\r\nhel");
        end.finish();
        const Body got = body();
        CHECK(got.text == "hel");
        CHECK(got.error == Error::truncated);
    }
    SECTION("FIN short of the Content-Length") {
        end.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello");
        end.finish();
        const Body got = body();
        CHECK(got.text == "hello");
        CHECK(got.error == Error::truncated);
    }
    SECTION("RST, whatever the framing") {
        end.send(GENERATE(as<std::string>{}, "HTTP/1.1 200 OK\r\n\r\nhello", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
                          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"));
        end.reset();
        const Body got = body();
        CHECK(got.text == "hello");
        CHECK(got.error == asio::error::connection_reset);
    }
    SECTION("broken framing") {
        end.send(chunked_head);
        end.send("5\r\nhello\r\nx\r\n");
        const Body got = body();
        CHECK(got.text == "hello");
        CHECK(got.error == Error::bad_message);
    }
    SECTION("no body") {
        end.send("HTTP/1.1 204 No Content\r\n\r\n");
        const Body got = body();
        CHECK(got.text.empty());
        CHECK_FALSE(got.error);
    }
}

TEST_CASE("http connection: a body larger than the read buffer, with a reader slower than the writer") {
    asio::io_context io;
    End<ClientConnection> end{io};
    const std::size_t size = 3'000'000;
    const auto produce = [&]() -> Awaitable<> {
        const std::string bytes = "HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + std::string(size, 'x');
        co_await asio::async_write(end.peer, asio::buffer(bytes), asio::use_awaitable);
    };
    Task<void> producer{io, produce()};
    CHECK(run(io, read_message(end.connection)).text == std::string(size, 'x'));
    CHECK(producer.wait());
}

// --- writing ---

TEST_CASE("http connection: gathers buffers, empty ones too, and waits for a peer that doesn't read") {
    asio::io_context io;
    End<ClientConnection> end{io};
    std::vector<std::string> parts;
    std::string all;
    for (int i = 0; i < 200; ++i) {
        parts.push_back(std::string(i % 3 == 0 ? 0 : 100'000 + static_cast<std::size_t>(i), static_cast<char>('a' + i % 26)));
        all += parts.back();
    }
    std::vector<asio::const_buffer> buffers;
    for (const std::string& part : parts) buffers.push_back(asio::buffer(part));
    Task<std::error_code> task{io, end.connection.write(buffers, 30s)};
    run_until_idle(io);
    REQUIRE_FALSE(task.done());
    std::string got(all.size(), '\0');
    const auto consume = [&]() -> Awaitable<> {
        co_await asio::async_read(end.peer, asio::buffer(got), asio::use_awaitable);
    };
    run(io, consume());
    REQUIRE(task.wait());
    CHECK_FALSE(task.value());
    CHECK((got == all));
    CHECK(ManualClock::pending() == 0);
}

TEST_CASE("http connection: what fits is written without waiting") {
    asio::io_context io;
    End<ClientConnection> end{io};
    Task<std::error_code> task{io, end.connection.write("hello", 30s)};
    run_until_idle(io);
    CHECK(task.done());
    CHECK(end.drop_some() == 5);
    CHECK_FALSE(run(io, end.connection.write(std::string_view{}, 30s)));
    std::error_code error;
    const std::string much(50'000'000, 'x');
    const std::array<asio::const_buffer, 1> buffers{asio::buffer(much)};
    CHECK(end.connection.try_write(buffers, error) > 0);
    while (end.connection.try_write(buffers, error) > 0) continue;
    CHECK_FALSE(error);  // full is no error
}

TEST_CASE("http connection: a peer that takes nothing for too long") {
    asio::io_context io;
    End<ClientConnection> end{io};
    const std::string much(50'000'000, 'x');
    Task<std::error_code> task{io, end.connection.write(much, 30s)};
    advance_clock(io, 30s - 1ns);
    REQUIRE_FALSE(task.done());
    SECTION("write timeout") {
        advance_clock(io, 1ns);
        REQUIRE(task.done());
        CHECK(task.value() == Error::write_timeout);
    }
    SECTION("cancellation") { CHECK(task.cancel_ends_it()); }
    SECTION("the peer leaves") {
        end.finish();
        REQUIRE(task.wait());
        CHECK((task.value() == asio::error::connection_reset || task.value() == asio::error::broken_pipe));
    }
    CHECK(ManualClock::pending() == 0);
}

TEST_CASE("http connection: writing to who has left is an error and no signal") {
    asio::io_context io;
    End<ClientConnection> end{io};
    end.reset();
    std::error_code error;
    for (int i = 0; i < 3 && !error; ++i) error = run(io, end.connection.write("hello", 30s));
    CHECK((error == asio::error::connection_reset || error == asio::error::broken_pipe));
}

TEST_CASE("http connection: one reader and one writer at a time") {
    asio::io_context io;
    End<ClientConnection> end{io};
    const std::string much(10'000'000, 'x');
    Task<Body> reader{io, read_message(end.connection)};
    Task<std::error_code> writer{io, end.connection.write(much, 30s)};
    run_until_idle(io);
    end.send(chunked_head);
    end.send("2\r\nok\r\n0\r\n\r\n");
    REQUIRE(reader.wait());
    CHECK(reader.value().text == "ok");
    CHECK_FALSE(writer.done());
    std::string got(much.size(), '\0');
    const auto consume = [&]() -> Awaitable<> {
        co_await asio::async_read(end.peer, asio::buffer(got), asio::use_awaitable);
    };
    run(io, consume());
    CHECK((got == much));
    REQUIRE(writer.wait());
    CHECK_FALSE(writer.value());
}

// --- cancelling and closing ---

TEST_CASE("http connection: cancelled in a head or a body, at once and without a trace") {
    const std::size_t before = open_descriptors();
    {
        asio::io_context io;
        const asio::ip::tcp::socket first{io};  // brings the reactor's own descriptors with it
        const std::size_t descriptors = open_descriptors();
        {
            End<ClientConnection> end{io};
            SECTION("head") {
                Task<Result<ResponseHead>> task{io, end.connection.read_head(10s, Error::response_timeout)};
                run_until_idle(io);
                end.send("HTTP/1.1 2");
                run_until_idle(io);
                REQUIRE_FALSE(task.done());
                CHECK(task.cancel_ends_it());
            }
            SECTION("body; reading may go on later") {
                end.send(chunked_head);
                end.send("3\r\none\r\n");
                REQUIRE(head_now(io, end.connection));
                Task<Body> task{io, read_body(end.connection)};
                run_until_idle(io);
                REQUIRE_FALSE(task.done());
                CHECK(task.cancel_ends_it());
                CHECK_FALSE(end.connection.body_ended());
                end.send("3\r\ntwo\r\n0\r\n\r\n");
                const Body rest = run(io, read_body(end.connection));
                CHECK(rest.text == "two");
                CHECK_FALSE(rest.error);
            }
            SECTION("by closing the connection") {
                end.send(chunked_head);
                REQUIRE(head_now(io, end.connection));
                Task<Body> task{io, read_body(end.connection)};
                run_until_idle(io);
                end.connection.close();
                end.connection.close();
                run_until_idle(io);
                REQUIRE(task.done());
                CHECK(task.value().error == asio::error::operation_aborted);
            }
        }
        run_until_idle(io);
        CHECK(ManualClock::pending() == 0);
        CHECK(open_descriptors() == descriptors);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("http connection: close delivers, abort resets") {
    asio::io_context io;
    End<ServerConnection> end{io};
    CHECK_FALSE(run(io, end.connection.write("bye", 1s)));
    const bool orderly = GENERATE(true, false);
    if (orderly) end.connection.close();
    else end.connection.abort();
    std::string got;
    std::error_code error;
    asio::read(end.peer, asio::dynamic_buffer(got), error);
    CHECK(got == "bye");
    CHECK(error == (orderly ? std::error_code{asio::error::eof} : std::error_code{asio::error::connection_reset}));
}

TEST_CASE("http connection: coroutines that read and write are destroyed with their io_context") {
    const std::size_t before = open_descriptors();
    {
        asio::io_context io;
        const auto hold = [](std::shared_ptr<End<ClientConnection>> end) -> Awaitable<> {
            co_await end->connection.fill();
        };
        const auto fill = [](std::shared_ptr<End<ClientConnection>> end) -> Awaitable<> {
            const std::string much(50'000'000, 'x');
            co_await end->connection.write(much, 30s);
        };
        const auto end = std::make_shared<End<ClientConnection>>(io);
        spawn(io.get_executor(), hold(end));
        spawn(io.get_executor(), fill(end));
        run_until_idle(io);
    }
    CHECK(open_descriptors() == before);
    CHECK(ManualClock::pending() == 0);
}

}  // namespace
}  // namespace rejoin::testing
