#ifndef REJOIN_TESTS_TLS_CERTIFICATES_HPP
#define REJOIN_TESTS_TLS_CERTIFICATES_HPP

#include <stdlib.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace rejoin::testing {

// Certificates made when a test wants them; no key is ever kept anywhere.

struct FreeOpenSsl {
    void operator()(EVP_PKEY* object) const { EVP_PKEY_free(object); }
    void operator()(EVP_PKEY_CTX* object) const { EVP_PKEY_CTX_free(object); }
    void operator()(X509* object) const { X509_free(object); }
    void operator()(X509_EXTENSION* object) const { X509_EXTENSION_free(object); }
    void operator()(BIO* object) const { BIO_free(object); }
    void operator()(SSL* object) const { SSL_free(object); }
    void operator()(SSL_CTX* object) const { SSL_CTX_free(object); }
};
template <class T>
using Handle = std::unique_ptr<T, FreeOpenSsl>;

inline void must(bool worked) {
    if (!worked) throw std::runtime_error{"OpenSSL refused something in a test's own set-up"};
}

struct Identity {
    Handle<X509> certificate;
    Handle<EVP_PKEY> key;

    std::string certificate_pem() const {
        const Handle<BIO> bio{BIO_new(BIO_s_mem())};
        must(PEM_write_bio_X509(bio.get(), certificate.get()) == 1);
        return text_of(bio.get());
    }

    // Encrypted, if there is a password.
    std::string key_pem(const std::string& password = {}) const {
        const Handle<BIO> bio{BIO_new(BIO_s_mem())};
        const auto* const secret = reinterpret_cast<const unsigned char*>(password.data());
        must(PEM_write_bio_PrivateKey(bio.get(), key.get(), password.empty() ? nullptr : EVP_aes_128_cbc(),
                                      password.empty() ? nullptr : secret, static_cast<int>(password.size()), nullptr, nullptr) == 1);
        return text_of(bio.get());
    }

private:
    static std::string text_of(BIO* bio) {
        char* data = nullptr;
        const long size = BIO_get_mem_data(bio, &data);
        return {data, static_cast<std::size_t>(size)};
    }
};

struct Wanted {
    std::string common_name = "test";
    std::string alternative_names = {};  // as in openssl.cnf: "DNS:a.test,IP:127.0.0.1"
    long from_days = -1;
    long to_days = 30;
    bool authority = false;
    const Identity* issuer = nullptr;  // null: signed by itself
};

inline Handle<EVP_PKEY> make_key(int kind = EVP_PKEY_EC) {
    const Handle<EVP_PKEY_CTX> context{EVP_PKEY_CTX_new_id(kind, nullptr)};
    must(EVP_PKEY_keygen_init(context.get()) == 1);
    if (kind == EVP_PKEY_EC) must(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context.get(), NID_X9_62_prime256v1) == 1);
    EVP_PKEY* key = nullptr;
    must(EVP_PKEY_keygen(context.get(), &key) == 1);
    return Handle<EVP_PKEY>{key};
}

inline Identity make_identity(const Wanted& wanted) {
    static long serial = 1;
    Identity made{Handle<X509>{X509_new()}, make_key()};
    X509* const certificate = made.certificate.get();
    must(X509_set_version(certificate, 2) == 1);
    must(ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++) == 1);
    constexpr long day = 24 * 60 * 60;
    X509_gmtime_adj(X509_getm_notBefore(certificate), wanted.from_days * day);
    X509_gmtime_adj(X509_getm_notAfter(certificate), wanted.to_days * day);
    must(X509_set_pubkey(certificate, made.key.get()) == 1);
    const auto* const name = reinterpret_cast<const unsigned char*>(wanted.common_name.c_str());
    must(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8, name, -1, -1, 0) == 1);
    X509* const issuer = wanted.issuer != nullptr ? wanted.issuer->certificate.get() : certificate;
    must(X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1);

    const auto extend = [&](int kind, const std::string& value) {
        X509V3_CTX context;
        X509V3_set_ctx_nodb(&context);
        X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
        const Handle<X509_EXTENSION> extension{X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str())};
        must(extension && X509_add_ext(certificate, extension.get(), -1) == 1);
    };
    extend(NID_basic_constraints, wanted.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (!wanted.alternative_names.empty()) extend(NID_subject_alt_name, wanted.alternative_names);
    EVP_PKEY* const signer = wanted.issuer != nullptr ? wanted.issuer->key.get() : made.key.get();
    must(X509_sign(certificate, signer, EVP_sha256()) != 0);
    return made;
}

// A trusted authority and what it has signed. Each has a name of its own, since that is what an issuer is found by.
struct Authority {
    Identity root = make_root();

    Identity issue(Wanted wanted) const {
        wanted.issuer = &root;
        return make_identity(wanted);
    }
    Identity server(const std::string& alternative_names = "DNS:server.test") const {
        return issue({.common_name = "server", .alternative_names = alternative_names});
    }
    std::string pem() const { return root.certificate_pem(); }

private:
    static Identity make_root() {
        static int number = 0;
        return make_identity({.common_name = "authority " + std::to_string(++number), .authority = true});
    }
};

// A folder of its own for one test.
class Folder {
public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "rejoin-tls-XXXXXX").string();
        must(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path_); }

    std::string path(const std::string& name = {}) const { return (path_ / name).string(); }
    std::string write(const std::string& name, const std::string& text) const {
        std::ofstream{path_ / name} << text;
        return path(name);
    }

private:
    std::filesystem::path path_;
};

}  // namespace rejoin::testing

#endif
