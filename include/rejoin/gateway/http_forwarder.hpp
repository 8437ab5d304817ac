#ifndef REJOIN_GATEWAY_HTTP_FORWARDER_HPP
#define REJOIN_GATEWAY_HTTP_FORWARDER_HPP

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <rejoin/client/sse_http_client.hpp>
#include <rejoin/gateway/body_pump.hpp>
#include <rejoin/gateway/forwarding.hpp>
#include <rejoin/gateway/head_interceptor.hpp>
#include <rejoin/gateway/http_server.hpp>
#include <rejoin/net/async_event.hpp>
#include <rejoin/net/deadline.hpp>

namespace rejoin {

/// Takes one regular request through a proxy, step by step: its body upstream while the answer is awaited, interim responses
/// and the answer back, never more of either in memory than one read.
///
/// Thread safety: one object only from its strand; it must outlive what it handles.
template <class Traits = DefaultTraits>
class BasicHttpForwarder {
public:
    using Exchange = BasicHttpExchange<Traits>;
    using Connection = BasicHttpClientConnection<Traits>;
    using Response = BasicMessageResponse<Traits>;

    /// A request's body on its way upstream, beside the wait for the response: an upstream may answer before it has all.
    struct Upload {
        explicit Upload(const asio::any_io_executor& executor) : finished{executor} {}
        AsyncEvent finished;
        BodyPumpResult result;
        std::string copy;
        /// Called when it is done; empty: nobody is to be told.
        std::function<void()> on_done = {};
        bool done = false;
        bool client_gone = false;
    };

    /// `body_idle`: bound on silence in bodies; zero = none. `heads` see the responses that are relayed; must outlive this.
    BasicHttpForwarder(SseHttpClientOptions options, Duration body_idle, const HeadInterceptors* heads = nullptr)
        : options_{std::move(options)}, body_idle_{body_idle}, heads_{heads} {}

    /// `copy_limit`: a body of at most so many bytes is kept in `Upload::copy`.
    std::shared_ptr<Upload> start_upload(Exchange& exchange, std::shared_ptr<Connection> upstream, std::size_t copy_limit = 0) {
        const asio::any_io_executor executor = upstream->executor();
        auto upload = std::make_shared<Upload>(executor);
        const HttpFraming framing = exchange.connection->parser().framing();
        if (framing == HttpFraming::none) {
            upload->done = true;
            return upload;
        }
        BodyPumpOptions pump{framing == HttpFraming::chunked, body_idle_, options_.write_timeout};
        if (copy_limit > 0) pump.copy = &upload->copy;
        pump.copy_limit = copy_limit;
        spawn(executor, run_upload(upload, exchange.connection, std::move(upstream), pump));
        return upload;
    }

    /// Nobody reads the rest of a request's body once its answer is settled.
    Awaitable<> end_upload(Exchange& exchange, Upload& upload) {
        if (upload.done) co_return;
        exchange.connection->cancel();
        co_await upload.finished.wait();
    }

    /// The final response's head; interim ones go on to the client. The response is waited for from the end of the upload on, for
    /// an upstream may need all of it. A client that leaves meanwhile takes the request along (`client_gone`).
    Awaitable<Result<ResponseHead>> read_response(Exchange& exchange, std::shared_ptr<Connection> upstream, std::shared_ptr<Upload> upload) {
        const std::weak_ptr<Connection> watched = upstream;
        std::optional<Deadline<Traits>> due;
        bool watching = false;
        bool reading = false;
        const auto expect = [&] {
            const bool begun = reading;  // without a bound, since nobody knew when there would be one
            if (begun) {
                due.emplace(upstream->executor(), options_.response_timeout, [watched] {
                    if (const auto connection = watched.lock()) connection->cancel();
                });
            }
            watching = true;
            exchange.connection->on_peer_close([watched, upload] {
                upload->client_gone = true;
                if (const auto connection = watched.lock()) connection->cancel();
            });
        };
        const Told told{*upload, expect};
        if (upload->done) expect();
        upstream->parser().expect_answer_to(exchange.request.method);
        for (;;) {
            reading = true;
            const Duration limit = upload->done ? options_.response_timeout : Duration::zero();
            auto head = co_await upstream->read_head(limit, Error::response_timeout);
            if (!head || head->status >= 200) {
                if (watching) exchange.connection->cancel();
                if (!head && due && due->expired()) co_return Error::response_timeout;
                if (!head && head.error() == Error::end_of_stream) co_return Error::truncated;
                co_return std::move(head);
            }
            if (!exchange.http_1_1()) continue;
            std::string bytes;
            const ResponseHead interim = client_response(*head, false);
            if (write_head(bytes, interim)) continue;
            const std::error_code ignored = co_await exchange.connection->write(bytes, options_.write_timeout);
            static_cast<void>(ignored);
        }
    }

    /// Hands the response on as it comes. The result tells whether the client's connection may take another request, which
    /// `may_keep` can deny.
    Awaitable<bool> relay(Exchange& exchange, Response message, Upload& upload, bool may_keep) {
        Connection& upstream = message.connection();
        auto& client = *exchange.connection;
        const HttpFraming framing = upstream.parser().framing();
        const bool unknown_length = framing == HttpFraming::chunked || framing == HttpFraming::until_close;
        const bool chunked = unknown_length && exchange.http_1_1();
        ResponseHead head = client_response(message.head(), chunked);
        if (heads_ && heads_->sees_responses()) {
            auto refusal = heads_->intercept(exchange.request, head);
            if (refusal) {
                co_await end_upload(exchange, upload);
                co_await answer_and_close(exchange, refusal->status, std::move(refusal->text));
                co_return false;
            }
        }
        const bool keep = may_keep && client.parser().keep_alive() && exchange.http_1_1();
        if (!keep) head.fields.set("Connection", "close");
        std::string bytes;
        if (write_head(bytes, head)) {
            co_await end_upload(exchange, upload);
            co_await fail(exchange, Error::bad_message);
            co_return false;
        }
        const std::error_code error = co_await client.write(bytes, options_.write_timeout);
        BodyPumpResult result;
        const BodyPumpOptions pump{chunked, body_idle_, options_.write_timeout};
        if (!error) result = co_await pump_body<Traits>(upstream, client, pump);
        exchange.outcome.status = head.status;
        exchange.outcome.bytes_out = bytes.size() + result.bytes;
        // A request whose rest nobody reads leaves its connection in the middle of it.
        const bool request_read = upload.done && upload.result;
        co_await end_upload(exchange, upload);
        if (!request_read) upstream.close();  // nor is this one good for anything else
        // What came cut must be seen to be cut; without any framing only a reset says so.
        if (!result && unknown_length && !chunked) client.abort();
        co_return !error && result && keep && request_read;
    }

    /// Tells the client that its request did not come through; the connection is not used again.
    Awaitable<> fail(Exchange& exchange, std::error_code error) {
        const int status = error == ErrorCondition::timeout ? 504 : 502;
        std::string text = "upstream: " + error.message();
        co_await answer_and_close(exchange, status, std::move(text));
    }

private:
    // Who is told of an upload's end, as long as somebody is there to be told.
    struct Told {
        Told(Upload& upload_, std::function<void()> tell) : upload{upload_} { upload.on_done = std::move(tell); }
        ~Told() { upload.on_done = nullptr; }
        Told(const Told&) = delete;
        Upload& upload;
    };

    static Awaitable<> answer_and_close(Exchange& exchange, int status, std::string text) {
        HttpFields fields;
        fields.set("Connection", "close");
        const bool ignored = co_await exchange.respond(status, std::move(text), std::move(fields));
        static_cast<void>(ignored);
    }

    static Awaitable<> run_upload(std::shared_ptr<Upload> upload, std::shared_ptr<typename Exchange::Connection> from,
                                  std::shared_ptr<Connection> to, BodyPumpOptions options) {
        upload->result = co_await pump_body<Traits>(*from, *to, options);
        upload->done = true;
        // A body that did not come whole must not be waited for by an upstream that never gets the rest.
        if (upload->result.read_error) to->cancel();
        else if (upload->on_done) upload->on_done();
        upload->finished.notify();
    }

    SseHttpClientOptions options_;
    Duration body_idle_;
    const HeadInterceptors* heads_;
};

using HttpForwarder = BasicHttpForwarder<>;

}  // namespace rejoin

#endif
