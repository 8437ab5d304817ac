#ifndef REJOIN_EXAMPLES_INTERCEPTORS_EVENT_TYPES_HPP
#define REJOIN_EXAMPLES_INTERCEPTORS_EVENT_TYPES_HPP

#include <string>
#include <utility>
#include <vector>

#include <rejoin/gateway/interceptor.hpp>

namespace examples {

/// An interceptor that keeps events of one type from clients. An event without a type is of type `message`.
class BlockEvents {
public:
    explicit BlockEvents(std::string type) : type_{std::move(type)} {}

    void operator()(const rejoin::StreamContext&, std::vector<rejoin::SseEvent>& events) const {
        std::erase_if(events, [this](const rejoin::SseEvent& event) { return event.type == type_; });
    }

private:
    std::string type_;
};

/// An interceptor that gives events of one type another. `to` must not have line breaks: such events are refused.
class RenameEvents {
public:
    RenameEvents(std::string from, std::string to) : from_{std::move(from)}, to_{std::move(to)} {}

    void operator()(const rejoin::StreamContext&, std::vector<rejoin::SseEvent>& events) const {
        for (rejoin::SseEvent& event : events) {
            if (event.type == from_) event.type = to_;
        }
    }

private:
    std::string from_;
    std::string to_;
};

}  // namespace examples

#endif
