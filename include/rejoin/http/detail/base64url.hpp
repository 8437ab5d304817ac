#ifndef REJOIN_HTTP_DETAIL_BASE64URL_HPP
#define REJOIN_HTTP_DETAIL_BASE64URL_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rejoin::detail {

inline constexpr std::string_view base64url_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// RFC 4648 5, without padding: writes what is added, piece by piece, behind a string.
class Base64UrlWriter {
public:
    explicit Base64UrlWriter(std::string& out) noexcept : out_{out} {}

    void add(std::string_view bytes) {
        for (const char c : bytes) {
            bits_ = (bits_ << 8 | static_cast<unsigned char>(c)) & 0xffff;
            for (held_ += 8; held_ >= 6; held_ -= 6) out_ += base64url_digits[bits_ >> (held_ - 6) & 63];
        }
    }

    // Once, at the end.
    void finish() {
        if (held_ > 0) out_ += base64url_digits[bits_ << (6 - held_) & 63];
    }

private:
    std::string& out_;
    std::uint32_t bits_ = 0;
    unsigned held_ = 0;
};

// Nothing for what a writer would not have written.
inline std::optional<std::string> read_base64url(std::string_view text) {
    if (text.size() % 4 == 1) return std::nullopt;
    std::string out;
    std::uint32_t bits = 0;
    unsigned held = 0;
    for (const char c : text) {
        const auto digit = base64url_digits.find(c);
        if (digit == std::string_view::npos) return std::nullopt;
        bits = (bits << 6 | static_cast<std::uint32_t>(digit)) & 0xffff;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        out += static_cast<char>(bits >> held & 0xff);
    }
    if ((bits & ((1u << held) - 1)) != 0) return std::nullopt;
    return out;
}

}  // namespace rejoin::detail

#endif
