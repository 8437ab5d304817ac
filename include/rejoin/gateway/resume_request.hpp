#ifndef REJOIN_GATEWAY_RESUME_REQUEST_HPP
#define REJOIN_GATEWAY_RESUME_REQUEST_HPP

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <rejoin/http/message.hpp>
#include <rejoin/sse/detail/utf8.hpp>

namespace rejoin {

/// The event id a client says it has seen: the header, else in a GET the query parameter `last_event_id` or `lastEventId`,
/// which is what clients use that can't set headers. A header beats the parameter even if empty; of several parameters
/// the last counts; an empty id is none. A header that is no UTF-8 is taken for Latin-1, as JavaScript's fetch sends it.
struct ResumeRequest {
    std::optional<std::string> id;
    /// The target without the parameter, which is not the upstream's to see. That of other methods is left as it is.
    std::string target;

    explicit ResumeRequest(const RequestHead& request) {
        const std::string_view whole = request.target;
        const std::size_t question = request.method == "GET" ? whole.find('?') : std::string_view::npos;
        target = std::string{whole.substr(0, question)};
        char separator = '?';
        for (std::size_t at = question; at != std::string_view::npos;) {
            const std::size_t end = whole.find('&', at + 1);
            const std::string_view parameter = whole.substr(at + 1, end == std::string_view::npos ? end : end - at - 1);
            const std::size_t equals = parameter.find('=');
            const std::string_view name = parameter.substr(0, equals);
            if (name == "last_event_id" || name == "lastEventId") {
                id = percent_decoded(parameter.substr(equals == std::string_view::npos ? parameter.size() : equals + 1));
            } else {
                target += separator;
                target += parameter;
                separator = '&';
            }
            at = end;
        }
        if (const auto header = request.fields.get("Last-Event-ID")) {
            id = detail::utf8_valid(*header) ? std::string{*header} : utf8_of_latin_1(*header);
        }
        if (id && id->empty()) id.reset();
    }

private:
    static std::string utf8_of_latin_1(std::string_view text) {
        std::string out;
        for (const char c : text) {
            const auto byte = static_cast<unsigned char>(c);
            if (byte >= 0x80) out += static_cast<char>(0xC0 | byte >> 6);
            out += byte < 0x80 ? c : static_cast<char>(0x80 | (byte & 0x3F));
        }
        return out;
    }

    static std::string percent_decoded(std::string_view text) {
        std::string out;
        for (std::size_t i = 0; i < text.size(); ++i) {
            const int high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
            const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
            if (low >= 0) {
                out += static_cast<char>(high * 16 + low);
                i += 2;
            } else {
                out += text[i] == '+' ? ' ' : text[i];
            }
        }
        return out;
    }

    static int hex_digit(char c) {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        if (c >= 'A' && c <= 'F') return c - 'A' + 10;
        return -1;
    }
};

}  // namespace rejoin

#endif
