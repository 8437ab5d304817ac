#ifndef REJOIN_EXAMPLES_ID_KEY_FILE_HPP
#define REJOIN_EXAMPLES_ID_KEY_FILE_HPP

#include <cctype>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <rejoin/gateway/id_keys.hpp>

namespace examples {

/// All of a file; nothing when it can't be read.
inline std::optional<std::string> content_of(const std::filesystem::path& path) {
    std::error_code error;
    std::ifstream file{path, std::ios::binary};
    if (!file || std::filesystem::is_directory(path, error)) return std::nullopt;
    std::ostringstream text;
    text << file.rdbuf();
    return std::move(text).str();
}

/// The bytes of a secret, or what is wrong with it, said without telling the secret.
struct ReadSecret {
    std::optional<std::string> secret = {};
    std::string error = {};
};

/// From hexadecimal digits, behind which there may be blanks.
inline ReadSecret read_secret(std::string_view text) {
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); i += 2) {
        unsigned value = 0;
        const char* const end = text.data() + (i + 2 <= text.size() ? i + 2 : text.size());
        const auto read = std::from_chars(text.data() + i, end, value, 16);
        if (text.size() % 2 != 0 || read.ec != std::errc{} || read.ptr != end) return {std::nullopt, "is not hexadecimal"};
        bytes += static_cast<char>(value);
    }
    if (bytes.size() < rejoin::IdKeys::secret_size) {
        return {std::nullopt, std::to_string(bytes.size()) + " bytes are too few: 32 at least, as of openssl rand -hex 32"};
    }
    return {std::move(bytes), {}};
}

/// The key that `ID=FILE` names; nothing, and `why`, when that is wrong.
inline std::optional<rejoin::IdKey> read_key(std::string_view text, std::string& why) {
    const std::size_t equals = text.find('=');
    const std::string id{text.substr(0, equals)};
    if (equals == std::string_view::npos || !rejoin::IdKeys::is_key_id(id)) {
        why = "'" + std::string{text} + "' is not ID=FILE with an id of 1 to 16 letters and digits";
        return std::nullopt;
    }
    const std::string file{text.substr(equals + 1)};
    const auto content = content_of(file);
    if (!content) {
        why = "'" + file + "' can't be read";
        return std::nullopt;
    }
    ReadSecret read = read_secret(*content);
    if (!read.secret) {
        why = "'" + file + "' " + read.error;
        return std::nullopt;
    }
    return rejoin::IdKey{id, std::move(*read.secret)};
}

}  // namespace examples

#endif
