#ifndef REJOIN_GATEWAY_DETAIL_STREAM_FACTORY_HPP
#define REJOIN_GATEWAY_DETAIL_STREAM_FACTORY_HPP

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <rejoin/gateway/detail/journey.hpp>
#include <rejoin/gateway/detail/stream_setup.hpp>
#include <rejoin/gateway/id_keys.hpp>
#include <rejoin/gateway/interceptor.hpp>
#include <rejoin/gateway/stream_directory.hpp>
#include <rejoin/gateway/upstream_access.hpp>

namespace rejoin::detail {

// Makes live streams of journeys. All that it is given must outlive it and what it makes.
template <class Traits>
class StreamFactory {
public:
    using Stream = BasicLiveStream<Traits>;
    using StreamPtr = std::shared_ptr<Stream>;
    using Upstream = BasicReconnectingStream<Traits>;
    using Response = BasicMessageResponse<Traits>;

    StreamFactory(asio::any_io_executor executor, const ReverseProxyOptions& options, BasicUpstreamAccess<Traits>& access, const IdKeys& keys,
                  BasicStreamDirectory<Traits>& directory, GatewayMetrics& metrics)
        : executor_{std::move(executor)}, options_{options}, access_{access}, keys_{keys}, directory_{directory}, metrics_{metrics} {}

    InterceptorChain& interceptors() noexcept { return interceptors_; }

    // The stream that goes on with `first`, or is yet to be connected; it is in the directory, and running. `main`: the stream
    // that it is to catch up with; null = none.
    StreamPtr make(Journey journey, std::optional<Response> first, const StreamPtr& main, ResumeSupportLearner& support) {
        typename BasicStreamDirectory<Traits>::Keeping keeping;
        keeping.answers_get = journey.origin.method == "GET";
        keeping.joinable = keeping.answers_get && !main;
        keeping.resumable = keeping.answers_get || keeps_for_return(journey.post);
        // Whoever else is nobody in particular could come back in its stead.
        const bool named_now = first && first->head().fields.contains("Set-Cookie") && options_.sharing != Sharing::shared;
        if (named_now && journey.identity.anonymous()) keeping.resumable = keeping.joinable = false;
        keeping.linger = keeping.answers_get ? directory_.linger() : options_.post_linger;
        LiveStreamOptions live = live_stream_options(options_, journey);
        ReconnectingStreamOptions reading = upstream_options(options_, journey);
        reading.breakers = access_.breakers();
        // Interceptors are there for events; what they might hide in those must not go out in a comment.
        if (!interceptors_.empty()) live.forward_comments = reading.parser.comments = false;
        // Being asked again and again would cost what comes meanwhile.
        if (support.value() == ResumeSupport::no) reading.health.resumed = {};
        std::string seed{journey.origin.headers.get("Last-Event-ID").value_or("")};
        auto interceptors = interceptors_.for_stream(journey.head, journey.origin.method, journey.origin.url.target);
        auto upstream = std::make_unique<Upstream>(executor_, std::move(journey.origin), std::move(reading));
        if (first) upstream->adopt(std::move(*first));
        auto stream = std::make_shared<Stream>(executor_, std::move(upstream), std::move(live), keys_.seal_of(journey.identity),
                                               support, std::move(interceptors), metrics_);
        stream->set_seed(std::move(seed));
        if (main) stream->catch_up(main, std::move(journey.seen), journey.exclusive);
        directory_.add(journey.identity, stream, keeping);
        stream->start();
        return stream;
    }

private:
    asio::any_io_executor executor_;
    const ReverseProxyOptions& options_;
    BasicUpstreamAccess<Traits>& access_;
    const IdKeys& keys_;
    BasicStreamDirectory<Traits>& directory_;
    GatewayMetrics& metrics_;
    InterceptorChain interceptors_;
};

}  // namespace rejoin::detail

#endif
