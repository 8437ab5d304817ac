#ifndef REJOIN_GATEWAY_CLIENT_SESSION_HPP
#define REJOIN_GATEWAY_CLIENT_SESSION_HPP

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <rejoin/gateway/access_log.hpp>
#include <rejoin/gateway/client_writer.hpp>
#include <rejoin/gateway/forwarding.hpp>
#include <rejoin/gateway/head_interceptor.hpp>
#include <rejoin/gateway/http_server.hpp>
#include <rejoin/gateway/live_stream.hpp>
#include <rejoin/gateway/metrics.hpp>

namespace rejoin {

/// How a client joins a stream, and what its response says of that.
template <class Traits = DefaultTraits>
struct BasicClientEntry {
    BasicClientEntry(std::shared_ptr<BasicLiveStream<Traits>> stream_, EventLog::Sequence cursor_)
        : stream{std::move(stream_)}, cursor{cursor_} {}

    std::shared_ptr<BasicLiveStream<Traits>> stream;
    EventLog::Sequence cursor;
    std::string continuity = {};  ///< `SSE-Resume`; empty: no such field
    std::string stream_id = {};   ///< `SSE-Stream-Id`, by which the client may come back before it has seen any event
    std::string primer = {};      ///< id of an empty event that goes first; empty: none
    std::string notice = {};      ///< event-stream lines that go first: an event that tells of a gap
    /// The client's request made the stream: it alone is meant by the upstream's Set-Cookie.
    bool opener = false;
    ClientResume resume = ClientResume::none;  ///< for the access log
};

/// How a client's writer came to its end.
template <class Traits>
ClientEnd client_end(const BasicClientWriter<Traits>& writer) {
    using End = typename BasicClientWriter<Traits>::End;
    switch (writer.end()) {
    case End::completed: return writer.said_farewell() ? ClientEnd::drained : ClientEnd::complete;
    case End::left: return ClientEnd::client_left;
    case End::too_slow: return ClientEnd::slow;
    case End::superseded: return ClientEnd::replaced;
    case End::none:
    case End::cut: break;
    }
    return ClientEnd::truncated;
}

/// Serves one client from a stream's log, from the response's head to the end of either.
///
/// `retry`: given to the client at once. The exchange's request is given up once the head is out. The result tells whether the
/// connection may take another request. Lifetime: all arguments must live until completion. Cancellation: the client is cut.
template <class Traits>
Awaitable<bool> serve_client(BasicHttpExchange<Traits>& exchange, BasicClientEntry<Traits> entry, const ClientWriterOptions& options,
                             std::optional<std::chrono::milliseconds> retry, const HeadInterceptors& heads,
                             GatewayMetrics& metrics) {
    using Stream = BasicLiveStream<Traits>;
    using Writer = BasicClientWriter<Traits>;
    struct Attached {
        Attached(Stream& stream, std::shared_ptr<Writer> writer_) : writer{std::move(writer_)} { stream.attach(writer); }
        ~Attached() {
            writer->leave();
            writer->stop();
        }
        Attached(const Attached&) = delete;
        std::shared_ptr<Writer> writer;
    };

    const bool chunked = exchange.http_1_1();
    const bool keep = chunked && exchange.connection->parser().keep_alive() && exchange.body_was_read();
    std::string bytes;
    std::string lines;
    {
        ResponseHead head = stream_response(entry.stream->upstream_head(), chunked, entry.opener);
        if (!entry.continuity.empty()) head.fields.set("SSE-Resume", entry.continuity);
        if (!entry.stream_id.empty()) head.fields.set("SSE-Stream-Id", entry.stream_id);
        if (heads.sees_responses()) {
            auto refusal = heads.intercept(exchange.request, head);
            if (refusal) {
                const bool reusable = co_await exchange.respond(refusal->status, std::move(refusal->text));
                metrics.responded(exchange.outcome.status);
                co_return reusable;
            }
        }
        if (!keep) head.fields.set("Connection", "close");
        if (write_head(bytes, head)) {
            head = stream_response(nullptr, chunked);
            static_cast<void>(write_head(bytes, head));
        }
        exchange.outcome.status = head.status;
        if (retry) lines = "retry: " + std::to_string(retry->count()) + "\n";
        lines += ":\n";
        if (!entry.primer.empty()) lines.append("data:\nid: ").append(entry.primer).append("\n\n");
        lines += entry.notice;
    }
    // Neither is needed any more, and a stream may last for days.
    exchange.request = {};

    const auto writer = std::make_shared<Writer>(exchange.connection, entry.stream->log(), entry.cursor, chunked, options);
    metrics.clients_opened.add();
    metrics.responded(exchange.outcome.status);
    writer->start(std::move(bytes), lines);
    lines = {};
    const std::uint64_t reconnects = entry.stream->reconnects();
    const Attached attached{*entry.stream, writer};
    // The client may go on with another stream: only its writer holds the one that it belongs to.
    const std::weak_ptr<Stream> stream = std::exchange(entry.stream, nullptr);
    const ClientResume resume = entry.resume;
    co_await writer->wait_end();
    const auto last_stream = stream.lock();
    writer->tell(metrics);
    const ClientEnd end = client_end(*writer);
    metrics.client_ended(end);
    exchange.outcome.bytes_out = writer->bytes_written();
    exchange.outcome.stream = AccessLogEntry::Stream{writer->events(), resume, last_stream ? last_stream->reconnects() - reconnects : 0, end};
    co_return writer->end() == Writer::End::completed && keep;
}

}  // namespace rejoin

#endif
