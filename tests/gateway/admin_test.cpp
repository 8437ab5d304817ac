#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>

#include <rejoin/gateway/admin.hpp>
#include <rejoin/gateway/http_server.hpp>
#include <rejoin/testing/run.hpp>

#include "support/catch.hpp"

using namespace rejoin;
using namespace std::chrono_literals;

namespace {

AdminOptions pages(const bool& ready) {
    return {[](std::string& out) { out += "# metrics\n"; }, [&ready] { return ready; }};
}

}  // namespace

TEST_CASE("the admin pages", "[gateway][admin]") {
    bool ready = true;
    const AdminOptions options = pages(ready);
    const auto status = [&](std::string_view target, std::string_view method = "GET") { return admin_page(options, method, target).status; };

    SECTION("metrics") {
        const AdminPage page = admin_page(options, "GET", "/metrics?x=1");
        CHECK(page.status == 200);
        CHECK(page.content_type == "text/plain; version=0.0.4; charset=utf-8");
        CHECK(page.body == "# metrics\n");
        CHECK(admin_page({}, "GET", "/metrics").status == 404);
    }
    SECTION("healthy as long as it answers, ready until it drains") {
        CHECK(status("/healthz") == 200);
        CHECK(status("/readyz") == 200);
        ready = false;
        CHECK(status("/healthz") == 200);
        CHECK(status("/readyz") == 503);
        CHECK(admin_page({}, "GET", "/readyz").status == 200);
    }
    SECTION("nothing else") {
        CHECK(status("/") == 404);
        CHECK(status("/metrics/") == 404);
        CHECK(status("/healthz2") == 404);
        CHECK(status("/", "POST") == 404);
        CHECK(status("/metrics", "POST") == 405);
        CHECK(status("/healthz", "HEAD") == 200);
    }
}

TEST_CASE("the admin pages over a connection that goes on", "[gateway][admin]") {
    asio::io_context io{1};
    bool ready = false;
    HttpServer server{io.get_executor(), {asio::ip::address_v4::loopback(), 0}, AdminHandler{pages(ready)}};
    server.start();

    asio::ip::tcp::socket client{io};
    client.connect(server.local_endpoint());
    const std::string_view requests =
        "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n"
        "HEAD /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
        "DELETE /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
        "GET /readyz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    asio::write(client, asio::buffer(requests));
    std::string got;
    bool closed = false;
    asio::async_read(client, asio::dynamic_buffer(got), [&closed](std::error_code, std::size_t) { closed = true; });
    REQUIRE(testing::run_until(io, [&] { return closed; }, 10s));

    const std::string plain = "Content-Type: text/plain; charset=utf-8\r\n";
    CHECK(got ==
          "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: 10\r\nCache-Control: no-store\r\n\r\n"
          "# metrics\n"
          "HTTP/1.1 200 OK\r\n" + plain + "Content-Length: 3\r\nCache-Control: no-store\r\n\r\n"
          "HTTP/1.1 405 Method Not Allowed\r\n" + plain + "Content-Length: 12\r\nCache-Control: no-store\r\nAllow: GET, HEAD\r\n\r\n"
          "GET or HEAD\n"
          "HTTP/1.1 503 Service Unavailable\r\n" + plain + "Content-Length: 9\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
          "draining\n");
    server.stop();
}
