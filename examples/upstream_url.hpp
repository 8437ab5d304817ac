#ifndef REJOIN_EXAMPLES_UPSTREAM_URL_HPP
#define REJOIN_EXAMPLES_UPSTREAM_URL_HPP

#include <optional>
#include <string>
#include <utility>

#include <rejoin/http/url.hpp>

namespace examples {

/// The URL that requests go to; nothing, and `why`, for one that can't be. What may be a password is not told.
inline std::optional<rejoin::Url> parse_upstream(const std::string& text, std::string& why) {
    auto url = rejoin::Url::parse(text);
    if (text.find('@') != std::string::npos) why = "a URL with credentials; they are the clients' to send";
    else if (!url) why = "'" + text + "': " + url.error().message();
    else if (url->target.find('?') != std::string::npos) why = "'" + text + "' has a query";
    else return std::move(*url);
    return std::nullopt;
}

}  // namespace examples

#endif
