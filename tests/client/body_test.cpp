#include <string>

#include "client/support.hpp"

namespace rejoin::testing {
namespace {

// Gives its text in pieces of three bytes.
class Pieces final : public BodySource {
public:
    explicit Pieces(std::string text) : text_{std::move(text)} {}

    std::optional<std::uint64_t> size() const override { return size_known ? std::optional<std::uint64_t>{claimed.value_or(text_.size())} : std::nullopt; }
    bool rewind() override {
        if (at_ > 0 && !rewinds) return false;
        at_ = 0;
        ++times;
        return true;
    }
    Awaitable<Result<std::string_view>> next() override {
        if (at_ >= fails_at) co_return std::make_error_code(std::errc::io_error);
        const std::string_view piece = std::string_view{text_}.substr(at_, 3);
        at_ += piece.size();
        co_return piece;
    }

    bool size_known = false;
    bool rewinds = true;
    std::optional<std::uint64_t> claimed;
    std::size_t fails_at = std::string::npos;
    int times = 0;

private:
    std::string text_;
    std::size_t at_ = 0;
};

struct SourceWorld : World {
    HttpRequest asking() {
        HttpRequest request = World::request("/ask", "POST");
        request.source = source;
        return request;
    }
    std::shared_ptr<Pieces> source = std::make_shared<Pieces>("what is it?");
};

TEST_CASE("a body from a source goes out with its length, or chunked where it has none") {
    SourceWorld world;
    world.source->size_known = GENERATE(true, false);
    world.server.then(Reaction::stream().event("a").clean());
    const auto stream = world.open(world.asking());
    CHECK(world.events(*stream, 2) == Lines{"a", "(end)"});
    REQUIRE(world.server.requests().size() == 1);
    const RecordedRequest& request = world.server.requests().front();
    CHECK(request.body == "what is it?");
    CHECK(request.head.fields.contains("Content-Length") == world.source->size_known);
    CHECK(request.head.fields.contains("Transfer-Encoding") != world.source->size_known);
}

TEST_CASE("sent again, at a redirect or a retry, a source begins anew") {
    SourceWorld world;
    world.server.then(Reaction::redirect(307, "/there")).then(Reaction::respond(503)).then(Reaction::stream().event("a").clean());
    world.server.otherwise(Reaction::respond(500));
    SECTION("which it can") {
        const auto stream = world.open(world.asking());
        // The retry begins at the original place.
        CHECK(world.events(*stream, 1) == Lines{"a"});
        CHECK(world.source->times == 3);
        for (const auto& one : world.server.requests()) CHECK(one.body == "what is it?");
    }
    SECTION("or can't: then it is not sent") {
        world.source->rewinds = false;
        const auto stream = world.open(world.asking());
        CHECK(world.story(*stream).back() == "finished: request was cut and must not be sent again");
        CHECK(world.server.requests().size() == 1);
    }
}

TEST_CASE("a redirect to GET leaves the source behind") {
    SourceWorld world;
    world.server.then(Reaction::redirect(303, "/there")).then(Reaction::stream().event("a").stall());
    const auto stream = world.open(world.asking());
    CHECK(world.next(*stream) == "a");
    CHECK(world.server.requests().back().head.method == "GET");
    CHECK_FALSE(world.server.requests().back().head.fields.contains("Transfer-Encoding"));
}

TEST_CASE("a source that fails, or is not of its size, fails the request") {
    SourceWorld world;
    std::error_code expected = make_error_code(Error::invalid_option);
    world.source->size_known = true;
    SECTION("fails") {
        world.source->fails_at = 6;
        expected = std::make_error_code(std::errc::io_error);
    }
    SECTION("is shorter") { world.source->claimed = 20; }
    SECTION("is longer") { world.source->claimed = 5; }
    World::Client client{world.options.client};
    Task<Result<World::Client::Response>> task{world.io, client.send(world.asking())};
    REQUIRE(task.wait());
    CHECK(task.value().error() == expected);
    run_until_idle(world.io);
    CHECK(world.server.open_connections() == 0);
}

TEST_CASE("a refusal that comes while the body is still being sent is the response") {
    World world;
    HttpRequest request = world.request("/upload", "POST");
    request.body.assign(8'000'000, 'x');
    world.server.then(Reaction::on_connect().send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig").truncate());
    World::Client client{world.options.client};
    Task<Result<World::Client::Response>> task{world.io, client.send(std::move(request))};
    REQUIRE(task.wait());
    // The reset may have overtaken the answer: then the cut is told, and nothing else.
    if (task.value()) CHECK(task.value()->status() == 413);
    else CHECK((task.value().error() == asio::error::connection_reset || task.value().error() == asio::error::broken_pipe));
}

}  // namespace
}  // namespace rejoin::testing
