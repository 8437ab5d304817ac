#ifndef REJOIN_TESTS_SUPPORT_FAKE_TLS_HPP
#define REJOIN_TESTS_SUPPORT_FAKE_TLS_HPP

#include <cstddef>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <rejoin/net/secure_layer.hpp>

namespace rejoin::testing {

/// A TLS that encrypts nothing, for what doesn't depend on it: who asks for a layer, when, and what its failures do.
class FakeTls final : public TlsClient {
public:
    std::vector<std::string> hosts;   ///< Those that layers were made for.
    std::error_code refusal;          ///< Instead of a layer.
    std::error_code handshake_error;  ///< What the handshakes end with; `would_block` = never.

    Result<std::unique_ptr<SecureLayer>> layer(const std::string& host) override {
        hosts.push_back(host);
        if (refusal) return refusal;
        return std::unique_ptr<SecureLayer>{std::make_unique<Layer>(handshake_error)};
    }

private:
    class Layer final : public SecureLayer {
    public:
        explicit Layer(std::error_code handshake_error) : handshake_error_{handshake_error} {}

        std::error_code handshake(Socket&) override { return handshake_error_; }
        std::size_t read_some(Socket& socket, asio::mutable_buffer buffer, std::error_code& error) override {
            return socket.read_some(asio::mutable_buffers_1{buffer}, error);
        }
        std::size_t write_some(Socket& socket, asio::const_buffer buffer, std::error_code& error) override {
            return socket.write_some(asio::const_buffers_1{buffer}, error);
        }
        bool pending() const override { return false; }
        Socket::wait_type wants() const override { return Socket::wait_read; }
        void shutdown(Socket&) override {}

    private:
        std::error_code handshake_error_;
    };
};

}  // namespace rejoin::testing

#endif
