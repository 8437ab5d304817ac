#ifndef REJOIN_EXAMPLES_CONTRACT_STREAM_HPP
#define REJOIN_EXAMPLES_CONTRACT_STREAM_HPP

#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <asio/bind_cancellation_slot.hpp>

#include <rejoin/client/reconnecting_stream.hpp>
#include <rejoin/net/async_event.hpp>

#include "contract_callbacks.hpp"
#include "contract_messages.hpp"
#include "contract_options.hpp"

namespace examples {

/// One stream of a harness: follows it and posts what it says.
///
/// The stream is not asked for its next item before the callback for the one before was answered: nothing queues, and a
/// slow receiver slows the stream's server down. A callback that fails ends the stream, for its receiver can't tell any more
/// what it has missed, or is gone.
class ContractStream : public std::enable_shared_from_this<ContractStream> {
public:
    ContractStream(const asio::any_io_executor& executor, ContractStreamRequest asked)
        : executor_{executor},
          ended_{executor},
          name_{asked.tag.empty() ? asked.request.url.to_string() : std::move(asked.tag)},
          callbacks_{std::move(asked.callback_url)},
          stream_{executor, std::move(asked.request), contract_options(asked)} {}

    void start() {
        auto work = follow(shared_from_this());
        auto handler = [self = shared_from_this()](std::exception_ptr failure) {
            self->running_ = false;
            self->ended_.notify();
            rethrow_unless_canceled(failure);
        };
        asio::co_spawn(executor_, std::move(work), asio::bind_cancellation_slot(cancel_.slot(), std::move(handler)));
    }

    void restart() { stream_.reconnect_now(); }

    /// Nothing more is received or posted from here on.
    void close() {
        stream_.close();
        cancel_.emit(asio::cancellation_type::terminal);  // a callback under way goes down with its connection
    }

    /// Completes when all that belonged to the stream is gone, behind `close()`. For one caller.
    rejoin::Awaitable<> ended() {
        while (running_) co_await ended_.wait();
    }

private:
    static void rethrow_unless_canceled(const std::exception_ptr& failure) {
        if (!failure) return;
        try {
            std::rethrow_exception(failure);
        } catch (const std::system_error& error) {
            if (error.code() != asio::error::operation_aborted) throw;
        }
    }

    static rejoin::Awaitable<> follow(std::shared_ptr<ContractStream> self) {
        for (bool more = true; more;) {
            const rejoin::StreamItem item = co_await self->stream_.next_item();
            more = item.kind != rejoin::StreamItem::Kind::finished;
            auto message = self->messages_.tell(item, self->stream_);
            if (!message) continue;
            const std::error_code error = co_await self->callbacks_.post(std::move(*message));
            if (!error) continue;
            std::fprintf(stderr, "contract-service: %s: callback %llu failed, the stream is ended: %s\n", self->name_.c_str(),
                         static_cast<unsigned long long>(self->callbacks_.count()), error.message().c_str());
            self->stream_.close();
            co_return;
        }
    }

    asio::any_io_executor executor_;
    asio::cancellation_signal cancel_;
    rejoin::AsyncEvent ended_;
    std::string name_;
    ContractCallbacks callbacks_;
    ContractMessages messages_;
    rejoin::ReconnectingStream stream_;
    bool running_ = true;
};

}  // namespace examples

#endif
