#ifndef REJOIN_TESTING_FLAKY_HISTORY_HPP
#define REJOIN_TESTING_FLAKY_HISTORY_HPP

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace rejoin::testing {

/// What the ids of a `FlakyUpstream` look like.
enum class FlakyIds : std::uint8_t {
    numeric,  ///< "1", "2", ...
    none,     ///< No `id:` lines.
    text,     ///< Opaque: "ev-" and 16 hexadecimal digits without visible order.
};

/// The events 1, 2, 3, ... of a `FlakyUpstream`: everything about event n follows from n, so a test can tell what it got
/// without a record of what was sent. Pure; safe to share.
class FlakyHistory {
public:
    explicit FlakyHistory(FlakyIds ids = FlakyIds::numeric, std::size_t data_size = 32) : ids_{ids}, data_size_{data_size} {}

    FlakyIds ids() const noexcept { return ids_; }

    /// The id of event n; empty with `FlakyIds::none`.
    std::string id(std::uint64_t n) const {
        switch (ids_) {
        case FlakyIds::numeric: return std::to_string(n);
        case FlakyIds::none: return {};
        case FlakyIds::text: break;
        }
        std::string text(text_size, '0');
        std::uint64_t scrambled = n * scramble;
        text.replace(0, prefix.size(), prefix);
        for (std::size_t at = text_size; at-- > prefix.size(); scrambled >>= 4) text[at] = "0123456789abcdef"[scrambled & 15];
        return text;
    }

    /// The n of an id that `id()` made; nothing for any other text.
    std::optional<std::uint64_t> number(std::string_view id) const {
        std::uint64_t value = 0;
        const bool opaque = ids_ == FlakyIds::text;
        if (opaque && (id.size() != text_size || !id.starts_with(prefix))) return std::nullopt;
        if (opaque) id.remove_prefix(prefix.size());
        const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), value, opaque ? 16 : 10);
        if (ids_ == FlakyIds::none || error != std::errc{} || end != id.data() + id.size()) return std::nullopt;
        return opaque ? value * unscramble : value;
    }

    /// The data of event n: n in decimal, then filler up to the size. One line.
    std::string data(std::uint64_t n) const {
        std::string text = std::to_string(n);
        if (text.size() >= data_size_) return text;
        text.reserve(data_size_);
        text += ' ';
        for (std::uint64_t letter = n; text.size() < data_size_; ++letter) text += static_cast<char>('a' + letter % 26);
        return text;
    }

    /// The n of data that `data()` made, whatever its size.
    static std::optional<std::uint64_t> number_of_data(std::string_view data) {
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(data.data(), data.data() + data.size(), value);
        if (error != std::errc{} || (end != data.data() + data.size() && *end != ' ')) return std::nullopt;
        return value;
    }

    /// The event as it stands in the stream.
    void append(std::string& out, std::uint64_t n) const {
        out.append("data: ").append(data(n)).append("\n");
        if (ids_ != FlakyIds::none) out.append("id: ").append(id(n)).append("\n");
        out.append("\n");
    }

private:
    static constexpr std::string_view prefix = "ev-";
    static constexpr std::size_t text_size = 19;
    // An odd number has an inverse modulo 2^64, so the scrambling loses nothing.
    static constexpr std::uint64_t scramble = 0x9E3779B97F4A7C15;
    static constexpr std::uint64_t unscramble = 0xF1DE83E19937733D;
    static_assert(scramble * unscramble == 1);

    FlakyIds ids_;
    std::size_t data_size_;
};

}  // namespace rejoin::testing

#endif
