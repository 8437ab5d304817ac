#ifndef REJOIN_BENCHMARKS_LOAD_IO_HPP
#define REJOIN_BENCHMARKS_LOAD_IO_HPP

// Time, sockets on the loopback, and the events that both ends of bench_proxy_load know.

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>

namespace rejoin::bench {

using Nanoseconds = std::int64_t;
constexpr Nanoseconds second = 1'000'000'000;

inline Nanoseconds now() { return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds{1}; }

inline Nanoseconds seconds(double count) { return static_cast<Nanoseconds>(count * static_cast<double>(second)); }

[[noreturn]] inline void die(const std::string& what) {
    std::fprintf(stderr, "bench_proxy_load: %s\n", what.c_str());
    std::exit(2);
}

[[noreturn]] inline void die_errno(const char* what) { die(std::string{what} + ": " + std::strerror(errno)); }

inline std::uint64_t leading_number(std::string_view text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

inline std::string_view trim_front(std::string_view text) {
    return text.substr(std::min(text.find_first_not_of(' '), text.size()));
}

inline std::string query_value(std::string_view target, std::string_view name, std::string_view otherwise) {
    for (std::size_t at = target.find('?'); at != std::string_view::npos; at = target.find('&', at + 1)) {
        const std::string_view pair = target.substr(at + 1);
        if (!pair.starts_with(name) || pair.substr(name.size(), 1) != "=") continue;
        const std::string_view value = pair.substr(name.size() + 1);
        return std::string{value.substr(0, value.find('&'))};
    }
    return std::string{otherwise};
}

inline sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

inline void set_option(int socket, int level, int option) {
    const int on = 1;
    setsockopt(socket, level, option, &on, sizeof on);
}

inline int tcp_socket() {
    const int made = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (made < 0) die_errno("socket");
    return made;
}

class Poller {
public:
    void add(int socket, std::uint32_t what) { control(EPOLL_CTL_ADD, socket, what); }
    void change(int socket, std::uint32_t what) { control(EPOLL_CTL_MOD, socket, what); }

    /// Calls on_ready(socket, events) for each ready one; waits until `deadline` at most.
    template <class OnReady>
    void wait(Nanoseconds deadline, OnReady&& on_ready) {
        const Nanoseconds left = std::clamp<Nanoseconds>(deadline - now(), 0, second);
        const timespec timeout{left / second, left % second};
        const int count = epoll_pwait2(epoll_, ready_.data(), static_cast<int>(ready_.size()), &timeout, nullptr);
        for (int i = 0; i < count; ++i) {
            const auto& one = ready_[static_cast<std::size_t>(i)];
            on_ready(one.data.fd, one.events);
        }
    }

private:
    void control(int operation, int socket, std::uint32_t what) {
        epoll_event event{};
        event.events = what;
        event.data.fd = socket;
        epoll_ctl(epoll_, operation, socket, &event);
    }

    int epoll_ = epoll_create1(EPOLL_CLOEXEC);
    std::array<epoll_event, 512> ready_{};
};

// --- events:  id: ID / data: STAMP ID FILLER ---

constexpr std::size_t stamp_digits = 19;
constexpr std::size_t smallest_event = 48;
constexpr std::size_t largest_event = 60'000;

inline std::string_view filler(std::uint64_t id, std::size_t size) {
    static const std::string letters = [] {
        std::string made;
        while (made.size() < largest_event + 26) made += "abcdefghijklmnopqrstuvwxyz";
        return made;
    }();
    return std::string_view{letters}.substr(id % 26, size);
}

inline std::size_t event_size(std::string_view target) {
    return std::clamp(static_cast<std::size_t>(leading_number(query_value(target, "size", "200"))), smallest_event,
                      largest_event);
}

inline void append_event_chunk(std::string& out, std::uint64_t id, std::size_t size, Nanoseconds sent) {
    std::array<char, 24> id_text{};
    std::array<char, 24> stamp{};
    std::array<char, 24> length{};
    const std::string_view number{id_text.data(), std::to_chars(id_text.begin(), id_text.end(), id).ptr};
    std::to_chars(stamp.begin(), stamp.end(), second * second + sent);  // always 19 digits
    const std::size_t bytes = 4 + number.size() + 7 + size + 2;
    out.append(length.data(), std::to_chars(length.begin(), length.end(), bytes, 16).ptr);
    out.append("\r\nid: ").append(number).append("\ndata: ").append(stamp.data(), stamp_digits).append(" ");
    out.append(number).append(" ").append(filler(id, size - stamp_digits - number.size() - 2)).append("\n\n\r\n");
}

}  // namespace rejoin::bench

#endif
