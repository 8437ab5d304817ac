#include <cstdio>
#include <string>
#include <system_error>

#include "support/catch.hpp"
#include "tls/support.hpp"

namespace rejoin::testing {
namespace {

struct Outcome {
    std::error_code error;
    std::string reason;
};

Outcome refused(const TlsOptions& options) {
    Outcome outcome;
    const auto client = make_tls_client(options, &outcome.reason);
    outcome.error = client.error();
    CHECK_FALSE(client);
    return outcome;
}

bool connects(const TlsOptions& options, const Identity& identity) {
    asio::io_context io;
    TlsServer server{identity};
    const auto client = make_tls_client(options).value();
    TlsPair pair{io, server, *client};
    return !pair.handshake(io);
}

TEST_CASE("tls options: trusted certificates from a file, a folder and a text, all at once") {
    const Authority first;
    const Authority second;
    const Authority third;
    const Folder folder;
    TlsOptions options;
    options.ca_pem = "some words before\n" + first.pem() + "\n" + second.pem() + "and behind\n";
    CHECK(connects(options, first.server()));
    CHECK(connects(options, second.server()));
    CHECK_FALSE(connects(options, third.server()));
    options.ca_file = folder.write("ca.pem", third.pem());
    CHECK(connects(options, third.server()));
    CHECK(connects(options, second.server()));

    TlsOptions hashed;
    char name[16];
    std::snprintf(name, sizeof name, "%08lx.0", X509_subject_name_hash(first.root.certificate.get()));
    folder.write(name, first.pem());
    hashed.ca_path = folder.path();
    CHECK(connects(hashed, first.server()));
    CHECK_FALSE(connects(hashed, second.server()));
}

TEST_CASE("tls options: what can't be read or used is named") {
    const Folder folder;
    const Authority authority;
    const Identity me = authority.issue({.common_name = "me"});
    const std::string garbage = folder.write("garbage", "no certificate\n");
    const std::string missing = folder.path("missing");
    TlsOptions options;

    SECTION("missing files") {
        SECTION("ca_file") { options.ca_file = missing; }
        SECTION("ca_path") { options.ca_path = missing; }
        SECTION("certificate_file") { options.certificate_file = missing; }
        SECTION("key_file") {
            options.certificate_file = folder.write("me.pem", me.certificate_pem());
            options.key_file = missing;
        }
        const Outcome got = refused(options);
        CHECK(got.error == std::errc::no_such_file_or_directory);
        CHECK(got.reason.find("'" + missing + "': No such file or directory") != std::string::npos);
        const std::string option = !options.key_file.empty()           ? "key_file"
                                   : !options.certificate_file.empty() ? "certificate_file"
                                   : !options.ca_path.empty()          ? "ca_path"
                                                                       : "ca_file";
        CHECK(got.reason.rfind(option + " '", 0) == 0);
    }
    SECTION("no certificate in it") {
        SECTION("ca_file") { options.ca_file = garbage; }
        SECTION("ca_pem") { options.ca_pem = "no certificate\n"; }
        SECTION("certificate_file") { options.certificate_file = garbage; }
        const Outcome got = refused(options);
        CHECK(got.error.category() == tls_category());
        CHECK_FALSE(got.error == ErrorCondition::protocol);
        CHECK_FALSE(got.reason.empty());
    }
    SECTION("a broken certificate behind a good one") {
        options.ca_pem = authority.pem() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        CHECK(refused(options).reason.rfind("ca_pem: ", 0) == 0);
    }
    SECTION("no folder") {
        options.ca_path = garbage;
        CHECK(refused(options).error == std::errc::not_a_directory);
    }
    SECTION("the key of another") {
        options.certificate_file = folder.write("me.pem", me.certificate_pem());
        const bool same_kind = GENERATE(true, false);
        const Identity wrong{nullptr, make_key(same_kind ? EVP_PKEY_EC : EVP_PKEY_ED25519)};
        options.key_file = folder.write("other.key", wrong.key_pem());
        const Outcome got = refused(options);
        CHECK(got.reason.rfind("key_file '" + options.key_file + "': ", 0) == 0);
        CHECK(got.error.category() == tls_category());
    }
    SECTION("an encrypted key: nobody is asked for the password") {
        options.certificate_file = folder.write("me.pem", me.certificate_pem());
        options.key_file = folder.write("me.key", me.key_pem("secret"));
        options.key_password = GENERATE(as<std::string>{}, "", "wrong");
        const Outcome got = refused(options);
        CHECK(got.reason.rfind("key_file '" + options.key_file, 0) == 0);
        CHECK(got.error.category() == tls_category());
    }
    SECTION("a key without a certificate") {
        options.key_file = folder.write("me.key", me.key_pem());
        CHECK(refused(options).error == Error::invalid_option);
    }
    SECTION("cipher suites that don't exist") {
        SECTION("1.2") { options.ciphers = "NONE-OF-THESE"; }
        SECTION("1.3") { options.cipher_suites = "NONE-OF-THESE"; }
        CHECK(refused(options).error.category() == tls_category());
    }
}

TEST_CASE("tls options: cipher suites") {
    const Authority authority;
    TlsOptions options;
    options.ca_pem = authority.pem();
    options.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
    options.cipher_suites = "TLS_CHACHA20_POLY1305_SHA256";
    const auto used = [&](int version) {
        asio::io_context io;
        TlsServer server{authority.server(), version};
        const auto client = make_tls_client(options).value();
        TlsPair pair{io, server, *client};
        REQUIRE_FALSE(pair.handshake(io));
        return std::string{SSL_get_cipher(pair.peer->ssl())};
    };
    CHECK(used(TLS1_2_VERSION) == options.ciphers);
    CHECK(used(TLS1_3_VERSION) == options.cipher_suites);
}

TEST_CASE("tls: a host that no certificate can be for") {
    const auto client = make_tls_client({}).value();
    // Empty, OpenSSL would take for "check none".
    const std::string host = GENERATE(as<std::string>{}, "", std::string("a\0b", 3), std::string(300, 'a'));
    CHECK(client->layer(host).error() == Error::invalid_option);
    CHECK(client->layer("server.test"));
}

TEST_CASE("tls category: says what OpenSSL says") {
    const std::error_code known = rejoin::detail::make_tls_error(ERR_PACK(ERR_LIB_SSL, 0, SSL_R_WRONG_VERSION_NUMBER));
    CHECK(known.message() == "wrong version number");
    CHECK(std::string{known.category().name()} == "tls");
    const std::error_code unknown{(ERR_LIB_USER + 1) << 16, tls_category()};
    CHECK_FALSE(unknown.message().empty());
    CHECK(rejoin::detail::make_tls_error(0) == Error::tls_failed);
}

}  // namespace
}  // namespace rejoin::testing
