#ifndef REJOIN_TESTS_SUPPORT_SCRIPTED_RESOLVER_HPP
#define REJOIN_TESTS_SUPPORT_SCRIPTED_RESOLVER_HPP

#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

#include <rejoin/net/asio.hpp>
#include <rejoin/testing/manual_clock.hpp>

namespace rejoin::testing {

struct ResolvedEntry {
    asio::ip::tcp::endpoint at;
    asio::ip::tcp::endpoint endpoint() const { return at; }
};

struct ResolverScript {
    bool silent = false;
    std::error_code error;
    std::vector<ResolvedEntry> results;
    int canceled = 0;
    std::string asked;
};

/// A resolver that does as the test says, the same for every name.
class ScriptedResolver {
public:
    inline static ResolverScript script;

    explicit ScriptedResolver(const asio::any_io_executor& executor) : executor_{executor} {}

    template <class Handler>
    void async_resolve(const std::string& host, const std::string& port, Handler handler) {
        script.asked = host + ":" + port;
        if (!script.silent) asio::post(executor_, [handler]() mutable { handler(script.error, script.results); });
    }
    void cancel() { ++script.canceled; }

private:
    asio::any_io_executor executor_;
};

struct ScriptedTraits : ManualTraits {
    using Resolver = ScriptedResolver;
};

inline asio::ip::tcp::endpoint loopback(std::uint16_t port) { return {asio::ip::address_v4::loopback(), port}; }

/// Whether this machine has ::1; tests that need it have nothing to say elsewhere.
inline bool has_ipv6_loopback() {
    asio::io_context io;
    asio::ip::tcp::acceptor acceptor{io};
    std::error_code error;
    acceptor.open(asio::ip::tcp::v6(), error);
    if (!error) acceptor.bind({asio::ip::address_v6::loopback(), 0}, error);
    return !error;
}

}  // namespace rejoin::testing

#endif
