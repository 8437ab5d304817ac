#ifndef REJOIN_TESTING_REACTION_HPP
#define REJOIN_TESTING_REACTION_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rejoin/http/chunk.hpp>
#include <rejoin/http/message.hpp>
#include <rejoin/net/traits.hpp>
#include <rejoin/testing/gate.hpp>

namespace rejoin::testing {

/// How a scripted response says where its body ends.
enum class Framing : std::uint8_t {
    chunked,
    content_length,   ///< Of all `body()` bytes, plus one when the ending is not `clean()`.
    close_delimited,
    none,             ///< Nothing is said and nothing is added: everything is in the script's own fields and bytes.
};

/// What the server does about one request: steps in order, then an ending.
///
/// ```
/// server.then(Reaction::stream().event("one", "1").wait(gate).event("two", "2").truncate())
///       .then(Reaction::respond(503, "later").field("Retry-After", "2"))
///       .otherwise(Reaction::respond(204));
/// ```
/// A step takes no time of its own and there is no sleeping: what is to happen later waits for a gate that the test opens,
/// or for a delay on the server's clock.
class Reaction {
public:
    enum class Ending : std::uint8_t { clean, truncated, reset, stalled };

    struct Step {
        enum class Kind : std::uint8_t { head, raw, body, open_chunk, pieces, wait, delay } kind;
        std::string bytes = {};
        std::size_t size = 0;
        ResponseHead head = {};
        Framing framing = Framing::none;
        Duration delay = {};
        Gate gate = {};
    };

    /// No steps: an answer is up to `head()` or `send()`.
    Reaction() = default;

    /// 200 with `text/event-stream`.
    static Reaction stream(Framing framing = Framing::chunked) {
        ResponseHead head;
        head.fields.add("Content-Type", "text/event-stream");
        Reaction reaction;
        reaction.head(std::move(head), framing);
        return reaction;
    }

    /// A regular response with a Content-Length.
    static Reaction respond(int status, std::string_view content = {}, std::string_view type = "text/plain") {
        ResponseHead head;
        head.status = status;
        if (!content.empty()) head.fields.add("Content-Type", type);
        Reaction reaction;
        const bool no_body = status == 204 || status == 304 || status / 100 == 1;
        reaction.head(std::move(head), no_body ? Framing::none : Framing::content_length);
        if (!content.empty()) reaction.body(content);
        return reaction;
    }

    static Reaction redirect(int status, std::string_view location) {
        return Reaction{respond(status)}.field("Location", location);
    }

    /// Taken by the next connection as soon as it is accepted, before a request is read, and its last: for a server that
    /// accepts and never reads (`on_connect().stall()`), closes or resets at once, or talks first.
    static Reaction on_connect() {
        Reaction reaction;
        reaction.on_connect_ = true;
        return reaction;
    }

    /// Reads the request and never answers.
    static Reaction silence() { return Reaction{}.stall(); }

    Reaction& head(ResponseHead head, Framing framing) {
        Step& step = add(Step::Kind::head);
        step.head = std::move(head);
        step.framing = framing;
        return *this;
    }

    /// Adds a field to the head given before.
    Reaction& field(std::string_view name, std::string_view value) {
        for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
            if (step->kind != Step::Kind::head) continue;
            step->head.fields.add(name, value);
            break;
        }
        return *this;
    }

    /// Bytes as they are, outside any framing.
    Reaction& send(std::string_view bytes) { return add_bytes(Step::Kind::raw, bytes); }

    /// Bytes of the body, in the framing of the head: one chunk where that is chunked.
    Reaction& body(std::string_view bytes) { return add_bytes(Step::Kind::body, bytes); }

    /// One event. The id comes last, as a field of its own where one is given.
    Reaction& event(std::string_view data, std::optional<std::string_view> id = std::nullopt, std::string_view type = {}) {
        std::string text;
        if (!type.empty()) text.append("event: ").append(type).append("\n");
        for (;;) {
            const std::size_t end = data.find('\n');
            text.append("data: ").append(data.substr(0, end)).append("\n");
            if (end == std::string_view::npos) break;
            data.remove_prefix(end + 1);
        }
        if (id) text.append("id: ").append(*id).append("\n");
        return body(text.append("\n"));
    }

    Reaction& comment(std::string_view text) { return body(std::string{":"}.append(text).append("\n")); }
    Reaction& retry(std::chrono::milliseconds time) {
        return body(std::string{"retry: "}.append(std::to_string(time.count())).append("\n\n"));
    }

    /// The beginning of a chunk that says it has `missing` more bytes than these. With `truncate()`: an end inside a chunk.
    Reaction& open_chunk(std::string_view bytes, std::size_t missing = 1) {
        add_bytes(Step::Kind::open_chunk, bytes);
        steps_.back().size = bytes.size() + missing;
        return *this;
    }

    /// From here on writes go out in pieces of so many bytes; a reader in the same `io_context` gets to see each. 0 = whole.
    Reaction& pieces(std::size_t size) {
        add(Step::Kind::pieces).size = size;
        return *this;
    }

    Reaction& wait(Gate gate) {
        add(Step::Kind::wait).gate = std::move(gate);
        return *this;
    }

    /// Waits on the clock of the server's `Traits`.
    Reaction& delay(Duration time) {
        add(Step::Kind::delay).delay = time;
        return *this;
    }

    /// Ends the body as its framing says and keeps the connection for the next request where HTTP allows it: the default.
    Reaction& clean() { return end(Ending::clean); }
    /// FIN where more should come: no last chunk, or short of the Content-Length, or no head at all.
    Reaction& truncate() { return end(Ending::truncated); }
    /// RST.
    Reaction& reset() { return end(Ending::reset); }
    /// Keeps the connection open, silent, until the client leaves.
    Reaction& stall() { return end(Ending::stalled); }

    const std::vector<Step>& steps() const noexcept { return steps_; }
    Ending ending() const noexcept { return ending_; }
    bool is_on_connect() const noexcept { return on_connect_; }

    /// Bytes of body in all steps.
    std::size_t body_size() const noexcept {
        std::size_t size = 0;
        for (const Step& step : steps_) size += step.kind == Step::Kind::body ? step.bytes.size() : 0;
        return size;
    }

private:
    Step& add(Step::Kind kind) {
        steps_.push_back(Step{.kind = kind});
        return steps_.back();
    }
    Reaction& add_bytes(Step::Kind kind, std::string_view bytes) {
        add(kind).bytes = bytes;
        return *this;
    }
    Reaction& end(Ending ending) {
        ending_ = ending;
        return *this;
    }

    std::vector<Step> steps_;
    Ending ending_ = Ending::clean;
    bool on_connect_ = false;
};

}  // namespace rejoin::testing

#endif
