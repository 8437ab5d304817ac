// A user's program against rejoin::sse: nothing but the standard library.

#include <iostream>

#include <rejoin/sse.hpp>

int main() {
    rejoin::SseParser parser;
    parser.feed("id: 7\ndata: hello\n\n");
    rejoin::SseEventView event;
    if (!parser.next(event)) return 1;
    std::cout << event.last_event_id << ": " << event.data << '\n';
    return event.last_event_id == "7" && event.data == "hello" ? 0 : 1;
}
