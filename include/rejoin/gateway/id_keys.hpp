#ifndef REJOIN_GATEWAY_ID_KEYS_HPP
#define REJOIN_GATEWAY_ID_KEYS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <rejoin/error.hpp>
#include <rejoin/gateway/stream_identity.hpp>
#include <rejoin/gateway/stream_seal.hpp>

namespace rejoin {

/// A secret that event ids are authenticated with.
struct IdKey {
    /// Stands in sealed ids, so that keys can be changed: 1 to 16 letters and digits.
    std::string id;
    /// At least `IdKeys::secret_size` bytes of chance.
    std::string secret;
};

/// What a client's event id turned out to be.
struct ClientEventId {
    enum class Kind : std::uint8_t {
        plain,    ///< None of the gateway's.
        minted,   ///< The gateway's own, made for this identity: `minted`.
        sealed,   ///< The upstream's, sealed for this identity: `upstream`.
        foreign,  ///< Has the form of the gateway's and is none of this identity: another's, forged, or of a key that is gone.
    };
    Kind kind = Kind::plain;
    MintedId minted = {};
    std::string upstream = {};
};

/// The secrets of a gateway. New ids are made with the first; those of the others are still understood.
///
/// Immutable: may be used from any thread.
class IdKeys {
public:
    static constexpr std::size_t secret_size = 32;

    /// Without keys one is made up: sealed ids then end with this object. Throws `std::system_error` (`invalid_option`) for a
    /// key id that is none, or stands there twice, or a secret that is too short.
    explicit IdKeys(std::vector<IdKey> keys = {}) : keys_{std::move(keys)} {
        if (keys_.empty()) keys_.push_back({"0", random_secret()});
        for (auto key = keys_.begin(); key != keys_.end(); ++key) {
            const bool twice = std::any_of(keys_.begin(), key, [&](const IdKey& other) { return other.id == key->id; });
            if (twice || !is_key_id(key->id) || key->secret.size() < secret_size) {
                throw std::system_error{make_error_code(Error::invalid_option), "IdKeys"};
            }
        }
    }

    static bool is_key_id(std::string_view id) noexcept {
        const auto good = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
        return !id.empty() && id.size() <= 16 && std::all_of(id.begin(), id.end(), good);
    }

    /// What writes the ids of a stream.
    StreamSeal seal_of(const StreamIdentity& identity) const { return seal_of(identity, keys_.front()); }

    /// What `text`, which a client presents for a stream, is.
    ClientEventId read(std::string_view text, const StreamIdentity& identity) const {
        ClientEventId found;
        std::string_view key_id;
        if (StreamSeal::is_sealed_form(text, key_id)) {
            found.kind = ClientEventId::Kind::foreign;
            const auto key = std::find_if(keys_.begin(), keys_.end(), [&](const IdKey& one) { return one.id == key_id; });
            if (key == keys_.end()) return found;
            auto upstream = seal_of(identity, *key).open_sealed(text);
            if (!upstream) return found;
            found.kind = ClientEventId::Kind::sealed;
            found.upstream = std::move(*upstream);
        } else if (StreamSeal::is_minted_form(text)) {
            found.kind = ClientEventId::Kind::foreign;
            const auto minted = seal_of(identity).open_minted(text);
            if (!minted) return found;
            found.kind = ClientEventId::Kind::minted;
            found.minted = *minted;
        }
        return found;
    }

private:
    static StreamSeal seal_of(const StreamIdentity& identity, const IdKey& key) {
        // One hash is half a key, so two, each under another half of the secret; all of the secret goes in.
        const std::string_view secret = key.secret;
        std::string text{secret};
        text += identity.text();
        const auto half = [&](std::size_t at) {
            return detail::siphash({detail::little_endian(secret.substr(at)), detail::little_endian(secret.substr(at + 8))}, text);
        };
        return {key.id, {half(0), half(16)}};
    }

    static std::string random_secret() {
        std::random_device source;
        std::string secret;
        while (secret.size() < secret_size) {
            const std::uint32_t word = source();
            for (int shift = 0; shift < 32; shift += 8) secret += static_cast<char>(word >> shift & 0xff);
        }
        return secret;
    }

    std::vector<IdKey> keys_;
};

}  // namespace rejoin

#endif
