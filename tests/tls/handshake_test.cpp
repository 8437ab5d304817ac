#include <chrono>
#include <memory>
#include <string>
#include <system_error>

#include "support/catch.hpp"
#include "tls/support.hpp"

namespace rejoin::testing {
namespace {

using namespace std::chrono_literals;

std::error_code try_handshake(const Identity& identity, TlsClient& client, const std::string& host = "server.test") {
    asio::io_context io;
    TlsServer server{identity};
    TlsPair pair{io, server, client, host};
    return pair.handshake(io);
}

// --- certificates ---

TEST_CASE("tls: a certificate for the host, from a trusted authority") {
    const Authority authority;
    const auto client = trusting(authority);
    CHECK_FALSE(try_handshake(authority.server(), *client));
    CHECK_FALSE(try_handshake(authority.server(), *client, "server.test."));
    CHECK_FALSE(try_handshake(authority.server(), *client, "SERVER.test"));

    // One more certificate between the two.
    const Identity between = authority.issue({.common_name = "between", .authority = true});
    const Identity leaf = make_identity({.alternative_names = "DNS:server.test", .issuer = &between});
    CHECK(try_handshake(leaf, *client) == Error::certificate_untrusted);
    asio::io_context io;
    TlsServer server{leaf};
    must(SSL_CTX_add1_chain_cert(server.context.get(), between.certificate.get()) == 1);
    TlsPair pair{io, server, *client};
    CHECK_FALSE(pair.handshake(io));
}

TEST_CASE("tls: a certificate for another host") {
    const Authority authority;
    const auto client = trusting(authority);
    CHECK(try_handshake(authority.server("DNS:other.test"), *client) == Error::certificate_mismatch);
    CHECK(try_handshake(authority.server("DNS:server.test"), *client, "sub.server.test") == Error::certificate_mismatch);
    // The name in the subject says nothing (RFC 9110 4.3.4).
    CHECK(try_handshake(authority.issue({.common_name = "server.test"}), *client) == Error::certificate_mismatch);
    // Nor is an address in a text.
    CHECK(try_handshake(authority.server("DNS:127.0.0.1"), *client, "127.0.0.1") == Error::certificate_mismatch);
    CHECK(try_handshake(authority.server("IP:127.0.0.2"), *client, "127.0.0.1") == Error::certificate_mismatch);
}

TEST_CASE("tls: a wildcard is one whole label") {
    const Authority authority;
    const auto client = trusting(authority);
    const Identity wild = authority.server("DNS:*.server.test");
    CHECK_FALSE(try_handshake(wild, *client, "a.server.test"));
    CHECK(try_handshake(wild, *client, "a.b.server.test") == Error::certificate_mismatch);
    CHECK(try_handshake(wild, *client, "server.test") == Error::certificate_mismatch);
    CHECK(try_handshake(authority.server("DNS:a*.server.test"), *client, "ab.server.test") == Error::certificate_mismatch);
}

TEST_CASE("tls: an address as the host") {
    const Authority authority;
    const auto client = trusting(authority);
    const Identity identity = authority.server("IP:127.0.0.1,IP:0:0:0:0:0:0:0:1");
    CHECK_FALSE(try_handshake(identity, *client, "127.0.0.1"));
    CHECK_FALSE(try_handshake(identity, *client, "::1"));
    CHECK(try_handshake(identity, *client, "server.test") == Error::certificate_mismatch);
}

TEST_CASE("tls: a certificate that is not valid now") {
    const Authority authority;
    const auto client = trusting(authority);
    const auto at = [&](long from, long to) {
        return authority.issue({.alternative_names = "DNS:server.test", .from_days = from, .to_days = to});
    };
    CHECK(try_handshake(at(-9, -1), *client) == Error::certificate_expired);
    CHECK(try_handshake(at(1, 9), *client) == Error::certificate_expired);
    CHECK_FALSE(try_handshake(at(-9, 9), *client));
}

TEST_CASE("tls: nobody trusted has signed it") {
    const Authority authority;
    const Authority other;
    const Identity alone = make_identity({.alternative_names = "DNS:server.test"});
    CHECK(try_handshake(alone, *trusting(authority)) == Error::certificate_untrusted);
    CHECK(try_handshake(other.server(), *trusting(authority)) == Error::certificate_untrusted);
    CHECK(try_handshake(authority.server(), *make_tls_client({}).value()) == Error::certificate_untrusted);
}

TEST_CASE("tls: checks that are switched off") {
    const Authority authority;
    TlsOptions options;
    SECTION("all of them") {
        options.verify = false;
        const auto client = make_tls_client(options).value();
        CHECK_FALSE(try_handshake(make_identity({.alternative_names = "DNS:other.test", .to_days = 0}), *client));
    }
    SECTION("the host's") {
        options.ca_pem = authority.pem();
        options.verify_host = false;
        const auto client = make_tls_client(options).value();
        CHECK_FALSE(try_handshake(authority.server("DNS:other.test"), *client));
        CHECK(try_handshake(make_identity({.alternative_names = "DNS:server.test"}), *client) == Error::certificate_untrusted);
    }
}

// --- what the server sees ---

TEST_CASE("tls: the server is told its name and HTTP/1.1") {
    const Authority authority;
    asio::io_context io;
    TlsServer server{authority.server("DNS:server.test,DNS:named.test,IP:127.0.0.1")};
    TlsOptions options;
    options.ca_pem = authority.pem();
    const auto name_seen = [&](const std::string& host) {
        const auto client = make_tls_client(options).value();
        TlsPair pair{io, server, *client, host};
        CHECK_FALSE(pair.handshake(io));
        const char* const name = SSL_get_servername(pair.peer->ssl(), TLSEXT_NAMETYPE_host_name);
        return std::string{name != nullptr ? name : "(none)"};
    };
    CHECK(name_seen("server.test") == "server.test");
    CHECK(server.protocols == "\x08http/1.1");
    CHECK(name_seen("server.test.") == "server.test");
    CHECK(name_seen("127.0.0.1") == "(none)");
    options.server_name = "named.test";
    CHECK(name_seen("127.0.0.1") == "named.test");
}

TEST_CASE("tls: a server without ALPN is fine, one that picks what wasn't offered is not") {
    const Authority authority;
    const auto client = trusting(authority);
    asio::io_context io;
    TlsServer server{authority.server()};
    server.choice = GENERATE(as<std::string>{}, "", "h2");
    TlsPair pair{io, server, *client};
    const std::error_code error = pair.handshake(io);
    CHECK(static_cast<bool>(error) == (server.choice == "h2"));
    if (error) {
        CHECK(error.category() == tls_category());
        CHECK(error == ErrorCondition::protocol);
    }
}

TEST_CASE("tls: versions") {
    const Authority authority;
    TlsOptions options;
    options.ca_pem = authority.pem();
    const auto with = [&](int version) {
        asio::io_context io;
        TlsServer server{authority.server(), version};
        const auto client = make_tls_client(options).value();
        TlsPair pair{io, server, *client};
        return pair.handshake(io);
    };
    CHECK_FALSE(with(TLS1_2_VERSION));
    CHECK_FALSE(with(TLS1_3_VERSION));
    CHECK(with(TLS1_1_VERSION) == ErrorCondition::protocol);
    options.min_version = TlsVersion::tls_1_3;
    CHECK(with(TLS1_2_VERSION).category() == tls_category());
    CHECK_FALSE(with(TLS1_3_VERSION));
}

TEST_CASE("tls: a client's certificate") {
    const Authority authority;
    const Folder folder;
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    CAPTURE(version);
    asio::io_context io;
    TlsServer server{authority.server(), version};
    server.demand_certificate(authority);
    TlsOptions options;
    options.ca_pem = authority.pem();

    SECTION("given") {
        const Identity me = authority.issue({.common_name = "me"});
        const bool encrypted = GENERATE(false, true);
        options.certificate_file = folder.write("me.pem", me.certificate_pem());
        options.key_file = folder.write("me.key", me.key_pem(encrypted ? "secret" : ""));
        options.key_password = encrypted ? "secret" : "";
        const auto client = make_tls_client(options).value();
        TlsPair pair{io, server, *client};
        REQUIRE_FALSE(pair.handshake(io));
        REQUIRE(run_until(io, [&] { return pair.peer->established(); }));
        const Handle<X509> seen{SSL_get_peer_certificate(pair.peer->ssl())};
        REQUIRE(seen);
        CHECK(X509_cmp(seen.get(), me.certificate.get()) == 0);
    }
    SECTION("missing") {
        const auto client = make_tls_client(options).value();
        TlsPair pair{io, server, *client};
        std::error_code error = pair.handshake(io);
        if (version == TLS1_3_VERSION) {  // the client's part is over before the server says so
            CHECK_FALSE(error);
            error = run(io, read_message(*pair.connection)).error;
            CHECK(error.message() == "tlsv13 alert certificate required");
        }
        CHECK(error.category() == tls_category());
        CHECK(error == ErrorCondition::protocol);
    }
}

// --- handshakes that don't end ---

TEST_CASE("tls: a server that accepts and never answers") {
    const Authority authority;
    const auto client = trusting(authority);
    asio::io_context io;
    const asio::ip::tcp::socket first{io};  // brings the reactor's own descriptors with it
    const std::size_t descriptors = open_descriptors();
    {
        SocketPair sockets{io};
        ClientConnection connection{std::move(sockets.left), HttpLimits{}, client->layer("server.test").value()};
        Task<std::error_code> task{io, connection.handshake(10s)};
        advance_clock(io, 10s - 1ns);
        REQUIRE_FALSE(task.done());
        SECTION("timeout") {
            advance_clock(io, 1ns);
            REQUIRE(task.done());
            CHECK(task.value() == Error::tls_timeout);
            CHECK(task.value() == ErrorCondition::timeout);
        }
        SECTION("cancellation") { CHECK(task.cancel_ends_it()); }
        SECTION("closed by its owner") {
            connection.close();
            run_until_idle(io);
            REQUIRE(task.done());
            CHECK(task.value() == asio::error::operation_aborted);
        }
        CHECK(ManualClock::pending() == 0);
    }
    run_until_idle(io);
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("tls: bytes that drip in don't prolong the handshake's time") {
    const Authority authority;
    const auto client = trusting(authority);
    asio::io_context io;
    TlsServer server{authority.server()};
    TlsPair pair{io, server, *client};
    pair.peer->hold = true;
    Task<std::error_code> task{io, pair.connection->handshake(10s)};
    run_until_idle(io);
    for (int second = 0; second < 9; ++second) {
        REQUIRE_FALSE(task.done());
        pair.peer->release(1);
        advance_clock(io, 1s);
    }
    pair.peer->release(1);
    advance_clock(io, 1s);
    REQUIRE(task.done());
    CHECK(task.value() == Error::tls_timeout);
}

TEST_CASE("tls: cancel is seen by a handshake that was just woken, for too little") {
    const Authority authority;
    const auto client = trusting(authority);
    asio::io_context io;
    TlsServer server{authority.server()};
    TlsPair pair{io, server, *client};
    pair.peer->hold = true;
    // First in line for the same news.
    pair.connection->socket().async_wait(asio::ip::tcp::socket::wait_read, [&](std::error_code) { pair.connection->cancel(); });
    Task<std::error_code> task{io, pair.connection->handshake(10s)};
    run_until_idle(io);
    REQUIRE_FALSE(task.done());
    pair.peer->release(1);
    REQUIRE(task.wait());
    CHECK(task.value() == asio::error::operation_aborted);
}

TEST_CASE("tls: cut inside the handshake") {
    const Authority authority;
    const auto client = trusting(authority);
    const Identity identity = authority.server();
    std::size_t whole = 1;
    for (std::size_t cut = 0; cut < whole; cut += 53) {
        CAPTURE(cut);
        asio::io_context io;
        TlsServer server{identity};
        TlsPair pair{io, server, *client};
        pair.peer->hold = true;
        Task<std::error_code> task{io, pair.connection->handshake(Duration::zero())};
        REQUIRE(run_until(io, [&] { return !pair.peer->outbox.empty(); }));
        whole = pair.peer->outbox.size();
        pair.peer->release(cut);
        run_until_idle(io);
        REQUIRE_FALSE(task.done());
        if (cut % 2 == 0) {
            pair.peer->close();
            REQUIRE(task.wait());
            CHECK(task.value() == Error::tls_failed);
        } else {
            pair.peer->reset();
            REQUIRE(task.wait());
            CHECK(task.value() == asio::error::connection_reset);
        }
    }
    CHECK(whole > 500);
}

TEST_CASE("tls: no TLS at the other end") {
    const Authority authority;
    const auto client = trusting(authority);
    asio::io_context io;
    SocketPair sockets{io};
    ClientConnection connection{std::move(sockets.left), HttpLimits{}, client->layer("server.test").value()};
    sockets.right.write_some(asio::buffer(std::string_view{"HTTP/1.1 400 Bad Request\r\n\r\n"}));
    const std::error_code error = run(io, connection.handshake(Duration::zero()));
    CHECK(error.category() == tls_category());
    CHECK(error.message() == "wrong version number");
    CHECK(error == ErrorCondition::protocol);
}

TEST_CASE("tls: a plain connection has no handshake to make") {
    asio::io_context io;
    SocketPair sockets{io};
    ClientConnection connection{std::move(sockets.left), HttpLimits{}};
    CHECK_FALSE(connection.is_secure());
    CHECK_FALSE(run(io, connection.handshake(1s)));
}

}  // namespace
}  // namespace rejoin::testing
