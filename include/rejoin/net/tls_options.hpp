#ifndef REJOIN_NET_TLS_OPTIONS_HPP
#define REJOIN_NET_TLS_OPTIONS_HPP

#include <string>

namespace rejoin {

enum class TlsVersion {
    tls_1_2,  ///< RFC 5246
    tls_1_3,  ///< RFC 8446
};

/// Whom a TLS client trusts and as whom it appears. The defaults are right for public servers. Files are read once, when
/// the client is made. "PEM" is the text form, one or more blocks of `-----BEGIN ...-----`.
struct TlsOptions {
    /// Trusted certificates: a PEM file. If none of the three is given, the system's, which the environment variables
    /// SSL_CERT_FILE and SSL_CERT_DIR replace.
    std::string ca_file = {};
    /// Trusted certificates: a folder with names by hash, as `openssl rehash` makes them. Read when it is needed.
    std::string ca_path = {};
    /// Trusted certificates: PEM text.
    std::string ca_pem = {};

    /// The client's own certificate, followed by those that lead to its authority: a PEM file. Empty: none is sent, also
    /// to a server that asks for one.
    std::string certificate_file = {};
    /// The key to it: a PEM file. Empty: it stands in `certificate_file`.
    std::string key_file = {};
    /// What the key is encrypted with. An encrypted key without it is an error; nobody is prompted.
    std::string key_password = {};

    /// Check that the server's certificate is valid now and comes from somebody trusted. Without it anybody on the way can
    /// read and change everything, and `verify_host` means nothing.
    bool verify = true;
    /// Check that the certificate is for the host asked for (RFC 9110 4.3.4).
    bool verify_host = true;
    /// The name to send (SNI) and to check, instead of the URL's host. Empty: the URL's.
    std::string server_name = {};

    /// The oldest version accepted.
    TlsVersion min_version = TlsVersion::tls_1_2;
    /// Cipher suites of TLS 1.2, in OpenSSL's notation (`openssl ciphers`). Empty: OpenSSL's choice.
    std::string ciphers = {};
    /// Cipher suites of TLS 1.3, names separated by colons. Empty: OpenSSL's choice.
    std::string cipher_suites = {};
};

}  // namespace rejoin

#endif
