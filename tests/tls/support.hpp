#ifndef REJOIN_TESTS_TLS_SUPPORT_HPP
#define REJOIN_TESTS_TLS_SUPPORT_HPP

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <rejoin/net/http_connection.hpp>
#include <rejoin/net/tls.hpp>

#include "net/support.hpp"
#include "tls/certificates.hpp"

namespace rejoin::testing {

using ClientConnection = BasicHttpClientConnection<ManualTraits>;

// What a test's server is made from, and what it notes about its clients.
struct TlsServer {
    explicit TlsServer(const Identity& identity, int version = TLS1_3_VERSION) : context{SSL_CTX_new(TLS_server_method())} {
        must(SSL_CTX_use_certificate(context.get(), identity.certificate.get()) == 1);
        must(SSL_CTX_use_PrivateKey(context.get(), identity.key.get()) == 1);
        SSL_CTX_set_min_proto_version(context.get(), version);
        SSL_CTX_set_max_proto_version(context.get(), version);
        SSL_CTX_set_alpn_select_cb(context.get(), choose, this);
    }
    TlsServer(const TlsServer&) = delete;
    TlsServer& operator=(const TlsServer&) = delete;

    void demand_certificate(const Authority& authority) {
        must(X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), authority.root.certificate.get()) == 1);
        SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
        must(SSL_CTX_set_session_id_context(context.get(), reinterpret_cast<const unsigned char*>("test"), 4) == 1);
    }

    Handle<SSL_CTX> context;
    std::string protocols;  // as the last client sent them
    std::string choice = "http/1.1";

private:
    static int choose(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned in_size, void* data) {
        auto& self = *static_cast<TlsServer*>(data);
        self.protocols.assign(reinterpret_cast<const char*>(in), in_size);
        if (self.choice.empty()) return SSL_TLSEXT_ERR_NOACK;
        *out = reinterpret_cast<const unsigned char*>(self.choice.data());
        *size = static_cast<unsigned char>(self.choice.size());
        return SSL_TLSEXT_ERR_OK;
    }
};

// The server's end of one connection. OpenSSL works on memory here, so that the test decides which bytes go onto the wire
// and when.
class TlsPeer : public std::enable_shared_from_this<TlsPeer> {
public:
    TlsPeer(asio::ip::tcp::socket socket, TlsServer& server)
        : socket_{std::move(socket)}, ssl_{SSL_new(server.context.get())}, in_{BIO_new(BIO_s_mem())}, out_{BIO_new(BIO_s_mem())} {
        socket_.non_blocking(true);
        socket_.set_option(asio::ip::tcp::no_delay{true});
        SSL_set_bio(ssl_.get(), in_, out_);
        SSL_set_accept_state(ssl_.get());
        SSL_set_msg_callback(ssl_.get(), [](int from_here, int, int type, const void* data, std::size_t size, SSL*, void* self) {
            const auto* const bytes = static_cast<const unsigned char*>(data);
            const bool key_update = type == SSL3_RT_HANDSHAKE && size > 0 && bytes[0] == SSL3_MT_KEY_UPDATE;
            if (from_here == 0 && key_update) ++static_cast<TlsPeer*>(self)->key_updates;
        });
        SSL_set_msg_callback_arg(ssl_.get(), this);
    }

    void start() { read(); }

    SSL* ssl() { return ssl_.get(); }
    asio::ip::tcp::socket& socket() { return socket_; }
    bool established() const { return SSL_is_init_finished(ssl_.get()) == 1; }

    // --- what came ---
    std::string received;
    bool ended = false;   // close_notify
    bool closed = false;  // the end of the connection itself
    int key_updates = 0;
    bool reading = true;

    void read_on() {
        reading = true;
        read();
    }

    // --- what goes ---
    bool hold = false;                                            // collect in `outbox`
    std::size_t piece = std::numeric_limits<std::size_t>::max();  // at most so much at a time
    std::string outbox;

    void send(std::string_view plain) {
        ERR_clear_error();
        if (!plain.empty()) must(SSL_write(ssl_.get(), plain.data(), static_cast<int>(plain.size())) == static_cast<int>(plain.size()));
        flush();
    }
    void update_keys() {
        must(SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED) == 1);
        must(SSL_do_handshake(ssl_.get()) == 1);
        flush();
    }
    void close_notify() {
        SSL_shutdown(ssl_.get());
        flush();
    }
    // Sends so much of what is held, and nothing else.
    void release(std::size_t size) {
        std::string bytes = outbox.substr(0, size);
        outbox.erase(0, size);
        while (!bytes.empty()) bytes.erase(0, socket_.write_some(asio::buffer(bytes)));
    }
    void let_go() {
        hold = false;
        flush();
    }
    void close() {
        std::error_code ignored;
        socket_.close(ignored);
    }
    void reset() {
        socket_.set_option(asio::socket_base::linger{true, 0});
        socket_.close();
    }

private:
    void read() {
        socket_.async_wait(asio::ip::tcp::socket::wait_read, [self = shared_from_this()](std::error_code error) {
            if (error || !self->reading) return;
            self->take();
            if (self->socket_.is_open() && !self->closed) self->read();
        });
    }

    void take() {
        char bytes[65536];
        for (std::error_code error; !error;) {
            const std::size_t size = socket_.read_some(asio::buffer(bytes), error);
            if (error && error != asio::error::would_block) closed = true;
            if (size > 0) BIO_write(in_, bytes, static_cast<int>(size));
            if (size < sizeof bytes) break;
        }
        ERR_clear_error();
        if (!established()) SSL_do_handshake(ssl_.get());
        for (int size = 0; established() && (size = SSL_read(ssl_.get(), bytes, sizeof bytes)) > 0;) {
            received.append(bytes, static_cast<std::size_t>(size));
        }
        ended = (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
        ERR_clear_error();
        flush();
    }

    void flush() {
        char bytes[65536];
        for (int size = 0; (size = BIO_read(out_, bytes, sizeof bytes)) > 0;) outbox.append(bytes, static_cast<std::size_t>(size));
        if (!hold && !flushing_) write();
    }

    void write() {
        flushing_ = !outbox.empty() && socket_.is_open();
        if (!flushing_) return;
        socket_.async_wait(asio::ip::tcp::socket::wait_write, [self = shared_from_this()](std::error_code error) {
            if (error) return;
            const std::size_t size = std::min(self->piece, self->outbox.size());
            const std::size_t sent = self->socket_.write_some(asio::buffer(self->outbox.data(), size), error);
            self->outbox.erase(0, sent);
            if (!error || error == asio::error::would_block) self->write();
        });
    }

    asio::ip::tcp::socket socket_;
    Handle<SSL> ssl_;
    BIO* in_;
    BIO* out_;
    bool flushing_ = false;
};

inline std::shared_ptr<TlsClient> trusting(const Authority& authority) {
    TlsOptions options;
    options.ca_pem = authority.pem();
    return make_tls_client(options).value();
}

// A client's connection and its server's end.
struct TlsPair {
    TlsPair(asio::io_context& io, TlsServer& server, TlsClient& client, const std::string& host = "server.test")
        : sockets{io},
          connection{std::make_shared<ClientConnection>(std::move(sockets.left), HttpLimits{}, client.layer(host).value())},
          peer{std::make_shared<TlsPeer>(std::move(sockets.right), server)} {
        peer->start();
    }
    ~TlsPair() { peer->close(); }

    std::error_code handshake(asio::io_context& io) { return run(io, connection->handshake(Duration::zero())); }

    SocketPair sockets;
    std::shared_ptr<ClientConnection> connection;
    std::shared_ptr<TlsPeer> peer;
};

struct Body {
    int status = 0;
    std::string text;
    std::error_code error;
};

inline Awaitable<Body> read_message(ClientConnection& connection) {
    auto head = co_await connection.read_head(Duration::zero(), Error::response_timeout);
    Body body;
    body.error = head.error();
    if (!head) co_return std::move(body);
    body.status = head->status;
    for (;;) {
        std::string_view piece;
        while (connection.next_body(piece)) body.text += piece;
        if (connection.body_ended()) break;
        co_await connection.fill();
    }
    body.error = connection.body_error();
    co_return std::move(body);
}

}  // namespace rejoin::testing

#endif
