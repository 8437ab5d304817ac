#ifndef REJOIN_GATEWAY_ACCESS_LOG_HPP
#define REJOIN_GATEWAY_ACCESS_LOG_HPP

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <rejoin/gateway/detail/json_string.hpp>
#include <rejoin/gateway/metrics.hpp>
#include <rejoin/gateway/resume_request.hpp>
#include <rejoin/http/message.hpp>

namespace rejoin {

/// Where a client's stream began, by the id it came with.
enum class ClientResume : std::uint8_t {
    none,   ///< It came without an id, to a stream of its own.
    live,   ///< It came without an id, or at the newest event, to a stream that was there: what comes from now on.
    exact,  ///< Exactly the rest behind its id.
    upstream,  ///< It came with an id that the upstream was asked to go on behind.
    gap,    ///< Events are missing, and it was told so.
};

/// The name as written above.
constexpr std::string_view to_string(ClientResume resume) noexcept {
    switch (resume) {
    case ClientResume::none: return "none";
    case ClientResume::live: return "live";
    case ClientResume::exact: return "exact";
    case ClientResume::upstream: return "upstream";
    case ClientResume::gap: return "gap";
    }
    return "unknown";
}

/// What there is to say of one request, and of its stream if it was answered with one. Views: valid as long as what they
/// were made from. Empty texts are left out.
struct AccessLogEntry {
    /// Of a response that is an event stream.
    struct Stream {
        std::uint64_t events = 0;      ///< written to this client
        ClientResume resume = ClientResume::none;
        std::uint64_t reconnects = 0;  ///< of the upstream while the client was there
        ClientEnd end = ClientEnd::complete;
    };

    std::chrono::system_clock::time_point time = {};  ///< when the request came
    std::string_view client = {};           ///< address
    std::string_view method = {};
    std::string_view host = {};             ///< the Host field
    std::string_view target = {};           ///< as it came
    std::string_view route = {};
    int status = 0;                         ///< 0: the client got no response
    std::string_view upstream = {};         ///< that answered, without credentials
    std::chrono::nanoseconds duration{0};   ///< until the response had ended
    std::uint64_t bytes_out = 0;            ///< of the response, its head included
    std::optional<std::string_view> last_event_id = {};  ///< that the client came with
    std::optional<Stream> stream = {};
};

/// What may stand in the log although it can be a secret, as a token in a query or a guessable event id is.
struct AccessLogOptions {
    bool query = false;      ///< the target's query
    bool event_ids = false;  ///< the id a client came with, not only whether it did
};

namespace detail {

// Decimal, with leading zeros up to `width`.
inline void append_number(std::string& out, std::uint64_t value, std::size_t width = 1) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    const auto size = static_cast<std::size_t>(end - digits.data());
    out.append(width > size ? width - size : 0, '0').append(digits.data(), size);
}

// RFC 3339 in UTC with milliseconds, rounded down.
inline void append_time(std::string& out, std::chrono::system_clock::time_point time) {
    using namespace std::chrono;
    const auto day = floor<days>(time);
    const year_month_day date{day};
    const hh_mm_ss<milliseconds> clock{floor<milliseconds>(time - day)};
    const auto part = [&out](auto value, std::size_t width, char behind) {
        append_number(out, static_cast<std::uint64_t>(value), width);
        out += behind;
    };
    part(std::max(0, static_cast<int>(date.year())), 4, '-');
    part(static_cast<unsigned>(date.month()), 2, '-');
    part(static_cast<unsigned>(date.day()), 2, 'T');
    part(clock.hours().count(), 2, ':');
    part(clock.minutes().count(), 2, ':');
    part(clock.seconds().count(), 2, '.');
    part(clock.subseconds().count(), 3, 'Z');
}

// A target that came in absolute form can hold a password: what stands before the host's '@' is left out.
inline std::string target_for_log(std::string_view target, bool query) {
    if (!query) target = target.substr(0, target.find('?'));
    std::string out;
    const std::size_t slashes = target.find("://");
    if (slashes != std::string_view::npos && !target.starts_with('/')) {
        const std::size_t begin = slashes + 3;
        const std::string_view authority = target.substr(begin, target.find_first_of("/?#", begin) - begin);
        const std::size_t at = authority.rfind('@');
        if (at != std::string_view::npos) {
            out = target.substr(0, begin);
            target.remove_prefix(begin + at + 1);
        }
    }
    return out.append(target);
}

}  // namespace detail

/// Appends the entry as one line: a JSON object and a line feed. Thread safety: distinct `out` safe.
inline void append_json(std::string& out, const AccessLogEntry& entry, const AccessLogOptions& options = {}) {
    out += "{\"time\":\"";
    detail::append_time(out, entry.time);
    out += '"';
    const auto key = [&out](std::string_view name) { out.append(",\"").append(name).append("\":"); };
    const auto text = [&](std::string_view name, std::string_view value) {
        if (value.empty()) return;
        key(name);
        detail::append_json_string(out, value);
    };
    const auto number = [&](std::string_view name, std::uint64_t value) {
        key(name);
        detail::append_number(out, value);
    };
    text("client", entry.client);
    text("method", entry.method);
    text("host", entry.host);
    text("target", detail::target_for_log(entry.target, options.query));
    text("route", entry.route);
    number("status", static_cast<std::uint64_t>(std::max(0, entry.status)));
    text("upstream", entry.upstream);
    const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(entry.duration).count();
    const auto elapsed = static_cast<std::uint64_t>(std::max<std::int64_t>(0, microseconds));
    number("duration_ms", elapsed / 1000);
    out += '.';
    detail::append_number(out, elapsed % 1000, 3);
    number("bytes_out", entry.bytes_out);
    if (entry.stream || entry.last_event_id) {
        key("last_event_id");
        if (entry.last_event_id && options.event_ids) {
            detail::append_json_string(out, *entry.last_event_id);
        } else {
            out += entry.last_event_id ? "true" : "false";
        }
    }
    if (entry.stream) {
        number("events", entry.stream->events);
        text("resume", to_string(entry.stream->resume));
        number("reconnects", entry.stream->reconnects);
        text("end", to_string(entry.stream->end));
    }
    out += "}\n";
}

/// What became of one request, filled in by whoever answers it.
struct ExchangeOutcome {
    int status = 0;
    std::string upstream = {};
    std::string route = {};
    std::uint64_t bytes_out = 0;
    std::optional<AccessLogEntry::Stream> stream = {};
};

/// What is kept of a request until its line is written: its head is changed on the way.
class AccessRecord {
public:
    using TimePoint = std::chrono::steady_clock::time_point;

    AccessRecord(const RequestHead& request, std::string_view client, TimePoint began)
        : client_{client},
          method_{request.method},
          host_{request.fields.get("Host").value_or("")},
          target_{request.target},
          last_event_id_{ResumeRequest{request}.id},
          began_{began} {}

    /// The entry of a request that has ended `now`. Its `time` is left to whoever has a clock that tells it: `duration` before
    /// the end. The views are valid as long as this object and `outcome`.
    AccessLogEntry entry(const ExchangeOutcome& outcome, TimePoint now) const {
        AccessLogEntry entry;
        entry.client = client_;
        entry.method = method_;
        entry.host = host_;
        entry.target = target_;
        entry.route = outcome.route;
        entry.status = outcome.status;
        entry.upstream = outcome.upstream;
        entry.duration = now - began_;
        entry.bytes_out = outcome.bytes_out;
        if (last_event_id_) entry.last_event_id = *last_event_id_;
        entry.stream = outcome.stream;
        return entry;
    }

private:
    std::string client_;
    std::string method_;
    std::string host_;
    std::string target_;
    std::optional<std::string> last_event_id_;
    TimePoint began_;
};

}  // namespace rejoin

#endif
