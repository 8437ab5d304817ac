#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "tls/support.hpp"

namespace rejoin::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr std::string_view until_close = "HTTP/1.1 200 OK\r\n\r\n";

// A connection whose handshake is over, and what the server sent behind it (tickets) already there.
struct Established {
    explicit Established(int version = TLS1_3_VERSION) : server{authority.server(), version}, pair{io, server, *trusting(authority)} {
        must(!pair.handshake(io));
        run_until_idle(io);
    }

    ClientConnection& connection() { return *pair.connection; }
    TlsPeer& peer() { return *pair.peer; }
    Body message() { return run(io, read_message(connection())); }

    Authority authority;
    asio::io_context io;
    TlsServer server;
    TlsPair pair;
};

std::string lines(std::size_t size) {
    std::string text;
    for (std::size_t i = 0; text.size() < size; ++i) text += std::to_string(i) + '\n';
    text.resize(size);
    return text;
}

std::string answer(const std::string& body) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// --- ends ---

TEST_CASE("tls: the ends of a body, with and without TLS's own") {
    Established end{GENERATE(TLS1_2_VERSION, TLS1_3_VERSION)};
    const bool notified = GENERATE(true, false);
    CAPTURE(notified);
    const auto finish = [&] {
        run_until_idle(end.io);
        if (notified) end.peer().close_notify();
        run_until_idle(end.io);
        end.peer().close();
    };
    SECTION("delimited by it") {
        end.peer().send(std::string{until_close} + "hello");
        finish();
        const Body got = end.message();
        CHECK(got.text == "hello");
        CHECK(got.error == (notified ? std::error_code{} : std::error_code{Error::truncated}));
        CHECK_FALSE(end.connection().reusable());
    }
    SECTION("before the last chunk") {
        end.peer().send(std::string{chunked} + "5\r\nhello\r\n");
        finish();
        const Body got = end.message();
        CHECK(got.text == "hello");
        CHECK(got.error == Error::truncated);
    }
    SECTION("short of the Content-Length") {
        end.peer().send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello");
        finish();
        const Body got = end.message();
        CHECK(got.text == "hello");
        CHECK(got.error == Error::truncated);
    }
    SECTION("behind a whole message, nothing is lost; then where one may begin") {
        end.peer().send(GENERATE(as<std::string>{}, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                                 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
        finish();
        const Body got = end.message();
        CHECK(got.text == "hello");
        CHECK_FALSE(got.error);
        CHECK_FALSE(run(end.io, end.connection().wait_readable(Duration::zero(), Error::idle_timeout)));
        CHECK(end.message().error == Error::end_of_stream);
        CHECK_FALSE(end.connection().reusable());
    }
    SECTION("inside a head") {
        end.peer().send("HTTP/1.1 200 O");
        finish();
        CHECK(end.message().error == Error::truncated);
    }
}

TEST_CASE("tls: a reset, and a record that was changed on the way") {
    Established end;
    end.peer().send(std::string{until_close} + "hello");
    run_until_idle(end.io);
    SECTION("reset") {
        end.peer().reset();
        const Body got = end.message();
        CHECK(got.error == asio::error::connection_reset);
    }
    SECTION("changed") {
        end.peer().hold = true;
        end.peer().send("more");
        end.peer().outbox.back() = static_cast<char>(end.peer().outbox.back() ^ 1);
        end.peer().let_go();
        const Body got = end.message();
        CHECK(got.text == "hello");
        CHECK(got.error.category() == tls_category());
        CHECK(got.error == ErrorCondition::protocol);
    }
    SECTION("inside a record") {
        end.peer().hold = true;
        end.peer().send("more");
        end.peer().release(10);
        run_until_idle(end.io);
        end.peer().close();
        const Body got = end.message();
        CHECK(got.text == "hello");
        CHECK(got.error == Error::truncated);
    }
}

TEST_CASE("tls: close says so, abort doesn't") {
    Established end;
    const bool orderly = GENERATE(true, false);
    CHECK_FALSE(run(end.io, end.connection().write("bye", 1s)));
    run_until_idle(end.io);
    if (orderly) {
        end.connection().close();
        end.connection().close();
    } else {
        end.connection().abort();
    }
    REQUIRE(run_until(end.io, [&] { return end.peer().closed; }));
    CHECK(end.peer().received == "bye");
    CHECK(end.peer().ended == orderly);
}

TEST_CASE("tls: close never waits") {
    Established end;
    end.peer().reading = false;
    const std::string much(50'000'000, 'x');
    Task<std::error_code> writer{end.io, end.connection().write(much, 30s)};
    run_until_idle(end.io);
    REQUIRE_FALSE(writer.done());
    end.connection().close();  // a record has gone out in part
    run_until_idle(end.io);
    REQUIRE(writer.done());
    CHECK(writer.value() == asio::error::operation_aborted);
}

// --- bytes that are no message's ---

TEST_CASE("tls: tickets wake nobody, and what comes behind them is seen") {
    const Authority authority;
    const auto client = trusting(authority);
    asio::io_context io;
    TlsServer server{authority.server()};
    TlsPair pair{io, server, *client};
    Task<std::error_code> handshake{io, pair.connection->handshake(Duration::zero())};
    REQUIRE(run_until(io, [&] { return !pair.peer->outbox.empty() || handshake.done(); }));
    pair.peer->hold = true;
    REQUIRE(run_until(io, [&] { return handshake.done(); }));
    REQUIRE_FALSE(handshake.value());
    REQUIRE(run_until(io, [&] { return pair.peer->established(); }));
    const std::size_t tickets = pair.peer->outbox.size();
    REQUIRE(tickets > 100);

    SECTION("a reader that waits") {
        Task<std::error_code> task{io, pair.connection->wait_readable(5s, Error::idle_timeout)};
        run_until_idle(io);
        pair.peer->release(tickets / 2);
        run_until_idle(io);
        CHECK_FALSE(task.done());
        SECTION("then a message") {
            pair.peer->send(answer("hello"));
            pair.peer->let_go();
            REQUIRE(task.wait());
            CHECK_FALSE(task.value());
            CHECK(run(io, read_message(*pair.connection)).text == "hello");
            CHECK(pair.connection->reusable());
        }
        SECTION("then nothing") {
            pair.peer->let_go();
            advance_clock(io, 5s);
            REQUIRE(task.done());
            CHECK(task.value() == Error::idle_timeout);
        }
    }
    SECTION("all of it at once, with the end") {
        pair.peer->send(answer("hello"));
        pair.peer->close_notify();
        pair.peer->release(pair.peer->outbox.size());
        pair.peer->close();
        CHECK(run(io, read_message(*pair.connection)).text == "hello");
        CHECK(run(io, read_message(*pair.connection)).error == Error::end_of_stream);
    }
    SECTION("somebody who looks out for the end") {
        int gone = 0;
        pair.connection->on_peer_close([&] { ++gone; });
        pair.peer->let_go();
        run_until_idle(io);
        CHECK(gone == 0);
        SECTION("close_notify") {
            pair.peer->close_notify();
            REQUIRE(run_until(io, [&] { return gone == 1; }));
            CHECK(run(io, read_message(*pair.connection)).error == Error::end_of_stream);
        }
        SECTION("cut") {
            pair.peer->close();
            REQUIRE(run_until(io, [&] { return gone == 1; }));
        }
        SECTION("reset") {
            pair.peer->reset();
            REQUIRE(run_until(io, [&] { return gone == 1; }));
            CHECK(run(io, read_message(*pair.connection)).error == asio::error::connection_reset);
        }
        SECTION("a message; it isn't lost, nor is the end behind it") {
            pair.peer->send(answer("hello"));
            run_until_idle(io);
            CHECK(gone == 0);
            pair.peer->close_notify();
            run_until_idle(io);
            CHECK(gone == 0);
            CHECK(run(io, read_message(*pair.connection)).text == "hello");
        }
        SECTION("a message, somebody waits for it") {
            Task<Body> reader{io, read_message(*pair.connection)};
            run_until_idle(io);
            pair.peer->send(answer("hello"));
            REQUIRE(reader.wait());
            CHECK(reader.value().text == "hello");
            pair.peer->close_notify();
            run_until_idle(io);
            CHECK(gone == 0);
        }
        SECTION("cancel") {
            pair.connection->cancel();
            run_until_idle(io);
            pair.peer->close();
            run_until_idle(io);
            CHECK(gone == 0);
        }
    }
}

TEST_CASE("tls: cancel is seen by a reader that was just woken, for nothing") {
    Established end;
    Task<std::error_code> before{end.io, end.connection().wait_readable(Duration::zero(), Error::idle_timeout)};
    run_until_idle(end.io);  // the tickets are read
    CHECK(before.cancel_ends_it());
    // First in line for the same news.
    end.connection().socket().async_wait(asio::ip::tcp::socket::wait_read, [&](std::error_code) { end.connection().cancel(); });
    Task<std::error_code> task{end.io, end.connection().wait_readable(Duration::zero(), Error::idle_timeout)};
    run_until_idle(end.io);
    REQUIRE_FALSE(task.done());
    end.peer().update_keys();
    REQUIRE(task.wait());
    CHECK(task.value() == asio::error::operation_aborted);
}

TEST_CASE("tls: an idle connection holds no buffer") {
    Established end;
    std::vector<ReadBuffer> all(ReadBuffer::kept_per_thread);
    for (ReadBuffer& buffer : all) buffer.acquire();  // nothing is in stock
    end.peer().send(std::string{chunked} + "5\r\nhello\r\n");
    REQUIRE(run(end.io, end.connection().read_head(Duration::zero(), Error::response_timeout)));
    std::string_view piece;
    while (!end.connection().next_body(piece)) run(end.io, end.connection().fill());
    REQUIRE(piece == "hello");
    const char* const used = piece.data();
    // The next two of the stock; what was lent for the encrypted bytes is back in it already.
    const auto lent = [&] {
        ReadBuffer one;
        ReadBuffer two;
        one.acquire();
        two.acquire();
        const auto holds = [&](ReadBuffer& buffer) { return used >= buffer.data() && used < buffer.data() + ReadBuffer::size; };
        return !holds(one) && !holds(two);
    };
    CHECK(lent());
    CHECK_FALSE(end.connection().next_body(piece));
    Task<void> idle{end.io, end.connection().fill()};
    run_until_idle(end.io);
    REQUIRE_FALSE(idle.done());
    CHECK_FALSE(lent());
    end.peer().update_keys();  // read, and nothing to show for it
    run_until_idle(end.io);
    REQUIRE_FALSE(idle.done());
    CHECK_FALSE(lent());
    end.peer().send("1\r\n!\r\n");
    REQUIRE(idle.wait());
    CHECK(end.connection().next_body(piece));
    CHECK(piece == "!");
}

// --- much, and in pieces ---

TEST_CASE("tls: a megabyte both ways in odd pieces, the keys changed now and then") {
    Established end{GENERATE(TLS1_3_VERSION, TLS1_2_VERSION)};
    const bool is_1_3 = SSL_version(end.peer().ssl()) == TLS1_3_VERSION;
    const std::string there = lines(1'000'003);
    const std::string back = lines(1'100'001);
    end.peer().piece = 4099;
    std::vector<asio::const_buffer> buffers;
    for (std::size_t at = 0, i = 0; at < there.size(); ++i) {  // empty, tiny, just a record, and more
        const std::size_t sizes[] = {0, 1, 100, 16384, 40000, 5, 16385};
        const std::size_t size = std::min(sizes[i % 7], there.size() - at);
        buffers.push_back(asio::buffer(there.data() + at, size));
        at += size;
    }
    Task<Body> reader{end.io, read_message(end.connection())};
    Task<std::error_code> writer{end.io, end.connection().write(buffers, 30s)};
    end.peer().send(answer(back).substr(0, 30));
    std::string rest = answer(back).substr(30);
    int updates = 0;
    const auto go_on = [&] {
        if (!rest.empty() && end.peer().outbox.size() < 50'000) {
            end.peer().send(rest.substr(0, 77'777));
            rest.erase(0, 77'777);
            if (is_1_3) {
                end.peer().update_keys();
                ++updates;
            }
        }
        return reader.done() && writer.done() && end.peer().received.size() == there.size();
    };
    REQUIRE(run_until(end.io, go_on));
    CHECK_FALSE(writer.value());
    CHECK_FALSE(reader.value().error);
    CHECK((reader.value().text == back));
    CHECK((end.peer().received == there));
    CHECK(updates == (is_1_3 ? 15 : 0));
    CHECK(end.connection().reusable());
    CHECK_FALSE(run(end.io, end.connection().write("more", 30s)));  // what was asked for is answered at the latest here
    REQUIRE(run_until(end.io, [&] { return end.peer().received.size() == there.size() + 4; }));
    CHECK((end.peer().key_updates > 0) == is_1_3);
    CHECK(ManualClock::pending() == 0);
}

TEST_CASE("tls: many small records, more than a buffer holds") {
    Established end;
    end.peer().hold = true;
    end.peer().send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n");
    const std::string body = lines(200'000);
    for (std::size_t at = 0; at < body.size(); at += 20) end.peer().send(body.substr(at, 20));
    SECTION("all at once") {}
    SECTION("byte by byte at the cuts") { end.peer().piece = 61; }
    end.peer().let_go();
    const Body got = end.message();
    CHECK((got.text == body));
    CHECK_FALSE(got.error);
}

TEST_CASE("tls: records that were read ahead and don't fit are not waited for") {
    Established end;
    end.peer().send("HTTP/1.1 200 OK\r\nContent-Length: 77824\r\n\r\n");
    REQUIRE(run(end.io, end.connection().read_head(Duration::zero(), Error::response_timeout)));
    std::string got;
    const auto read_body = [&]() -> Awaitable<> {
        std::string_view piece;
        for (;;) {
            while (end.connection().next_body(piece)) got += piece;
            if (end.connection().body_ended()) break;
            co_await end.connection().fill();
        }
    };
    Task<void> reader{end.io, read_body()};
    run_until_idle(end.io);
    // Most of a record waits inside OpenSSL. With twelve behind it the read buffer is full to the byte, and three remain.
    const std::string body = lines(77824);
    end.peer().hold = true;
    end.peer().send(body.substr(0, 16384));
    end.peer().release(16000);
    run_until_idle(end.io);
    for (std::size_t at = 16384; at < body.size(); at += 4096) end.peer().send(body.substr(at, 4096));
    REQUIRE(end.peer().outbox.size() < ReadBuffer::size);
    end.peer().release(end.peer().outbox.size());
    REQUIRE(reader.wait());
    CHECK((got == body));
}

// --- reading and writing together ---

TEST_CASE("tls: a writer that waits does not hold up a reader") {
    Established end;
    end.peer().reading = false;
    const std::string much(20'000'000, 'x');
    Task<std::error_code> writer{end.io, end.connection().write(much, 30s)};
    Task<Body> reader{end.io, read_message(end.connection())};
    run_until_idle(end.io);
    REQUIRE_FALSE(writer.done());
    end.peer().send(answer("hello"));
    REQUIRE(reader.wait());
    CHECK(reader.value().text == "hello");
    CHECK_FALSE(end.connection().reusable());  // the request isn't out yet

    SECTION("and goes on, also with new keys") {
        end.peer().update_keys();
        Task<Body> next{end.io, read_message(end.connection())};
        run_until_idle(end.io);
        CHECK_FALSE(writer.done());
        end.peer().read_on();
        REQUIRE(writer.wait());
        CHECK_FALSE(writer.value());
        REQUIRE(run_until(end.io, [&] { return end.peer().received.size() == much.size(); }));
        CHECK((end.peer().received == much));
        CHECK(end.peer().key_updates == 1);
        end.peer().send(answer("you"));
        REQUIRE(next.wait());
        CHECK(next.value().text == "you");
        CHECK(end.connection().reusable());
    }
    SECTION("its timeout") {
        advance_clock(end.io, 30s);
        REQUIRE(writer.done());
        CHECK(writer.value() == Error::write_timeout);
        CHECK_FALSE(end.connection().reusable());
    }
    SECTION("its cancellation") { CHECK(writer.cancel_ends_it()); }
}

TEST_CASE("tls: after a block the bytes may come from elsewhere, cut anew and with more behind them") {
    Established end;
    end.peer().reading = false;
    const std::string all = lines(30'000'000);
    const std::string_view first = std::string_view{all}.substr(0, 20'000'000);
    std::size_t sent = 0;
    for (;;) {
        const std::array<asio::const_buffer, 2> buffers{asio::buffer(first.substr(sent, 7)), asio::buffer(first.substr(sent + 7))};
        std::error_code error;
        const std::size_t written = end.connection().try_write(buffers, error);
        REQUIRE_FALSE(error);
        if (written == 0) break;
        sent += written;
    }
    REQUIRE(sent < first.size());
    const std::string rest = all.substr(sent);
    const std::string_view view = rest;
    const std::array<asio::const_buffer, 3> buffers{asio::buffer(view.substr(0, 1000)), asio::buffer(view.substr(1000, 10)),
                                                    asio::buffer(view.substr(1010))};
    Task<std::error_code> writer{end.io, end.connection().write(buffers, 30s)};
    end.peer().read_on();
    REQUIRE(writer.wait());
    CHECK_FALSE(writer.value());
    REQUIRE(run_until(end.io, [&] { return end.peer().received.size() == all.size(); }));
    CHECK((end.peer().received == all));
}

TEST_CASE("tls: reader and writer both wait for the rest of a message of TLS itself") {
    // A ticket with a client's certificate in it is long enough to come in two records. With the first of them OpenSSL
    // wants to read, whatever it is asked for.
    const Authority authority;
    const Folder folder;
    asio::io_context io;
    TlsServer server{authority.server()};
    server.demand_certificate(authority);
    const Identity me = authority.issue({.common_name = std::string(60, 'm')});
    TlsOptions options;
    options.ca_pem = authority.pem();
    options.certificate_file = folder.write("me.pem", me.certificate_pem() + me.key_pem());
    const auto client = make_tls_client(options).value();
    TlsPair pair{io, server, *client};
    SSL_set_num_tickets(pair.peer->ssl(), 1);
    SSL_set_max_send_fragment(pair.peer->ssl(), 512);
    Task<std::error_code> handshake{io, pair.connection->handshake(Duration::zero())};
    REQUIRE(run_until(io, [&] { return !pair.peer->outbox.empty(); }));
    REQUIRE(run_until(io, [&] { return pair.peer->outbox.empty(); }));
    pair.peer->hold = true;
    REQUIRE(handshake.wait());
    REQUIRE_FALSE(handshake.value());
    REQUIRE(run_until(io, [&] { return pair.peer->established(); }));
    const std::size_t record = 512 + 5 + 17;
    REQUIRE(pair.peer->outbox.size() > record + 100);
    pair.peer->release(record);
    while (pair.connection->socket().available() < record) std::this_thread::yield();  // it is on its way

    Task<Body> reader{io, read_message(*pair.connection)};
    run_until_idle(io);
    Task<std::error_code> writer{io, pair.connection->write("question", 30s)};
    run_until_idle(io);
    CHECK_FALSE(reader.done());
    CHECK_FALSE(writer.done());
    CHECK(pair.peer->received.empty());
    pair.peer->let_go();
    REQUIRE(writer.wait());
    CHECK_FALSE(writer.value());
    REQUIRE(run_until(io, [&] { return pair.peer->received == "question"; }));
    pair.peer->send(answer("hello"));
    REQUIRE(reader.wait());
    CHECK(reader.value().text == "hello");
}

TEST_CASE("tls: cancelled in a body, reading may go on later") {
    Established end;
    end.peer().send(std::string{chunked} + "3\r\none\r\n");
    Task<Body> task{end.io, read_message(end.connection())};
    run_until_idle(end.io);
    REQUIRE_FALSE(task.done());
    CHECK(task.cancel_ends_it());
    CHECK_FALSE(end.connection().body_ended());
    end.peer().send("3\r\ntwo\r\n0\r\n\r\n");
    std::string_view piece;
    run(end.io, end.connection().fill());
    REQUIRE(end.connection().next_body(piece));
    CHECK(piece == "two");
    CHECK_FALSE(end.connection().next_body(piece));
    CHECK_FALSE(end.connection().body_error());
}

TEST_CASE("tls: a server's connection by the same layer") {
    const Authority authority;
    asio::io_context io;
    TlsServer server{authority.server()};
    const auto client = trusting(authority);
    SocketPair sockets{io};
    ClientConnection asking{std::move(sockets.left), HttpLimits{}, client->layer("server.test").value()};
    SSL* const ssl = SSL_new(server.context.get());
    SSL_set_accept_state(ssl);
    BasicHttpServerConnection<ManualTraits> answering{std::move(sockets.right), HttpLimits{}, std::make_unique<OpenSslLayer>(ssl)};
    Task<std::error_code> accepting{io, answering.handshake(10s)};
    CHECK_FALSE(run(io, asking.handshake(10s)));
    REQUIRE(accepting.wait());
    CHECK_FALSE(accepting.value());
    CHECK_FALSE(run(io, asking.write("GET /x HTTP/1.1\r\nHost: server.test\r\n\r\n", 1s)));
    CHECK(run(io, answering.read_head(10s, Error::header_timeout))->target == "/x");
    CHECK_FALSE(run(io, answering.write(answer("hello"), 1s)));
    CHECK(run(io, read_message(asking)).text == "hello");
    CHECK(asking.reusable());
}

}  // namespace
}  // namespace rejoin::testing
