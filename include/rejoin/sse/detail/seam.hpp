#ifndef REJOIN_SSE_DETAIL_SEAM_HPP
#define REJOIN_SSE_DETAIL_SEAM_HPP

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <rejoin/sse/detail/attributes.hpp>
#include <rejoin/version.hpp>

namespace rejoin::detail {

/// What the first bytes of the next read mean, where that is not plain: part of a BOM, or the LF of a CRLF.
class Seam {
public:
    bool plain() const noexcept { return state_ == State::plain; }

    /// Bytes have come that may still turn out to be a BOM.
    bool in_bom() const noexcept { return state_ == State::bom && matched_ != 0; }

    /// A stream begins: a BOM is allowed.
    void restart() noexcept {
        state_ = State::bom;
        matched_ = 0;
    }

    /// The read ended in CR: an LF at the front of the next one belongs to it.
    void after_cr() noexcept { state_ = State::skip_lf; }

    /// Nothing is read any more.
    void stop() noexcept { state_ = State::stopped; }

    /// Removes from the front of `bytes` what is no content. Returns what earlier was taken for the beginning of a BOM and
    /// is none: it comes before `bytes`.
    REJOIN_SSE_DETAIL_COLD std::string_view cross(std::string_view& bytes) noexcept {
        constexpr std::string_view bom = "\xEF\xBB\xBF";
        if (state_ == State::stopped) bytes = {};
        if (bytes.empty()) return {};
        if (state_ == State::skip_lf) {
            if (bytes.front() == '\n') bytes.remove_prefix(1);
            state_ = State::plain;
            return {};
        }
        while (!bytes.empty() && matched_ < bom.size() && bytes.front() == bom[matched_]) {
            bytes.remove_prefix(1);
            ++matched_;
        }
        if (matched_ == bom.size()) {
            state_ = State::plain;
            return {};
        }
        if (bytes.empty()) return {};
        state_ = State::plain;
        return bom.substr(0, matched_);
    }

private:
    enum class State : std::uint8_t { plain, bom, skip_lf, stopped };

    State state_ = State::bom;
    std::uint8_t matched_ = 0;  // bytes of the BOM
};

}  // namespace rejoin::detail

#endif
