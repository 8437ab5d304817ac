#ifndef REJOIN_EXAMPLES_INTERCEPTORS_COUNT_TOKENS_HPP
#define REJOIN_EXAMPLES_INTERCEPTORS_COUNT_TOKENS_HPP

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <rejoin/gateway/interceptor.hpp>

namespace examples {

/// The tokens of one completion.
struct TokenCount {
    std::uint64_t input = 0;  ///< 0 where the upstream did not say
    std::uint64_t output = 0;
    /// The upstream said how many it put out. Otherwise `output` is the number of its deltas, of one token each as a rule.
    bool reported = false;
};

/// An interceptor that counts the tokens of a language model's streamed answer and tells them when the stream has ended:
/// OpenAI's chunks (with a `usage` where the request asks for it: `stream_options.include_usage`) and responses, Anthropic's
/// messages. One for each stream:
///
///     proxy.add_interceptor([&](const rejoin::RequestHead&) { return examples::CountTokens{report}; });
///
/// It sees each event once, so a drop of the upstream and what is replayed after it count nothing twice.
class CountTokens {
public:
    using Report = std::function<void(const rejoin::StreamContext&, const TokenCount&, rejoin::StreamEnding)>;

    explicit CountTokens(Report report) : report_{std::move(report)} {}

    void operator()(const rejoin::StreamContext&, const std::vector<rejoin::SseEvent>& events) {
        for (const rejoin::SseEvent& event : events) take(event.data);
    }

    void on_end(const rejoin::StreamContext& stream, rejoin::StreamEnding ending) {
        if (any_) report_(stream, count(), ending);
    }

    /// As far as the stream has come.
    TokenCount count() const { return {input_, reported_ ? output_ : deltas_, reported_}; }

private:
    using Json = nlohmann::json;

    void take(std::string_view data) {
        // Within a JSON string a quote is escaped, so these can't be a part of the answer's text.
        if (data.find("\"usage\"") == data.npos && data.find("\"delta\"") == data.npos) return;
        const Json message = Json::parse(data, nullptr, false);
        if (!message.is_object()) return;
        any_ = true;
        deltas_ += deltas_in(message);
        // The first message says what it was asked; what it says of its answer is no more than a beginning.
        if (const Json* const begun = member(message, "message")) take_usage(*begun, false);
        if (const Json* const whole = member(message, "response")) take_usage(*whole, true);
        take_usage(message, true);
    }

    // Whoever tells it more than once tells the sum so far.
    void take_usage(const Json& message, bool of_output) {
        const Json* const usage = member(message, "usage");
        if (!usage) return;
        for (const char* const name : {"prompt_tokens", "input_tokens"}) take_number(*usage, name, input_);
        for (const char* const name : {"completion_tokens", "output_tokens"}) {
            if (of_output && take_number(*usage, name, output_)) reported_ = true;
        }
    }

    static bool take_number(const Json& usage, const char* name, std::uint64_t& number) {
        const auto found = usage.find(name);
        if (found == usage.end() || !found->is_number_unsigned()) return false;
        number = found->get<std::uint64_t>();
        return true;
    }

    static std::uint64_t deltas_in(const Json& message) {
        const auto choices = message.find("choices");
        if (choices == message.end()) return message.contains("delta") && !message.contains("usage") ? 1 : 0;
        std::uint64_t found = 0;
        for (const Json& choice : *choices) {
            const Json* const delta = member(choice, "delta");
            if (!delta) continue;
            // Its first chunk says who speaks, its last why it stopped.
            bool any = false;
            for (const char* const name : {"content", "reasoning_content", "refusal", "tool_calls"}) {
                const auto part = delta->find(name);
                any = any || (part != delta->end() && !part->empty() && *part != "");
            }
            found += any ? 1 : 0;
        }
        return found;
    }

    static const Json* member(const Json& object, const char* name) {
        if (!object.is_object()) return nullptr;
        const auto found = object.find(name);
        return found != object.end() && found->is_object() ? &*found : nullptr;
    }

    Report report_;
    std::uint64_t input_ = 0;
    std::uint64_t output_ = 0;
    std::uint64_t deltas_ = 0;
    bool reported_ = false;
    bool any_ = false;
};

}  // namespace examples

#endif
