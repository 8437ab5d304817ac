#ifndef REJOIN_SSE_DETAIL_SIDE_LINE_HPP
#define REJOIN_SSE_DETAIL_SIDE_LINE_HPP

#include <cstddef>
#include <string>
#include <string_view>

#include <rejoin/sse/detail/attributes.hpp>
#include <rejoin/sse/detail/limit_check.hpp>
#include <rejoin/sse/detail/partial_line.hpp>
#include <rejoin/sse/detail/utf8.hpp>
#include <rejoin/sse/event.hpp>
#include <rejoin/sse/parser_options.hpp>

namespace rejoin::detail {

/// Comments and unknown fields: of no meaning to the format, reported to those who ask.
class SideLine {
public:
    explicit SideLine(const SseParserOptions& options) noexcept
        : keep_{options.comments, options.fields, LimitCheck::bound(options.limits.comment)}, utf8_{options.utf8} {}

    /// What a line that straddles reads has to keep for this.
    const PartialLine::Keep& keep() const noexcept { return keep_; }

    bool wanted() const noexcept { return keep_.comments || keep_.fields; }

    /// Whether `line`, which is no known field, is to be reported; then it fills `out`.
    REJOIN_SSE_DETAIL_COLD bool report(std::string_view line, std::string_view last_event_id, SseEventView& out) {
        const bool comment = line.front() == ':';
        if (!(comment ? keep_.comments : keep_.fields)) return false;
        out = {};
        out.kind = comment ? SseItem::comment : SseItem::field;
        out.last_event_id = last_event_id;
        out.truncated = line.size() > keep_.limit;
        if (out.truncated) {
            line = line.substr(0, keep_.limit);
            if (utf8_ != Utf8Mode::pass) line = utf8_without_cut_end(line);
        }
        const std::size_t colon = line.find(':');
        out.type = line.substr(0, colon);
        if (colon != std::string_view::npos) out.data = line.substr(colon + 1);
        if (!comment && out.data.starts_with(' ')) out.data.remove_prefix(1);
        if (utf8_ != Utf8Mode::pass) {
            out.type = utf8_replaced(out.type, decoded_name_);
            out.data = utf8_replaced(out.data, decoded_value_);
        }
        return true;
    }

    void shrink() {
        decoded_name_ = std::string{};
        decoded_value_ = std::string{};
    }

private:
    PartialLine::Keep keep_;
    Utf8Mode utf8_;
    std::string decoded_name_;
    std::string decoded_value_;
};

}  // namespace rejoin::detail

#endif
