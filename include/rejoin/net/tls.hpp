#ifndef REJOIN_NET_TLS_HPP
#define REJOIN_NET_TLS_HPP

// TLS for clients, by OpenSSL (1.1.1 or newer): the target rejoin::tls. Nothing else of rejoin includes this.

#include <array>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <rejoin/error.hpp>
#include <rejoin/net/tls_error.hpp>
#include <rejoin/net/tls_layer.hpp>
#include <rejoin/net/tls_options.hpp>
#include <rejoin/result.hpp>

namespace rejoin {

namespace detail {

// `TlsOptions` -> SSL_CTX. The first step that fails says why.
class TlsSetup {
public:
    explicit TlsSetup(const TlsOptions& options) : options_{options} {}

    std::error_code run() {
        ERR_clear_error();
        context_.reset(SSL_CTX_new(TLS_client_method()));
        if (!context_) return fail("OpenSSL");
        SSL_CTX* const context = context_.get();
        const bool tls_1_3_only = options_.min_version == TlsVersion::tls_1_3;
        if (SSL_CTX_set_min_proto_version(context, tls_1_3_only ? TLS1_3_VERSION : TLS1_2_VERSION) != 1) return fail("min_version");
        if (!options_.ciphers.empty() && SSL_CTX_set_cipher_list(context, options_.ciphers.c_str()) != 1) return fail("ciphers");
        if (!options_.cipher_suites.empty() && SSL_CTX_set_ciphersuites(context, options_.cipher_suites.c_str()) != 1)
            return fail("cipher_suites");
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_verify(context, options_.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
        offer_http(context);
        if (const std::error_code error = trust(context)) return error;
        return identify(context);
    }

    OpenSslPtr<SSL_CTX> take() { return std::move(context_); }
    std::string what;

private:
    static void offer_http(SSL_CTX* context) {
        std::array<unsigned char, 1 + alpn_http.size()> names{static_cast<unsigned char>(alpn_http.size())};
        std::memcpy(names.data() + 1, alpn_http.data(), alpn_http.size());
        SSL_CTX_set_alpn_protos(context, names.data(), static_cast<unsigned>(names.size()));
    }

    std::error_code trust(SSL_CTX* context) {
        if (!options_.verify) return {};
        const std::string& file = options_.ca_file;
        const std::string& path = options_.ca_path;
        if (file.empty() && path.empty() && options_.ca_pem.empty()) {
            if (SSL_CTX_set_default_verify_paths(context) != 1) return fail("the system's certificates");
            return {};
        }
        if (!file.empty() && SSL_CTX_load_verify_locations(context, file.c_str(), nullptr) != 1) return fail("ca_file", file);
        if (!path.empty()) {
            // OpenSSL itself would not notice before it looks for a certificate, and then only that it has none.
            std::error_code error;
            const bool is_folder = std::filesystem::is_directory(path, error);
            if (!error && !is_folder) error = std::make_error_code(std::errc::not_a_directory);
            if (error) return fail("ca_path", path, error);
            if (SSL_CTX_load_verify_locations(context, nullptr, path.c_str()) != 1) return fail("ca_path", path);
        }
        if (!options_.ca_pem.empty()) return trust_text(context, options_.ca_pem);
        return {};
    }

    std::error_code trust_text(SSL_CTX* context, std::string_view pem) {
        const OpenSslPtr<BIO> bio{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
        std::size_t count = 0;
        for (;; ++count) {
            const OpenSslPtr<X509> certificate{PEM_read_bio_X509_AUX(bio.get(), nullptr, password, nullptr)};
            if (!certificate) break;
            if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate.get()) != 1) return fail("ca_pem");
        }
        const auto last = ERR_peek_last_error();
        const bool at_end = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
        if (count == 0 || !at_end) return fail("ca_pem");
        ERR_clear_error();
        return {};
    }

    std::error_code identify(SSL_CTX* context) {
        const std::string& file = options_.certificate_file;
        if (file.empty()) {
            if (options_.key_file.empty()) return {};
            return fail("key_file without certificate_file", options_.key_file, Error::invalid_option);
        }
        // Always set: OpenSSL's own way to get a password is to ask on the terminal.
        SSL_CTX_set_default_passwd_cb(context, password);
        SSL_CTX_set_default_passwd_cb_userdata(context, const_cast<std::string*>(&options_.key_password));
        const std::string& key = options_.key_file.empty() ? file : options_.key_file;
        if (SSL_CTX_use_certificate_chain_file(context, file.c_str()) != 1) return fail("certificate_file", file);
        if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) return fail("key_file", key);
        if (SSL_CTX_check_private_key(context) != 1) return fail("key_file", key);
        SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
        return {};
    }

    static int password(char* buffer, int size, int, void* data) {
        const auto* const text = static_cast<const std::string*>(data);
        if (text == nullptr || text->empty() || text->size() > static_cast<std::size_t>(size)) return -1;
        std::memcpy(buffer, text->data(), text->size());
        return static_cast<int>(text->size());
    }

    std::error_code fail(std::string_view option, std::string_view value = {}, std::error_code error = take_setup_error()) {
        what = option;
        if (!value.empty()) what.append(" '").append(value).append("'");
        what.append(": ").append(error.message());
        return error;
    }

    const TlsOptions& options_;
    OpenSslPtr<SSL_CTX> context_;
};

}  // namespace detail

/// TLS connections of a client, by OpenSSL. Made by `make_tls_client()`, once for a program or for each identity of it:
/// reading the trusted certificates takes milliseconds and their memory.
///
/// Certificates are matched by their subjectAltName alone, names as well as addresses; `*` stands for one whole label
/// (RFC 9110 4.3.4, RFC 9525). Versions from TLS 1.2 on, no renegotiation, no resumption of sessions, `http/1.1` offered
/// by ALPN (a server without ALPN is fine, one that picks something else is not). Revocation is not checked.
///
/// Thread safety: `layer()` may be called from several threads at once. Outlives nothing: a layer keeps what it needs.
class OpenSslClient final : public TlsClient {
public:
    OpenSslClient(detail::OpenSslPtr<SSL_CTX> context, const TlsOptions& options)
        : context_{std::move(context)}, server_name_{options.server_name}, verify_host_{options.verify && options.verify_host} {}

    /// Errors: `invalid_option` for a host that can't be in a certificate; out of memory.
    Result<std::unique_ptr<SecureLayer>> layer(const std::string& host) override {
        std::string name = server_name_.empty() ? host : server_name_;
        if (name.size() > 1 && name.ends_with('.')) name.pop_back();  // as a name of the DNS it is the same, here it isn't
        if (name.empty() || name.find('\0') != std::string::npos) return Error::invalid_option;  // empty: OpenSSL would check none
        ERR_clear_error();
        detail::OpenSslPtr<SSL> ssl{SSL_new(context_.get())};
        if (!ssl) return detail::take_setup_error();
        SSL_set_connect_state(ssl.get());

        std::error_code no_address;
        asio::ip::make_address(name, no_address);
        // RFC 6066 3: no literal addresses.
        if (no_address && SSL_set_tlsext_host_name(ssl.get(), name.c_str()) != 1) return Error::invalid_option;
        if (verify_host_) {
            X509_VERIFY_PARAM* const check = SSL_get0_param(ssl.get());
            X509_VERIFY_PARAM_set_hostflags(check, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
            const int set = no_address ? X509_VERIFY_PARAM_set1_host(check, name.data(), name.size())
                                       : X509_VERIFY_PARAM_set1_ip_asc(check, name.c_str());
            if (set != 1) return Error::invalid_option;
        }
        return std::unique_ptr<SecureLayer>{std::make_unique<OpenSslLayer>(std::move(ssl))};
    }

    /// For settings that `TlsOptions` doesn't have; only before the first `layer()`.
    SSL_CTX* native_handle() noexcept { return context_.get(); }

private:
    detail::OpenSslPtr<SSL_CTX> context_;
    std::string server_name_;
    bool verify_host_;
};

/// Reads the certificates and keys, and makes what `ConnectOptions::tls` wants.
///
/// Errors: `std::system_category()` where a file can't be read, `tls_category()` with OpenSSL's reason where its content
/// is wrong, `invalid_option`. `reason`, if given, then says which option it was, with its value, and why.
inline Result<std::shared_ptr<TlsClient>> make_tls_client(const TlsOptions& options, std::string* reason = nullptr) {
    detail::TlsSetup setup{options};
    if (const std::error_code error = setup.run()) {
        if (reason != nullptr) *reason = std::move(setup.what);
        return error;
    }
    return std::shared_ptr<TlsClient>{std::make_shared<OpenSslClient>(setup.take(), options)};
}

}  // namespace rejoin

#endif
