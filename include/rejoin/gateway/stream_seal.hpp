#ifndef REJOIN_GATEWAY_STREAM_SEAL_HPP
#define REJOIN_GATEWAY_STREAM_SEAL_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <rejoin/gateway/detail/siphash.hpp>
#include <rejoin/gateway/minted_id.hpp>
#include <rejoin/http/detail/base64url.hpp>

namespace rejoin {

/// Writes and reads the event ids of one stream identity: a keyed authentication code, whose key is made from the gateway's
/// secret and the identity, stands in each. What was written for one principal, session or target is no id for another.
///
/// Two kinds, both plain ASCII:
/// - minted, `rj-<epoch>-<sequence>-<code>`: the gateway's own, of one log;
/// - sealed, `rjs-<key id>-<upstream's id and code, base64url>`: the upstream's. One upstream id has one text under a key,
///   whichever process writes it, so a restarted gateway understands it and a log finds it. It is authenticated, not
///   encrypted: who holds it can read the upstream's id.
///
/// Made by `IdKeys`, which must outlive it. Thread safety: const members may be used from any thread.
class StreamSeal {
public:
    static constexpr std::string_view sealed_prefix = "rjs-";

    StreamSeal(std::string_view key_id, detail::SipKey key) noexcept : key_id_{key_id}, key_{key} {}

    /// Writes a minted id behind `out`.
    void mint(std::string& out, MintedId id) const {
        const std::size_t begin = out.size();
        id.append_to(out);
        const auto code = code_of(std::string_view{out}.substr(begin));
        out += '-';
        detail::Base64UrlWriter content{out};
        content.add({code.data(), code.size()});
        content.finish();
    }

    /// Writes the upstream's `id` behind `out`, sealed.
    void seal(std::string& out, std::string_view id) const {
        const auto code = code_of(id);
        out += sealed_prefix;
        out += key_id_;
        out += '-';
        detail::Base64UrlWriter content{out};
        content.add(id);
        content.add({code.data(), code.size()});
        content.finish();
    }

    /// The minted id in `text`; nothing unless this seal wrote it.
    std::optional<MintedId> open_minted(std::string_view text) const {
        if (text.size() <= minted_code_size) return std::nullopt;
        const auto id = MintedId::parse(text.substr(0, text.size() - minted_code_size));
        if (!id) return std::nullopt;
        std::string written;
        mint(written, *id);
        return same(written, text) ? id : std::nullopt;
    }

    /// The upstream's id in `text`; nothing unless this seal wrote it.
    std::optional<std::string> open_sealed(std::string_view text) const {
        const std::size_t head = sealed_prefix.size() + key_id_.size() + 1;
        if (text.size() <= head) return std::nullopt;
        auto content = detail::read_base64url(text.substr(head));
        if (!content || content->size() < code_size) return std::nullopt;
        content->resize(content->size() - code_size);
        std::string written;
        seal(written, *content);
        return same(written, text) ? content : std::nullopt;
    }

    std::string_view key_id() const noexcept { return key_id_; }

    /// Whether `text` has the form of a minted id, whoever wrote it.
    static bool is_minted_form(std::string_view text) {
        if (text.size() <= minted_code_size) return false;
        const std::string_view code = text.substr(text.size() - minted_code_size);
        return code.front() == '-' && detail::read_base64url(code.substr(1)) && MintedId::parse(text.substr(0, text.size() - minted_code_size));
    }

    /// Whether `text` has the form of a sealed id, whoever wrote it; `key_id` becomes that of its key.
    static bool is_sealed_form(std::string_view text, std::string_view& key_id) {
        if (!text.starts_with(sealed_prefix)) return false;
        text.remove_prefix(sealed_prefix.size());
        const std::size_t end = text.find('-');
        if (end == std::string_view::npos) return false;
        key_id = text.substr(0, end);
        const auto content = detail::read_base64url(text.substr(end + 1));
        return content && content->size() > code_size;
    }

private:
    static constexpr std::size_t code_size = 8;
    static constexpr std::size_t minted_code_size = 1 + 11;

    std::array<char, code_size> code_of(std::string_view text) const noexcept {
        const std::uint64_t hash = detail::siphash(key_, text);
        std::array<char, code_size> bytes;
        for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(hash >> (8 * i) & 0xff);
        return bytes;
    }

    // In a time that does not tell how much of it is right.
    static bool same(std::string_view one, std::string_view other) noexcept {
        if (one.size() != other.size()) return false;
        unsigned difference = 0;
        for (std::size_t i = 0; i < one.size(); ++i) {
            difference |= static_cast<unsigned>(static_cast<unsigned char>(one[i]) ^ static_cast<unsigned char>(other[i]));
        }
        return difference == 0;
    }

    std::string_view key_id_;
    detail::SipKey key_;
};

}  // namespace rejoin

#endif
