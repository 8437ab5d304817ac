#ifndef REJOIN_GATEWAY_DETAIL_OPENINGS_HPP
#define REJOIN_GATEWAY_DETAIL_OPENINGS_HPP

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <rejoin/net/async_event.hpp>

namespace rejoin::detail {

// Streams that are being asked for: whoever wants the same one waits until it is known what came of that.
class Openings {
public:
    explicit Openings(asio::any_io_executor executor) : executor_{std::move(executor)} {}

    bool under_way(const std::string& key) const { return waiting_->contains(key); }

    // Completes when the one who asks for that stream now is done with it; at once where nobody does.
    Awaitable<> wait(const std::string& key) {
        const auto found = waiting_->find(key);
        if (found == waiting_->end()) co_return;
        const auto settled = std::make_shared<AsyncEvent>(executor_);
        found->second.push_back(settled);
        co_await settled->wait();
    }

    // Somebody asks for it until what is returned is gone, which may be later than this object; null where somebody does
    // already.
    std::shared_ptr<void> begin(const std::string& key) {
        if (!waiting_->try_emplace(key).second) return nullptr;
        return {nullptr, [waiting = std::weak_ptr{waiting_}, key](void*) {
                    const auto alive = waiting.lock();
                    if (!alive) return;
                    const auto settled = alive->extract(key);
                    for (const auto& event : settled.mapped()) event->notify();
                }};
    }

private:
    using Waiting = std::unordered_map<std::string, std::vector<std::shared_ptr<AsyncEvent>>>;

    asio::any_io_executor executor_;
    std::shared_ptr<Waiting> waiting_ = std::make_shared<Waiting>();
};

}  // namespace rejoin::detail

#endif
