#ifndef REJOIN_NET_TLS_LAYER_HPP
#define REJOIN_NET_TLS_LAYER_HPP

#include <cstddef>
#include <memory>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <rejoin/error.hpp>
#include <rejoin/net/read_buffer.hpp>
#include <rejoin/net/secure_layer.hpp>
#include <rejoin/net/tls_error.hpp>

namespace rejoin {

namespace detail {

struct OpenSslFree {
    void operator()(SSL* object) const noexcept { SSL_free(object); }
    void operator()(SSL_CTX* object) const noexcept { SSL_CTX_free(object); }
    void operator()(BIO* object) const noexcept { BIO_free(object); }
    void operator()(X509* object) const noexcept { X509_free(object); }
};

template <class T>
using OpenSslPtr = std::unique_ptr<T, OpenSslFree>;

inline constexpr std::string_view alpn_http = "http/1.1";

}  // namespace detail

/// One TLS connection by OpenSSL. OpenSSL does its I/O on the socket that each call brings, by Asio: no signal is raised,
/// and what the system says is passed on as it is.
///
/// The role, what is verified and what is offered is all set in the `SSL` that it is made from; `make_tls_client()` does
/// that for clients. A server makes its own:
/// ```
/// SSL* const ssl = SSL_new(context);
/// SSL_set_accept_state(ssl);
/// HttpServerConnection connection{std::move(socket), limits, std::make_unique<OpenSslLayer>(ssl)};
/// ```
/// Errors beyond those of `SecureLayer`: `tls_category()` has OpenSSL's reason. `tls_failed`: the peer hung up during the
/// handshake. With TLS 1.3 a server that refuses the client's certificate says so after the client's part of the
/// handshake is over: that is the error of the first read.
class OpenSslLayer final : public SecureLayer {
public:
    /// Takes over `owned`, which has no I/O of its own yet.
    explicit OpenSslLayer(SSL* owned) : OpenSslLayer{detail::OpenSslPtr<SSL>{owned}} {}

    explicit OpenSslLayer(detail::OpenSslPtr<SSL> owned) : ssl_{std::move(owned)} {
        BIO* const bio = BIO_new(method());
        if (bio == nullptr) throw std::bad_alloc{};
        SSL* const ssl = ssl_.get();
        BIO_set_data(bio, this);
        BIO_set_init(bio, 1);
        SSL_set_bio(ssl, bio, bio);
        // An idle connection keeps no buffers, and a write that blocked may go on from another address.
        SSL_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_AUTO_RETRY);
        SSL_set_options(ssl, SSL_OP_NO_RENEGOTIATION);
        // What OpenSSL read ahead while writing, a reader would wait for in vain. read_some() reads ahead itself.
        SSL_set_read_ahead(ssl, 0);
    }

    /// For what this class has no function for: the certificate, the version.
    SSL* native_handle() noexcept { return ssl_.get(); }

    std::error_code handshake(Socket& socket) override {
        const Use use{*this, socket};
        const int result = SSL_do_handshake(ssl_.get());
        if (result == 1) return check_protocol();
        const std::error_code error = failure(result);
        if (error == asio::error::would_block) return error;
        const long verified = SSL_get_verify_result(ssl_.get());
        if (verified != X509_V_OK && SSL_get_verify_mode(ssl_.get()) != SSL_VERIFY_NONE) return detail::certificate_error(verified);
        if (error == Error::truncated || error == asio::error::eof) return Error::tls_failed;
        return error;
    }

    std::size_t read_some(Socket& socket, asio::mutable_buffer buffer, std::error_code& error) override {
        error = read_failure_;
        if (error) return 0;
        const Use use{*this, socket};
        reading_ = true;
        retry_ = false;
        auto* const data = static_cast<char*>(buffer.data());
        std::size_t total = 0;
        while (total < buffer.size()) {
            std::size_t size = 0;
            const int result = SSL_read_ex(ssl_.get(), data + total, buffer.size() - total, &size);
            if (result == 1) {
                total += size;
                continue;
            }
            error = failure(result);
            if (error != asio::error::would_block) {
                read_failure_ = error;
            } else if (total > 0) {
                retry_ = wants_ == Socket::wait_write;
            }
            break;
        }
        if (total > 0) error = {};
        return total;
    }

    std::size_t write_some(Socket& socket, asio::const_buffer buffer, std::error_code& error) override {
        error = {};
        const Use use{*this, socket};
        const auto* const data = static_cast<const char*>(buffer.data());
        std::size_t total = 0;
        while (total < buffer.size()) {
            std::size_t size = 0;
            const int result = SSL_write_ex(ssl_.get(), data + total, buffer.size() - total, &size);
            if (result == 1) {
                total += size;
                continue;
            }
            error = failure(result);
            break;
        }
        if (total > 0 && error == asio::error::would_block) error = {};
        return total;
    }

    bool pending() const override {
        return retry_ || read_failure_ || !ahead_.empty() || SSL_pending(ssl_.get()) > 0;
    }
    Socket::wait_type wants() const override { return wants_; }

    void shutdown(Socket& socket) override {
        if (failed_ || !SSL_is_init_finished(ssl_.get())) return;
        const Use use{*this, socket};
        SSL_shutdown(ssl_.get());
        ERR_clear_error();
    }

private:
    // One operation's use of the socket; OpenSSL's error queue is the thread's, so what others left there goes first.
    class Use {
    public:
        Use(OpenSslLayer& layer, Socket& socket) : layer_{layer} {
            layer_.socket_ = &socket;
            layer_.reading_ = layer_.drained_ = layer_.eof_ = false;
            layer_.socket_error_ = {};
            ERR_clear_error();
        }
        Use(const Use&) = delete;
        Use& operator=(const Use&) = delete;
        ~Use() { layer_.socket_ = nullptr; }

    private:
        OpenSslLayer& layer_;
    };

    std::error_code failure(int result) {
        switch (SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_WANT_READ: wants_ = Socket::wait_read; return asio::error::would_block;
        case SSL_ERROR_WANT_WRITE: wants_ = Socket::wait_write; return asio::error::would_block;
        case SSL_ERROR_ZERO_RETURN: return asio::error::eof;
        default: break;
        }
        failed_ = true;
        const std::error_code reason = detail::take_tls_error();
        if (socket_error_) return socket_error_;
        if (eof_) return Error::truncated;
        return reason;
    }

    // A server must not pick what it wasn't offered (RFC 7301 3.2), and HTTP/1.1 is all that is spoken here.
    std::error_code check_protocol() {
        const unsigned char* name = nullptr;
        unsigned size = 0;
        SSL_get0_alpn_selected(ssl_.get(), &name, &size);
        if (size == 0 || std::string_view{reinterpret_cast<const char*>(name), size} == detail::alpn_http) return {};
        failed_ = true;
        return detail::make_tls_error(ERR_PACK(ERR_LIB_SSL, 0, SSL_R_NO_APPLICATION_PROTOCOL));
    }

    // --- OpenSSL's I/O ---

    static const BIO_METHOD* method() {
        static const BIO_METHOD* const instance = [] {
            BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "rejoin");
            if (made == nullptr) throw std::bad_alloc{};
            BIO_meth_set_read(made, [](BIO* bio, char* data, int size) { return self(bio).receive(bio, data, size); });
            BIO_meth_set_write(made, [](BIO* bio, const char* data, int size) { return self(bio).send(bio, data, size); });
            BIO_meth_set_ctrl(made, [](BIO* bio, int command, long, void*) -> long {
                if (command == BIO_CTRL_EOF) return self(bio).eof_ ? 1 : 0;
                return command == BIO_CTRL_FLUSH ? 1 : 0;
            });
            return made;
        }();
        return instance;
    }

    static OpenSslLayer& self(BIO* bio) { return *static_cast<OpenSslLayer*>(BIO_get_data(bio)); }

    int receive(BIO* bio, char* data, int size) {
        BIO_clear_retry_flags(bio);
        const auto wanted = static_cast<std::size_t>(size);
        if (ahead_.empty() && reading_ && !drained_) read_ahead();
        if (!ahead_.empty()) {
            const std::size_t taken = ahead_.copy(data, wanted);
            ahead_.remove_prefix(taken);
            if (ahead_.empty()) ahead_buffer_.release();
            return static_cast<int>(taken);
        }
        std::size_t got = 0;
        if (!reading_) got = receive_some(asio::buffer(data, wanted));
        if (got == 0 && !eof_ && !socket_error_) BIO_set_retry_read(bio);
        return got > 0 ? static_cast<int>(got) : eof_ ? 0 : -1;
    }

    // All that is there in one system call, where OpenSSL makes two for each record. A connection that waits has used it up.
    void read_ahead() {
        ahead_buffer_.acquire();
        const std::size_t got = receive_some(asio::buffer(ahead_buffer_.data(), ReadBuffer::size));
        drained_ = got < ReadBuffer::size;
        ahead_ = {ahead_buffer_.data(), got};
        if (got == 0) ahead_buffer_.release();
    }

    std::size_t receive_some(asio::mutable_buffer buffer) {
        std::error_code error;
        const std::size_t got = socket_->read_some(buffer, error);
        if (error == asio::error::eof) {
            eof_ = true;
        } else if (error && error != asio::error::would_block) {
            socket_error_ = error;
        }
        return got;
    }

    int send(BIO* bio, const char* data, int size) {
        BIO_clear_retry_flags(bio);
        std::error_code error;
        const std::size_t sent = socket_->write_some(asio::buffer(data, static_cast<std::size_t>(size)), error);
        if (!error) return static_cast<int>(sent);
        if (error == asio::error::would_block) {
            BIO_set_retry_write(bio);
        } else {
            socket_error_ = error;
        }
        return -1;
    }

    // Below what `ssl_` uses when it is destroyed.
    Socket* socket_ = nullptr;
    ReadBuffer ahead_buffer_;
    std::string_view ahead_;  // encrypted, not yet taken by OpenSSL
    std::error_code socket_error_;
    std::error_code read_failure_;
    Socket::wait_type wants_ = Socket::wait_read;
    bool reading_ = false;  // in read_some()
    bool drained_ = false;  // the socket had no more in this read_some()
    bool retry_ = false;    // reading stopped behind bytes, to write something first
    bool eof_ = false;
    bool failed_ = false;
    detail::OpenSslPtr<SSL> ssl_;
};

}  // namespace rejoin

#endif
