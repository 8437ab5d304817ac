#ifndef REJOIN_EXAMPLES_CONNECTION_FLAGS_HPP
#define REJOIN_EXAMPLES_CONNECTION_FLAGS_HPP

#include <string>
#include <utility>

#include <CLI/CLI.hpp>

#include <rejoin/net/connect_options.hpp>
#ifdef REJOIN_EXAMPLES_TLS
#include <rejoin/net/tls.hpp>
#endif

namespace examples {

/// Where a program's connections go through and whom they trust: flags named as curl's.
class ConnectionFlags {
public:
    void declare(CLI::App& app, const std::string& group = "Connection") {
#ifdef REJOIN_EXAMPLES_TLS
        app.add_option("--cacert", tls_.ca_file, "trust the certificates in this PEM file instead of the system's")->group(group);
        app.add_option("--cert", tls_.certificate_file, "the client's own certificate, PEM")->group(group);
        app.add_option("--key", tls_.key_file, "the key to --cert, PEM; default: in the same file")->group(group);
        app.add_option("--tls-name", tls_.server_name, "the name the server's certificate must be for, instead of the URL's host")->group(group);
        app.add_flag("-k,--insecure", insecure_, "do not check the server's certificate: anybody on the way can read and change all")->group(group);
#endif
        app.add_option("--proxy", proxy_, "http://[USER:PASSWORD@]HOST:PORT of a proxy to go through, by CONNECT")->group(group);
        app.add_flag("--proxy-env", from_environment_, "go through the proxy that HTTPS_PROXY, http_proxy, ALL_PROXY and NO_PROXY name")->group(group);
    }

    /// Fills in `options`; false with `why` when a flag's value can't be.
    bool apply(rejoin::ConnectOptions& options, std::string& why) const {
        if (!proxy_.empty()) {
            auto url = rejoin::Url::parse(proxy_);
            if (!url || url->scheme != "http") {
                const bool credentials = proxy_.find('@') != std::string::npos;  // not to be printed
                why = "--proxy " + (credentials ? std::string{} : "'" + proxy_ + "' ") + "is not http://[USER:PASSWORD@]HOST:PORT";
                return false;
            }
            options.proxy = rejoin::HttpProxy{std::move(*url), {}};
        }
        if (from_environment_) options.proxies = rejoin::ProxyEnvironment::from_environment();
#ifdef REJOIN_EXAMPLES_TLS
        rejoin::TlsOptions tls = tls_;
        tls.verify = !insecure_;
        auto client = rejoin::make_tls_client(tls, &why);
        if (!client) return false;
        options.tls = std::move(*client);
#endif
        return true;
    }

private:
#ifdef REJOIN_EXAMPLES_TLS
    rejoin::TlsOptions tls_;
    bool insecure_ = false;
#endif
    std::string proxy_;
    bool from_environment_ = false;
};

}  // namespace examples

#endif
