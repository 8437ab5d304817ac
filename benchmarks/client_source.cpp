// The server of the client benchmark (client.sh runs it): cheap enough not to be what is measured.
//
//     bench_client_source [--port P] [--away SECONDS]
//
// Serves event streams on the loopback and prints "listening on URL". Each response is chunked, each event (client_events.hpp)
// a chunk of its own.
//
//     GET /full               events as fast as TCP takes them, from one block of bytes made once: the ids go round
//     GET /quiet?heartbeat=S  the event behind Last-Event-ID (or 1) at once, then a comment every S seconds (default 15),
//                             spread evenly over the streams; another event at the signal SIGUSR1
//
// SIGUSR2 kills the process that serves, with all its connections; `away` seconds later (default 2) another one listens on the
// same port. Linux only, one thread.

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <queue>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "client_events.hpp"
#include "load_io.hpp"

namespace {

using namespace rejoin::bench;

// --- one process that serves ---

struct Client {
    int socket = -1;
    std::string request;
    std::size_t position = 0;  // full speed: in the block
    std::uint64_t next_id = 1;
    Nanoseconds interval = 0;  // 0: full speed
    Nanoseconds due = 0;
    bool streaming = false;
};

class Server {
public:
    Server() {
        for (std::uint64_t id = 1; id <= 2048; ++id) append_chunk_of(block_, token_event(id));
    }

    [[noreturn]] void run(int acceptor, int signals) {
        acceptor_ = acceptor;
        poller_.add(acceptor, EPOLLIN);
        poller_.add(signals, EPOLLIN);
        for (;;) {
            poller_.wait(timers_.empty() ? now() + second : timers_.top().first, [&](int socket, std::uint32_t events) {
                if (socket == acceptor_) return accept_all();
                if (socket == signals) return ring(signals);
                const auto it = clients_.find(socket);
                if (it != clients_.end() && !serve(it->second, events)) drop(socket);
            });
            for (const Nanoseconds time = now(); !timers_.empty() && timers_.top().first <= time;) {
                const auto [due, socket] = timers_.top();
                timers_.pop();
                const auto it = clients_.find(socket);
                if (it != clients_.end() && it->second.due == due && !beat(it->second)) drop(socket);
            }
        }
    }

private:
    void accept_all() {
        for (int socket = 0; (socket = accept4(acceptor_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
            set_option(socket, IPPROTO_TCP, TCP_NODELAY);
            clients_[socket].socket = socket;
            poller_.add(socket, EPOLLIN);
        }
    }

    void drop(int socket) {
        close(socket);
        clients_.erase(socket);
    }

    bool serve(Client& client, std::uint32_t events) {
        if ((events & ~std::uint32_t{EPOLLOUT}) != 0) {
            std::array<char, 4096> bytes{};
            const ssize_t count = recv(client.socket, bytes.data(), bytes.size(), 0);
            if (count == 0 || (count < 0 && errno != EAGAIN)) return false;
            if (count > 0 && !client.streaming) {
                client.request.append(bytes.data(), static_cast<std::size_t>(count));
                if (client.request.find("\r\n\r\n") != std::string::npos) return begin(client);
            }
        }
        return (events & EPOLLOUT) == 0 || send_block(client);
    }

    bool begin(Client& client) {
        const std::string target = client.request.substr(0, client.request.find(" HTTP/"));
        std::transform(client.request.begin(), client.request.end(), client.request.begin(),
                       [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
        constexpr std::string_view field = "\r\nlast-event-id:";
        const std::size_t at = client.request.find(field);
        if (at != std::string::npos) {
            const std::string_view value = trim_front(std::string_view{client.request}.substr(at + field.size()));
            client.next_id = leading_number(value) + 1;
        }
        client.request = {};
        client.streaming = true;
        std::string out =
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: "
            "chunked\r\n\r\n";
        if (target.find("/quiet") == std::string::npos) {
            poller_.change(client.socket, EPOLLIN | EPOLLOUT);
            return put(client, out);
        }
        append_chunk_of(out, token_event(client.next_id++));
        client.interval = seconds(std::max(0.1, std::atof(query_value(target, "heartbeat", "15").c_str())));
        // The golden ratio spreads any number of streams evenly.
        phase_ += 0.6180339887498949;
        phase_ -= static_cast<double>(static_cast<std::int64_t>(phase_));
        schedule(client, now() + static_cast<Nanoseconds>(phase_ * static_cast<double>(client.interval)));
        return put(client, out);
    }

    void schedule(Client& client, Nanoseconds due) {
        client.due = due;
        timers_.emplace(due, client.socket);
    }

    bool beat(Client& client) {
        schedule(client, client.due + client.interval);
        return put(client, "3\r\n:\n\n\r\n");
    }

    void ring(int signals) {
        signalfd_siginfo ignored{};
        if (read(signals, &ignored, sizeof ignored) < 0) return;
        for (auto& [socket, client] : clients_) {
            if (client.interval == 0) continue;
            std::string out;
            append_chunk_of(out, token_event(client.next_id++));
            put(client, out);
        }
    }

    // A few bytes: a peer whose buffer has no room for them is given up.
    static bool put(const Client& client, std::string_view bytes) {
        return send(client.socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
    }

    bool send_block(Client& client) {
        std::array<iovec, 4> pieces{};
        pieces.fill({block_.data(), block_.size()});
        pieces[0] = {block_.data() + client.position, block_.size() - client.position};
        msghdr message{};
        message.msg_iov = pieces.data();
        message.msg_iovlen = pieces.size();
        const ssize_t count = sendmsg(client.socket, &message, MSG_NOSIGNAL);
        if (count < 0) return errno == EAGAIN;
        client.position = (client.position + static_cast<std::size_t>(count)) % block_.size();
        return true;
    }

    using Timer = std::pair<Nanoseconds, int>;  // due, socket

    Poller poller_;
    int acceptor_ = -1;
    std::string block_;
    std::unordered_map<int, Client> clients_;
    std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
    double phase_ = 0;
};

// --- the one above it, which keeps the port while nobody listens ---

int bound_socket(std::uint16_t port) {
    const int made = tcp_socket();
    set_option(made, SOL_SOCKET, SO_REUSEADDR);
    set_option(made, SOL_SOCKET, SO_REUSEPORT);
    const sockaddr_in address = loopback(port);
    if (bind(made, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) die_errno("bind");
    return made;
}

std::uint16_t port_of(int socket) {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length);
    return ntohs(address.sin_port);
}

// Listens before it returns, so that the port answers from then on.
pid_t start_server(std::uint16_t port) {
    const int acceptor = bound_socket(port);
    if (listen(acceptor, 4096) != 0) die_errno("listen");
    const pid_t child = fork();
    if (child < 0) die_errno("fork");
    if (child > 0) {
        close(acceptor);
        return child;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t ring;
    sigemptyset(&ring);
    sigaddset(&ring, SIGUSR1);
    Server{}.run(acceptor, signalfd(-1, &ring, SFD_NONBLOCK | SFD_CLOEXEC));
}

void stop_server(pid_t child) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
}

}  // namespace

int main(int argc, char** argv) {
    std::uint16_t port = 0;
    double away = 2;
    for (int i = 1; i < argc; i += 2) {
        const std::string_view name = argv[i];
        if (i + 1 == argc || (name != "--port" && name != "--away")) die("usage: bench_client_source [--port P] [--away SECONDS]");
        if (name == "--port") port = static_cast<std::uint16_t>(std::atoi(argv[i + 1]));
        if (name == "--away") away = std::max(0.0, std::atof(argv[i + 1]));
    }

    sigset_t signals;
    sigemptyset(&signals);
    for (const int one : {SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, one);
    sigprocmask(SIG_BLOCK, &signals, nullptr);

    const int keeper = bound_socket(port);
    port = port_of(keeper);
    pid_t server = start_server(port);
    std::printf("listening on http://127.0.0.1:%d\n", int{port});
    std::fflush(stdout);
    for (;;) {
        int signal = 0;
        sigwait(&signals, &signal);
        if (signal == SIGUSR1) {
            kill(server, SIGUSR1);
            continue;
        }
        stop_server(server);
        if (signal != SIGUSR2) return 0;
        usleep(static_cast<useconds_t>(away * 1e6));
        server = start_server(port);
    }
}
