#ifndef REJOIN_HTTP_MEDIA_TYPE_HPP
#define REJOIN_HTTP_MEDIA_TYPE_HPP

#include <string_view>

#include <rejoin/http/detail/ascii.hpp>

namespace rejoin {

/// The `type/subtype` of a Content-Type value (RFC 9110 8.3.1), as it is written, without parameters and white space.
/// A view into the argument.
inline std::string_view media_type_essence(std::string_view content_type) noexcept {
    return detail::trim(detail::split_front(content_type, ';'));
}

/// Whether a Content-Type value says `text/event-stream`: in any case, with any parameters, white space around it
/// ignored (WHATWG HTML 9.2.3). The charset parameter has no say, event streams are UTF-8. A list of two types is
/// neither of them.
inline bool is_event_stream(std::string_view content_type) noexcept {
    return detail::iequals(media_type_essence(content_type), "text/event-stream");
}

}  // namespace rejoin

#endif
