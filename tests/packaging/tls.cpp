// A user's program against rejoin::tls: what a client needs for https.

#include <iostream>
#include <string>

#include <rejoin/net/tls.hpp>
#include <rejoin/rejoin.hpp>

int main() {
    rejoin::TlsOptions options;
    const auto client = rejoin::make_tls_client(options);
    if (!client) return 1;
    rejoin::ConnectOptions connect;
    connect.tls = *client;
    if (!connect.tls->layer("example.com")) return 1;

    options.ca_file = "missing.pem";
    std::string reason;
    if (rejoin::make_tls_client(options, &reason)) return 1;
    std::cout << "rejoin " << REJOIN_VERSION_STRING << ", " << reason << '\n';
    return 0;
}
