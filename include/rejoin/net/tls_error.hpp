#ifndef REJOIN_NET_TLS_ERROR_HPP
#define REJOIN_NET_TLS_ERROR_HPP

#include <string>
#include <system_error>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <rejoin/error.hpp>

namespace rejoin {

namespace detail {

class TlsCategory final : public std::error_category {
public:
    const char* name() const noexcept override { return "tls"; }

    std::string message(int value) const override {
        const char* const reason = ERR_reason_error_string(static_cast<unsigned>(value));
        return reason != nullptr ? reason : "TLS error " + std::to_string(value);
    }

    std::error_condition default_error_condition(int value) const noexcept override {
        if (ERR_GET_LIB(static_cast<unsigned>(value)) == ERR_LIB_SSL) return ErrorCondition::protocol;
        return std::error_condition{value, *this};
    }
};

}  // namespace detail

/// OpenSSL's own error codes; the message is OpenSSL's reason ("wrong version number", "tlsv13 alert certificate
/// required"). What comes from its SSL part, a peer's alerts among it, compares equal to `ErrorCondition::protocol`.
inline const std::error_category& tls_category() noexcept {
    static const detail::TlsCategory category;
    return category;
}

namespace detail {

inline std::error_code make_tls_error(unsigned long code) noexcept {
    if (ERR_GET_LIB(code) == ERR_LIB_SYS) return {ERR_GET_REASON(code), std::system_category()};
    if (code == 0) return Error::tls_failed;
    return {static_cast<int>(code), tls_category()};
}

// Empties the thread's error queue. The first entry is the cause and those behind it say where that led; but of a
// handshake the SSL part tells it best ("bad signature", not which step of its arithmetic failed).
inline std::error_code take_tls_error() noexcept {
    const unsigned long first = ERR_get_error();
    unsigned long best = first;
    for (unsigned long code = first; code != 0; code = ERR_get_error()) {
        if (ERR_GET_LIB(best) != ERR_LIB_SSL && ERR_GET_LIB(code) == ERR_LIB_SSL) best = code;
    }
    return make_tls_error(best);
}

// The same for files and settings, where the first entry names the cause ("No such file or directory").
inline std::error_code take_setup_error() noexcept {
    const unsigned long first = ERR_get_error();
    ERR_clear_error();
    return make_tls_error(first);
}

inline Error certificate_error(long verify_result) noexcept {
    switch (verify_result) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return Error::certificate_mismatch;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID: return Error::certificate_expired;
    default: return Error::certificate_untrusted;
    }
}

}  // namespace detail

}  // namespace rejoin

#endif
