#ifndef REJOIN_GATEWAY_JSON_RPC_HPP
#define REJOIN_GATEWAY_JSON_RPC_HPP

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace rejoin {

/// What of a JSON-RPC 2.0 message tells what it is. Views into the text it was read from.
struct JsonRpcMessage {
    std::string_view id;    ///< As it is written, quotes included; empty: none, or null.
    bool request = false;   ///< Has a `method`.
    bool response = false;  ///< Has a `result` or an `error`, and no `method`.
};

namespace detail {

// Walks over JSON without understanding more of it than where values begin and end. It believes what it reads: text that
// is no JSON gives nothing, or what stood before the fault.
class JsonWalk {
public:
    explicit JsonWalk(std::string_view text) : text_{text} {}

    bool take(char c) {
        skip_blank();
        if (at_ >= text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }

    bool at(char c) {
        skip_blank();
        return at_ < text_.size() && text_[at_] == c;
    }

    bool at_end() {
        skip_blank();
        return at_ >= text_.size();
    }

    // The next value as it stands in the text; empty where there is none that ends.
    std::string_view value() {
        skip_blank();
        const std::size_t begin = at_;
        std::size_t depth = 0;
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '"') {
                if (!skip_string()) return {};
                if (depth == 0) break;
                continue;
            }
            if (c == '{' || c == '[') {
                ++depth;
            } else if (c == '}' || c == ']') {
                if (depth == 0) break;  // of what the value stands in
                if (--depth == 0) {
                    ++at_;
                    break;
                }
            } else if (depth == 0 && (c == ',' || c == ':' || is_blank(c))) {
                break;
            }
            ++at_;
        }
        return depth == 0 ? text_.substr(begin, at_ - begin) : std::string_view{};
    }

private:
    static bool is_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

    void skip_blank() {
        while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    }

    bool skip_string() {
        for (++at_; at_ < text_.size(); ++at_) {
            if (text_[at_] == '\\') ++at_;
            else if (text_[at_] == '"') return ++at_, true;
        }
        return false;
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

inline bool read_json_rpc(JsonWalk& walk, JsonRpcMessage& message) {
    if (!walk.take('{')) return false;
    bool outcome = false;
    while (!walk.at('}')) {
        const std::string_view key = walk.value();
        if (key.empty() || !walk.take(':')) return false;
        const std::string_view value = walk.value();
        if (value.empty()) return false;
        if (key == "\"id\"" && value != "null") message.id = value;
        if (key == "\"method\"") message.request = true;
        if (key == "\"result\"" || key == "\"error\"") outcome = true;
        if (!walk.take(',') && !walk.at('}')) return false;
    }
    message.response = outcome && !message.request;
    return walk.take('}');
}

}  // namespace detail

/// The messages in `text`, one or a batch of at most `most`; nothing where it is no JSON-RPC. Nested values are passed
/// over, so the cost is one look at each byte.
inline std::vector<JsonRpcMessage> read_json_rpc(std::string_view text, std::size_t most = 64) {
    std::vector<JsonRpcMessage> messages;
    detail::JsonWalk walk{text};
    const bool batch = walk.take('[');
    do {
        JsonRpcMessage message;
        if (messages.size() == most || !detail::read_json_rpc(walk, message)) return {};
        messages.push_back(message);
    } while (batch && walk.take(','));
    if (batch && !walk.take(']')) return {};
    if (!walk.at_end()) return {};
    return messages;
}

/// Whether an event's data holds a JSON-RPC response.
inline bool has_json_rpc_response(std::string_view data) {
    // Most events are none, and that shows at once.
    if (data.find("\"result\"") == std::string_view::npos && data.find("\"error\"") == std::string_view::npos) return false;
    for (const JsonRpcMessage& message : read_json_rpc(data)) {
        if (message.response) return true;
    }
    return false;
}

/// The error response to a request of that id (as it was written), for a connection that was lost before the answer.
inline std::string json_rpc_connection_error(std::string_view id) {
    std::string text = R"({"jsonrpc":"2.0","id":)";
    text += id;
    text += R"(,"error":{"code":-32000,"message":"connection to the server lost before it answered"}})";
    return text;
}

}  // namespace rejoin

#endif
