#ifndef REJOIN_HTTP_CHUNK_HPP
#define REJOIN_HTTP_CHUNK_HPP

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rejoin {

/// The last chunk and an empty trailer section: ends a chunked body (RFC 9112 7.1).
inline constexpr std::string_view last_chunk = "0\r\n\r\n";

/// What surrounds one chunk's data on the wire (RFC 9112 7.1), so that the data can be sent from where it lies:
/// write `head()`, the data, `tail()` as one gathered write.
///
/// For no data both are empty, since a chunk of size 0 would end the body. The size line lies in the object: `head()`
/// is valid as long as the object lives and is not assigned to. No allocation.
class ChunkFraming {
public:
    explicit ChunkFraming(std::size_t size) noexcept {
        if (size == 0) return;
        char* const first = line_.data();
        char* end = std::to_chars(first, first + line_.size() - 2, static_cast<std::uint64_t>(size), 16).ptr;
        *end++ = '\r';
        *end++ = '\n';
        length_ = static_cast<std::uint8_t>(end - first);
    }

    /// The size line with its CRLF, or nothing.
    std::string_view head() const noexcept { return {line_.data(), length_}; }

    /// The CRLF behind the data (static storage), or nothing.
    std::string_view tail() const noexcept { return length_ == 0 ? std::string_view{} : std::string_view{"\r\n"}; }

private:
    std::array<char, 18> line_;  // 16 hexadecimal digits and CRLF; set as far as length_ says
    std::uint8_t length_ = 0;
};

/// Appends `data` as one chunk; nothing for empty data. `last_chunk` ends the body.
inline void append_chunk(std::string& out, std::string_view data) {
    const ChunkFraming framing{data.size()};
    out.append(framing.head()).append(data).append(framing.tail());
}

}  // namespace rejoin

#endif
