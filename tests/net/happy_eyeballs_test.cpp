#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <vector>

#include <rejoin/net/happy_eyeballs.hpp>

#include "support/catch.hpp"

namespace rejoin {
namespace {

using namespace std::chrono_literals;

using Texts = std::vector<std::string>;

Texts order_of(const Texts& addresses, std::size_t limit = max_connect_attempts) {
    Endpoints resolved;
    for (const auto& address : addresses) resolved.push_back({asio::ip::make_address(address), 80});
    Texts order;
    for (const auto& endpoint : attempt_order(resolved, limit)) order.push_back(endpoint.address().to_string());
    return order;
}

constexpr TimePoint start{1h};

TEST_CASE("attempt order: the families in turns, beginning with the resolver's first") {
    CHECK(order_of({}) == Texts{});
    CHECK(order_of({"1.0.0.1"}) == Texts{"1.0.0.1"});
    CHECK(order_of({"1.0.0.1", "1.0.0.2"}) == Texts{"1.0.0.1", "1.0.0.2"});
    CHECK(order_of({"::1", "::2", "1.0.0.1", "1.0.0.2"}) == Texts{"::1", "1.0.0.1", "::2", "1.0.0.2"});
    CHECK(order_of({"1.0.0.1", "::1", "::2"}) == Texts{"1.0.0.1", "::1", "::2"});
    CHECK(order_of({"::3", "::1", "::2", "1.0.0.1"}) == Texts{"::3", "1.0.0.1", "::1", "::2"});
}

TEST_CASE("attempt order: repeated addresses count once, another port is another address") {
    CHECK(order_of({"::1", "::1", "1.0.0.1", "::1", "1.0.0.1"}) == Texts{"::1", "1.0.0.1"});
    const asio::ip::tcp::endpoint one{asio::ip::make_address("1.0.0.1"), 80};
    const asio::ip::tcp::endpoint other{one.address(), 81};
    CHECK(attempt_order({one, other, one}) == Endpoints{one, other});
}

TEST_CASE("attempt order: bounded, with both families in it") {
    CHECK(order_of({"::1", "::2", "::3", "::4", "1.0.0.1"}, 3) == Texts{"::1", "1.0.0.1", "::2"});
    Texts many;
    for (int i = 1; i <= 20; ++i) many.push_back("1.0.0." + std::to_string(i));
    CHECK(order_of(many).size() == max_connect_attempts);
}

TEST_CASE("attempt schedule: one delay after another") {
    AttemptSchedule schedule{3, 250ms};
    CHECK(schedule.next(start) == 0u);
    CHECK_FALSE(schedule.next(start));
    CHECK(schedule.due() == start + 250ms);
    CHECK_FALSE(schedule.next(start + 249ms));
    CHECK(schedule.next(start + 250ms) == 1u);
    CHECK(schedule.due() == start + 500ms);
    CHECK(schedule.next(start + 700ms) == 2u);  // late: the delay runs from the start of the one before
    CHECK_FALSE(schedule.due());
    CHECK_FALSE(schedule.next(start + 2h));
    CHECK_FALSE(schedule.exhausted());
}

TEST_CASE("attempt schedule: the next at once when the last one has failed, not when an older one has") {
    AttemptSchedule schedule{4, 250ms};
    CHECK(schedule.next(start) == 0u);
    CHECK(schedule.next(start + 250ms) == 1u);
    schedule.failed(0, asio::error::connection_refused);
    CHECK_FALSE(schedule.next(start + 251ms));
    schedule.failed(1, asio::error::connection_refused);
    CHECK(schedule.next(start + 251ms) == 2u);
    CHECK_FALSE(schedule.next(start + 251ms));
    CHECK(schedule.due() == start + 501ms);
}

TEST_CASE("attempt schedule: without a delay strictly one after the other") {
    AttemptSchedule schedule{2, 0ms};
    CHECK(schedule.next(start) == 0u);
    CHECK_FALSE(schedule.due());
    CHECK_FALSE(schedule.next(start + 100h));
    schedule.failed(0, asio::error::connection_refused);
    CHECK(schedule.next(start + 100h) == 1u);
    CHECK_FALSE(schedule.exhausted());
    schedule.failed(1, asio::error::connection_refused);
    CHECK(schedule.exhausted());
}

TEST_CASE("attempt schedule: the error of all is the last one that tells something") {
    const auto error_of = [](std::vector<std::error_code> errors) {
        AttemptSchedule schedule{errors.size(), 0ms};
        for (std::size_t i = 0; i < errors.size(); ++i) {
            CHECK(schedule.next(start) == i);
            schedule.failed(i, errors[i]);
        }
        CHECK(schedule.exhausted());
        return schedule.error();
    };
    using namespace asio::error;
    CHECK(error_of({}) == host_not_found);
    CHECK(error_of({connection_refused}) == connection_refused);
    CHECK(error_of({connection_refused, host_unreachable}) == host_unreachable);
    CHECK(error_of({connection_refused, network_unreachable}) == connection_refused);
    CHECK(error_of({network_unreachable, connection_refused}) == connection_refused);
    CHECK(error_of({address_family_not_supported, network_unreachable}) == network_unreachable);
    CHECK(error_of({connection_refused, std::error_code{EADDRNOTAVAIL, asio::error::get_system_category()}}) == connection_refused);
}

}  // namespace
}  // namespace rejoin
