// The vectors of cases/parser-vectors.json: chunks in hex, expected events.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "support/catch.hpp"
#include "support/transcript.hpp"

namespace rejoin::test {
namespace {

struct Vector {
    std::string name;
    std::vector<std::string> chunks;
    std::vector<SseEvent> events;  // without own ids, of which the file says nothing
    std::string stream;
};

std::string from_hex(const std::string& hex) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    }
    return bytes;
}

std::vector<Vector> load_vectors() {
    const auto path = std::filesystem::path{__FILE__}.parent_path().parent_path() / "cases" / "parser-vectors.json";
    std::ifstream file{path};
    REQUIRE(file);
    std::vector<Vector> vectors;
    for (const auto& entry : nlohmann::json::parse(file)) {
        Vector vector;
        vector.name = entry.at("name").get<std::string>();
        for (const auto& chunk : entry.at("chunks_hex")) vector.chunks.push_back(from_hex(chunk.get<std::string>()));
        for (const std::string& chunk : vector.chunks) vector.stream += chunk;
        for (const auto& expected : entry.at("events")) {
            SseEvent event;
            event.type = expected.at("type").get<std::string>();
            event.data = expected.at("data").get<std::string>();
            event.last_event_id = expected.at("last_event_id").get<std::string>();
            vector.events.push_back(event);
        }
        vectors.push_back(vector);
    }
    return vectors;
}

std::vector<SseEvent> without_own_ids(std::vector<SseEvent> events) {
    for (SseEvent& event : events) event.id.reset();
    return events;
}

TEST_CASE("every vector gives its events however it is cut") {
    SseParserOptions options;
    options.utf8 = Utf8Mode::replace;
    const std::vector<Vector> vectors = load_vectors();
    REQUIRE(vectors.size() == 62);
    for (const Vector& vector : vectors) {
        CAPTURE(vector.name);
        CHECK(without_own_ids(parse_pieces(vector.chunks, options).events()) == vector.events);
        for_each_cut(vector.stream, options, [&](const Transcript& transcript, const std::string& how) {
            CAPTURE(how);
            CHECK(without_own_ids(transcript.events()) == vector.events);
        });
    }
}

TEST_CASE("every vector gives its events at every alignment") {
    SseParserOptions options;
    options.utf8 = Utf8Mode::replace;
    for (const Vector& vector : load_vectors()) {
        // A BOM is one only at the front of the stream.
        if (vector.stream.rfind("\xEF", 0) == 0) continue;
        CAPTURE(vector.name);
        for (std::size_t padding = 0; padding < 130; ++padding) {
            CAPTURE(padding);
            const std::string stream = ":" + std::string(padding, 'x') + "\n" + vector.stream;
            CHECK(without_own_ids(parse_whole(stream, options).events()) == vector.events);
        }
    }
}

}  // namespace
}  // namespace rejoin::test
