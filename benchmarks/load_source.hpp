#ifndef REJOIN_BENCHMARKS_LOAD_SOURCE_HPP
#define REJOIN_BENCHMARKS_LOAD_SOURCE_HPP

// The upstream of bench_proxy_load.

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <queue>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "load_io.hpp"

namespace rejoin::bench {

struct Upstream {
    int socket = -1;
    std::string request;
    std::string unsent;
    std::size_t sent = 0;  // of `unsent`
    bool streaming = false;
    bool waits_for_room = false;
    std::size_t size = 0;
    Nanoseconds interval = 0;  // 0: full speed
    Nanoseconds due = 0;
    std::uint64_t next_id = 1;
};

class Source {
public:
    void run(std::uint16_t port) {
        listen_on(port);
        for (;;) {
            poller_.wait(timers_.empty() ? now() + second : timers_.top().first, [&](int socket, std::uint32_t events) {
                if (socket == acceptor_) return accept_all();
                const auto it = upstreams_.find(socket);
                if (it != upstreams_.end() && !serve(it->second, events)) drop(socket);
            });
            for (const Nanoseconds time = now(); !timers_.empty() && timers_.top().first <= time;) {
                const auto [due, socket] = timers_.top();
                timers_.pop();
                const auto it = upstreams_.find(socket);
                if (it != upstreams_.end() && it->second.due == due && !beat(it->second, time)) drop(socket);
            }
        }
    }

private:
    void listen_on(std::uint16_t port) {
        acceptor_ = tcp_socket();
        set_option(acceptor_, SOL_SOCKET, SO_REUSEADDR);
        sockaddr_in address = loopback(port);
        socklen_t length = sizeof address;
        auto* generic = reinterpret_cast<sockaddr*>(&address);
        if (bind(acceptor_, generic, length) != 0 || listen(acceptor_, 4096) != 0) die_errno("listen");
        getsockname(acceptor_, generic, &length);
        poller_.add(acceptor_, EPOLLIN);
        std::printf("listening on http://127.0.0.1:%d\n", int{ntohs(address.sin_port)});
        std::fflush(stdout);
    }

    void accept_all() {
        for (int socket = 0; (socket = accept4(acceptor_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
            set_option(socket, IPPROTO_TCP, TCP_NODELAY);
            upstreams_[socket].socket = socket;
            poller_.add(socket, EPOLLIN);
        }
    }

    void drop(int socket) {
        close(socket);
        upstreams_.erase(socket);
    }

    bool serve(Upstream& upstream, std::uint32_t events) {
        if ((events & ~std::uint32_t{EPOLLOUT}) != 0) {
            std::array<char, 4096> bytes{};
            const ssize_t count = recv(upstream.socket, bytes.data(), bytes.size(), 0);
            if (count == 0 || (count < 0 && errno != EAGAIN)) return false;
            if (count > 0 && !upstream.streaming) {
                upstream.request.append(bytes.data(), static_cast<std::size_t>(count));
                if (upstream.request.find("\r\n\r\n") != std::string::npos && !begin(upstream)) return false;
            }
        }
        return (events & EPOLLOUT) == 0 || send_more(upstream);
    }

    bool begin(Upstream& upstream) {
        const std::string target = upstream.request.substr(0, upstream.request.find(" HTTP/"));
        const double rate = std::atof(query_value(target, "rate", "0").c_str());
        upstream.size = event_size(target);
        upstream.interval = rate > 0 ? seconds(1 / rate) : 0;
        std::transform(upstream.request.begin(), upstream.request.end(), upstream.request.begin(),
                       [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
        constexpr std::string_view field = "\r\nlast-event-id:";
        const std::size_t at = upstream.request.find(field);
        if (at != std::string::npos) {
            upstream.next_id =
                leading_number(trim_front(std::string_view{upstream.request}.substr(at + field.size()))) + 1;
        }
        upstream.request = {};
        upstream.streaming = true;
        upstream.unsent =
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: "
            "chunked\r\n\r\n";
        const Nanoseconds time = now();
        append_event_chunk(upstream.unsent, upstream.next_id++, upstream.size, time);
        if (upstream.interval > 0) {
            random_ = random_ * 6364136223846793005U + 1442695040888963407U;
            const bool in_step = query_value(target, "step", "0") == "1";
            const Nanoseconds phase = static_cast<Nanoseconds>(random_ >> 11) % upstream.interval;
            schedule(upstream, in_step ? (time / upstream.interval + 1) * upstream.interval : time + phase);
        }
        return flush(upstream);
    }

    void schedule(Upstream& upstream, Nanoseconds due) {
        upstream.due = due;
        timers_.emplace(due, upstream.socket);
    }

    bool beat(Upstream& upstream, Nanoseconds time) {
        schedule(upstream, upstream.due + upstream.interval);
        if (!upstream.unsent.empty())
            return true;  // the peer is slow: this beat is left out, the ids stay without a gap
        append_event_chunk(upstream.unsent, upstream.next_id++, upstream.size, time);
        return flush(upstream);
    }

    bool send_more(Upstream& upstream) {
        if (upstream.unsent.empty() && upstream.interval == 0) {
            for (const Nanoseconds time = now(); upstream.unsent.size() < 64 * 1024;) {
                append_event_chunk(upstream.unsent, upstream.next_id++, upstream.size, time);
            }
        }
        return flush(upstream);
    }

    bool flush(Upstream& upstream) {
        const ssize_t count = send(upstream.socket, upstream.unsent.data() + upstream.sent,
                                   upstream.unsent.size() - upstream.sent, MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN) return false;
        upstream.sent += count > 0 ? static_cast<std::size_t>(count) : 0;
        if (upstream.sent == upstream.unsent.size()) {
            upstream.unsent.clear();
            upstream.sent = 0;
        }
        const bool wants_room = upstream.interval == 0 || !upstream.unsent.empty();
        if (wants_room != upstream.waits_for_room) {
            upstream.waits_for_room = wants_room;
            poller_.change(upstream.socket, wants_room ? EPOLLIN | EPOLLOUT : EPOLLIN);
        }
        return true;
    }

    using Timer = std::pair<Nanoseconds, int>;  // due, socket

    Poller poller_;
    int acceptor_ = -1;
    std::map<int, Upstream> upstreams_;
    std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
    std::uint64_t random_ = 1;
};

}  // namespace rejoin::bench

#endif
