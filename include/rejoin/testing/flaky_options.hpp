#ifndef REJOIN_TESTING_FLAKY_OPTIONS_HPP
#define REJOIN_TESTING_FLAKY_OPTIONS_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <rejoin/error.hpp>
#include <rejoin/net/traits.hpp>
#include <rejoin/testing/flaky_history.hpp>

namespace rejoin::testing {

/// How a `FlakyUpstream` ends a response before its time.
enum class FlakyEnd : std::uint8_t {
    clean,            ///< Last chunk, and the connection stays.
    truncated,        ///< FIN between two events, no last chunk.
    mid_event,        ///< Part of the next event, then FIN inside its chunk.
    reset,            ///< RST.
    close_delimited,  ///< The response said no length: FIN is its regular end.
    stall,            ///< Silence on an open connection, heartbeats included, until the client leaves.
};

/// What a request with `Last-Event-ID: k` gets.
enum class FlakyReplay : std::uint8_t {
    exact,       ///< k+1, ...
    inclusive,   ///< k, k+1, ...
    from_start,  ///< 1, 2, ...: the field is ignored.
    none,        ///< What is live: nothing is kept. So for requests without the field.
    lost,        ///< k+1+`lost`, ...: the range between is gone.
};

/// What follows the last of `FlakyOptions::events`.
enum class FlakyAfterLast : std::uint8_t {
    hold,        ///< The response stays open, with heartbeats.
    end,         ///< The response ends clean, and so does, empty, every later one that has no event to send.
    no_content,  ///< The response ends clean; a request that has nothing to wait for gets 204.
};

/// What an outage looks like to new clients.
enum class FlakyOutage : std::uint8_t {
    status,  ///< Every stream request gets `outage_status`.
    refuse,  ///< Nothing listens.
};

struct FlakyOptions {
    /// Where to listen; port 0 picks one.
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;

    /// How many events the history has; 0 = endless.
    std::uint64_t events = 0;
    FlakyAfterLast after_last = FlakyAfterLast::hold;
    /// Events per second on each connection; 0 = as fast as the client reads.
    double rate = 0;
    /// Bytes of data of an event, but for the digits of its number, which are always whole.
    std::size_t data_size = 32;
    FlakyIds ids = FlakyIds::numeric;

    /// Each response is cut after so many events behind the one that its request named; 0 = not.
    std::uint64_t cut_events = 0;
    /// Each response is cut after so much time; zero = not.
    Duration cut_every = {};
    /// How: the nth response that is a stream takes the nth of these, round and round. Not empty.
    std::vector<FlakyEnd> ends = {FlakyEnd::clean};

    FlakyReplay replay = FlakyReplay::exact;
    /// Events that `FlakyReplay::lost` skips.
    std::uint64_t lost = 10;

    /// A `retry:` line in the first event of each response; nothing = none.
    std::optional<std::chrono::milliseconds> retry = std::nullopt;
    /// A comment at the beginning and after so much silence; zero = none.
    Duration heartbeat = {};
    /// 0: each event is a chunk. Else the stream is cut into chunks of so many bytes, across events.
    std::size_t chunk_bytes = 0;

    /// An outage begins whenever so much time has passed since the last began (or since the start), cuts every stream by
    /// FIN and lasts for `outage_for`; zero = none.
    Duration outage_every = {};
    Duration outage_for = std::chrono::seconds{1};
    FlakyOutage outage = FlakyOutage::status;
    int outage_status = 503;

    /// Requests for `/plain` and `/echo` (also with more path behind) are answered as documented at `FlakyUpstream`.
    bool regular_routes = true;
    /// Request bodies kept in `FlakyStats::bodies`, and bytes kept of each.
    std::size_t kept_bodies = 1000;
    std::size_t kept_body_bytes = 64 * 1024;
};

/// `Error::invalid_option`, or no error.
inline std::error_code validate(const FlakyOptions& options) {
    const bool times = options.cut_every >= Duration::zero() && options.heartbeat >= Duration::zero() &&
                       options.outage_every >= Duration::zero() && options.outage_for >= Duration::zero();
    const bool outage = options.outage_every == Duration::zero() || options.outage_for < options.outage_every;
    const bool retry = !options.retry || options.retry->count() >= 0;
    const bool status = options.outage_status >= 200 && options.outage_status <= 599;
    if (!times || !outage || !retry || !status || !(options.rate >= 0) || options.ends.empty()) return Error::invalid_option;
    return {};
}

/// What a `FlakyUpstream` has done so far.
struct FlakyStats {
    std::uint64_t connections = 0;
    std::uint64_t requests = 0;
    std::uint64_t streams = 0;      ///< Responses that were event streams.
    std::uint64_t resumed = 0;      ///< Stream requests with `Last-Event-ID`.
    std::uint64_t no_content = 0;   ///< Stream requests answered with 204.
    std::uint64_t refused = 0;      ///< Stream requests answered with the outage's status.
    std::uint64_t events_sent = 0;  ///< Handed to the socket; a cut may keep the last ones from arriving.
    std::uint64_t cuts = 0;         ///< Streams ended before their time, outages not counted.
    std::uint64_t posts = 0;        ///< Stream requests by POST.
    std::uint64_t most_streams = 0; ///< The most streams that were open at once.
    std::uint64_t open_streams = 0;
    /// The bodies of stream requests that had one, oldest first: equal ones would be a repetition.
    std::vector<std::string> bodies;
};

}  // namespace rejoin::testing

#endif
