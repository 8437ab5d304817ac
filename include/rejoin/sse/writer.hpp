#ifndef REJOIN_SSE_WRITER_HPP
#define REJOIN_SSE_WRITER_HPP

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <rejoin/error.hpp>
#include <rejoin/sse/detail/line_scan.hpp>
#include <rejoin/sse/event.hpp>

namespace rejoin {

/// Anything bytes can be appended to: `std::string`, a pool's buffer.
template <class T>
concept SseSink = requires(T& sink, const char* bytes, std::size_t size) {
    sink.append(bytes, size);
};

/// How a heartbeat looks.
enum class SseHeartbeat : std::uint8_t {
    line,   ///< A colon and one line feed. Clients that fire an empty event at every blank line stay quiet.
    block,  ///< And a blank line, for intermediaries that wait for one.
};

/// Appends frames of a `text/event-stream` to a sink, such that no value can break out of its field.
///
///     std::string out;
///     SseWriter writer{out};
///     writer.event(event);
///
/// Lines end in LF. The id is the last field of its block, because widespread clients take it over before the event is
/// complete. A refused value gives `Error::invalid_field` and nothing is appended. Nothing is buffered or allocated here.
///
/// *Thread safety*: distinct objects with distinct sinks safe. *Lifetime*: the sink outlives the writer.
template <SseSink Sink = std::string>
class SseWriter {
public:
    explicit SseWriter(Sink& sink) noexcept : sink_{&sink} {}

    /// Writes one event: type (left out where it is "message" or empty), `retry` if given, data, own id. An inherited
    /// `last_event_id` is not written. Each CR, LF or CRLF in the data begins a new `data` line, as the format demands.
    /// Refused: CR or LF in type or id, NUL in the id, a negative `retry`.
    std::error_code event(const SseEventView& event, std::optional<std::chrono::milliseconds> retry = std::nullopt) {
        if (!line_ok(event.type) || (event.has_id && !id_ok(event.id)) || (retry && retry->count() < 0)) {
            return Error::invalid_field;
        }
        if (!event.type.empty() && event.type != "message") put_line("event: ", event.type);
        if (retry) put_retry(*retry);
        put_data(event.data);
        if (event.has_id) put_id(event.id);
        put("\n");
        return {};
    }

    std::error_code event(const SseEvent& event, std::optional<std::chrono::milliseconds> retry = std::nullopt) {
        return this->event(event.view(), retry);
    }

    /// Writes a comment; each line of `text` stands right behind a colon (give it a leading space if there should be one).
    void comment(std::string_view text) {
        for_each_line(text, [this](std::string_view line) { put_line(":", line); });
    }

    /// Writes a `retry` line without a blank line: it takes effect and fires nothing, even in clients that fire an empty
    /// event at every blank line. Refused: a negative time.
    std::error_code retry(std::chrono::milliseconds time) {
        if (time.count() < 0) return Error::invalid_field;
        put_retry(time);
        return {};
    }

    /// Writes a block that moves the client's cursor and fires no event. Refused: CR, LF or NUL.
    std::error_code cursor(std::string_view id) {
        if (!id_ok(id)) return Error::invalid_field;
        put_id(id);
        put("\n");
        return {};
    }

    /// Writes a field of one's own. Refused: an empty name, a colon in it, CR or LF in either.
    std::error_code field(std::string_view name, std::string_view value) {
        const bool name_ok = !name.empty() && name.find(':') == name.npos && line_ok(name);
        if (!name_ok || !line_ok(value)) return Error::invalid_field;
        put(name);
        put_line(": ", value);
        return {};
    }

    /// Writes whatever a parser reported, such that parsing it again reports the same.
    std::error_code item(const SseEventView& item) {
        switch (item.kind) {
        case SseItem::event: return event(item);
        case SseItem::cursor: return cursor(item.id);
        case SseItem::field: return field(item.type, item.data);
        case SseItem::comment: comment(item.data); return {};
        case SseItem::retry: return field("retry", item.data);
        }
        return Error::invalid_field;
    }

    /// Writes what keeps a silent connection alive. Only between events.
    void heartbeat(SseHeartbeat form = SseHeartbeat::line) { put(form == SseHeartbeat::line ? ":\n" : ":\n\n"); }

private:
    static bool line_ok(std::string_view text) noexcept {
        return detail::find_line_end(text) == detail::LineScanner::npos;
    }
    static bool id_ok(std::string_view id) noexcept { return line_ok(id) && id.find('\0') == std::string_view::npos; }

    void put(std::string_view text) { sink_->append(text.data(), text.size()); }

    void put_line(std::string_view prefix, std::string_view text) {
        put(prefix);
        put(text);
        put("\n");
    }

    void put_id(std::string_view id) { put_line(id.empty() ? "id:" : "id: ", id); }

    void put_data(std::string_view data) {
        for_each_line(data, [this](std::string_view line) { put_line(line.empty() ? "data:" : "data: ", line); });
    }

    void put_retry(std::chrono::milliseconds time) {
        char digits[24];
        const auto end = std::to_chars(digits, digits + sizeof digits, time.count()).ptr;
        put_line("retry: ", std::string_view{digits, static_cast<std::size_t>(end - digits)});
    }

    template <class Use>
    static void for_each_line(std::string_view text, Use use) {
        detail::LineScanner scanner;
        scanner.start(text);
        std::size_t begin = 0;
        while (begin < text.size()) {
            const std::size_t end = scanner.find(begin);
            if (end == detail::LineScanner::npos) break;
            use(text.substr(begin, end - begin));
            begin = end + (text.substr(end, 2) == "\r\n" ? 2 : 1);
        }
        use(text.substr(begin));
    }

    Sink* sink_;
};

}  // namespace rejoin

#endif
