#ifndef REJOIN_TESTS_SUPPORT_REFERENCE_PARSER_HPP
#define REJOIN_TESTS_SUPPORT_REFERENCE_PARSER_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <rejoin/sse/event.hpp>

namespace rejoin::test {

struct ReferenceResult {
    std::vector<SseEvent> events;
    std::string last_event_id;
    std::optional<std::uint64_t> retry;
};

/// WHATWG HTML 9.2.6, word for word, on a whole stream: obvious, not fast. Bytes are not checked for UTF-8, and a `retry`
/// of more than 18 digits is left alone.
inline ReferenceResult reference_parse(std::string stream) {
    ReferenceResult result;
    if (stream.rfind("\xEF\xBB\xBF", 0) == 0) stream.erase(0, 3);
    std::string type, data, id_buffer;
    std::optional<std::string> own_id;
    for (std::size_t begin = 0;;) {
        const std::size_t end = stream.find_first_of("\r\n", begin);
        if (end == std::string::npos) return result;
        const std::string line = stream.substr(begin, end - begin);
        begin = end + (stream.compare(end, 2, "\r\n") == 0 ? 2 : 1);
        if (line.empty()) {
            result.last_event_id = id_buffer;
            if (!data.empty()) {
                data.pop_back();
                SseEvent event;
                if (!type.empty()) event.type = type;
                event.data = data;
                event.id = own_id;
                event.last_event_id = id_buffer;
                result.events.push_back(event);
            }
            type.clear();
            data.clear();
            own_id.reset();
            continue;
        }
        const std::size_t colon = line.find(':');
        const std::string name = line.substr(0, colon);
        std::string value = colon == std::string::npos ? "" : line.substr(colon + 1);
        if (!value.empty() && value.front() == ' ') value.erase(0, 1);
        if (name == "event") type = value;
        if (name == "data") data += value + "\n";
        if (name == "id" && value.find('\0') == std::string::npos) own_id = id_buffer = value;
        if (name == "retry" && !value.empty() && value.size() <= 18 &&
            value.find_first_not_of("0123456789") == std::string::npos) {
            result.retry = std::stoull(value);
        }
    }
}

}  // namespace rejoin::test

#endif
