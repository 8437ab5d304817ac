// Both ends of a reverse proxy that is to be measured (proxy.sh runs it): an upstream that sends, clients that verify.
//
//     bench_proxy_load source [--port P]
//         Serves GET /...?size=BYTES&rate=EVENTS_PER_SECOND on the loopback, and prints "listening on URL". Each response
//         has the events 1, 2, ... (from the one behind Last-Event-ID), each in a chunk of its own; `size` bytes of data
//         (default 200). The first event comes at once; rate=0 (default) sends as fast as TCP takes them. Streams with a
//         rate beat at random, with step=1 all at the same moments.
//     bench_proxy_load sink --port P [--target /?size=200&rate=0] [--connections 1] [--ramp 1500] [--warmup 1]
//             [--seconds 4] [--pid PROXY] [--load PID]
//         Opens `ramp` connections a second, waits until each has had an event, then `warmup` seconds, then measures.
//         Prints one line of name=value pairs:
//           events          verified ones in the window; events_per_s
//           cpu_us          user and system time of the process PROXY and its descendants, per event
//           stream_bytes    their resident memory at the end, less that at the start, per connection
//           p50_us, p99_us  from the upstream's send to the client's receive
//           ready, failed, ended      connections: that had an event; refused; closed under us
//           gaps, dups, corrupt       events missing; that came again or late; that are not what was sent
//           foreign         percent of the first two processors that neither the proxy nor the load (PID, this) used
//
// Linux only, one thread.

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "load_checker.hpp"
#include "load_io.hpp"
#include "load_source.hpp"
#include "machine_usage.hpp"

namespace {

using namespace rejoin::bench;

struct SinkOptions {
    std::uint16_t port = 0;
    std::string target = "/?size=200&rate=0";
    std::size_t connections = 1;
    double ramp = 1500;
    double warmup = 1;
    double seconds = 4;
    int proxy = 0;
    int load = 0;
};

class Sink {
public:
    explicit Sink(const SinkOptions& options)
        : options_{options},
          size_{event_size(options.target)},
          proxy_{process_tree(options.proxy)},
          load_{process_tree(options.load)} {
        load_.push_back(getpid());
        request_ = "GET " + options.target + " HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n";
    }

    void run() {
        const double memory_before = resident_bytes(proxy_);
        connect_all();
        poll_until(now() + seconds(options_.warmup));

        const double proxy_before = cpu_seconds(proxy_);
        const double load_before = cpu_seconds(load_);
        const double busy_before = processors_busy().first;
        const Nanoseconds begin = now();
        counts_ = true;
        poll_until(begin + seconds(options_.seconds));
        const double window = static_cast<double>(now() - begin) / static_cast<double>(second);
        const double proxy_used = cpu_seconds(proxy_) - proxy_before;
        const double load_used = cpu_seconds(load_) - load_before;
        const auto [busy, processors] = processors_busy();
        const double foreign = (busy - busy_before - proxy_used - load_used) / (window * processors);

        const auto& t = totals_;
        const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
        const double events = static_cast<double>(std::max<std::uint64_t>(t.events, 1));
        std::printf("events=%llu events_per_s=%.0f cpu_us=%.3f stream_bytes=%.0f p50_us=%.0f p99_us=%.0f ",
                    number(t.events), static_cast<double>(t.events) / window, proxy_used * 1e6 / events,
                    (resident_bytes(proxy_) - memory_before) / static_cast<double>(options_.connections),
                    t.latency.microseconds_at(0.5), t.latency.microseconds_at(0.99));
        std::printf("connections=%zu ready=%llu failed=%llu ended=%llu gaps=%llu dups=%llu corrupt=%llu foreign=%.0f\n",
                    options_.connections, number(t.ready), number(t.failed), number(t.ended), number(t.gaps),
                    number(t.dups), number(t.corrupt), std::max(0.0, foreign * 100));
    }

private:
    struct Client {
        bool connected = false;
        ResponseReader response;
        Checker checker;
    };

    void connect_all() {
        const Nanoseconds begin = now();
        const auto connections = static_cast<double>(options_.connections);
        const Nanoseconds latest = begin + seconds(connections / options_.ramp + 10);
        std::size_t opened = 0;
        while (now() < latest && (opened < options_.connections || totals_.ready + totals_.failed < opened)) {
            const double due = static_cast<double>(now() - begin) / static_cast<double>(second) * options_.ramp + 1;
            for (; opened < options_.connections && static_cast<double>(opened) < due; ++opened) connect_one();
            poll_once(now() + second / 1000);
        }
    }

    void connect_one() {
        const int socket = tcp_socket();
        set_option(socket, IPPROTO_TCP, TCP_NODELAY);
        const sockaddr_in address = loopback(options_.port);
        if (connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno != EINPROGRESS) {
            ++totals_.failed;
            close(socket);
            return;
        }
        clients_[socket] = std::make_unique<Client>();
        poller_.add(socket, EPOLLIN | EPOLLOUT);
    }

    void poll_until(Nanoseconds deadline) {
        while (now() < deadline) poll_once(deadline);
    }

    void poll_once(Nanoseconds deadline) {
        poller_.wait(deadline, [&](int socket, std::uint32_t) {
            const auto it = clients_.find(socket);
            if (it == clients_.end() || serve(socket, *it->second)) return;
            close(socket);
            clients_.erase(it);
        });
    }

    /// False: the connection is over.
    bool serve(int socket, Client& client) {
        if (!client.connected) {
            client.connected = true;
            poller_.change(socket, EPOLLIN);
            if (send(socket, request_.data(), request_.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request_.size()))
                return true;
            ++totals_.failed;
            return false;
        }
        const ssize_t count = recv(socket, buffer_.data(), buffer_.size(), 0);
        if (count < 0 && errno == EAGAIN) return true;
        const Nanoseconds time = now();
        const auto on_body = [&](std::string_view body) { client.checker.feed(body, size_, time, counts_, totals_); };
        if (count > 0 && client.response.feed({buffer_.data(), static_cast<std::size_t>(count)}, on_body)) return true;
        ++(client.response.refused() ? totals_.failed : totals_.ended);
        return false;
    }

    SinkOptions options_;
    std::size_t size_;
    std::vector<int> proxy_;
    std::vector<int> load_;
    std::string request_;
    Poller poller_;
    std::map<int, std::unique_ptr<Client>> clients_;
    std::vector<char> buffer_ = std::vector<char>(256 * 1024);
    Totals totals_;
    bool counts_ = false;
};

std::map<std::string, std::string> parse_options(int argc, char** argv, std::string_view known) {
    std::map<std::string, std::string> options;
    for (int i = 2; i < argc; i += 2) {
        const std::string name = argv[i];
        if (i + 1 == argc || known.find(' ' + name + ' ') == std::string_view::npos)
            die("unknown option, or no value: " + name);
        options[name] = argv[i + 1];
    }
    return options;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string role = argc > 1 ? argv[1] : "";
    if (role == "source") {
        auto options = parse_options(argc, argv, " --port ");
        Source{}.run(static_cast<std::uint16_t>(std::atoi(options["--port"].c_str())));
        return 0;
    }
    if (role != "sink") die("usage: bench_proxy_load source|sink [--option value]...");
    SinkOptions sink;
    for (const auto& [name, value] :
         parse_options(argc, argv, " --port --target --connections --ramp --warmup --seconds --pid --load ")) {
        if (name == "--port") sink.port = static_cast<std::uint16_t>(std::atoi(value.c_str()));
        if (name == "--target") sink.target = value;
        if (name == "--connections")
            sink.connections = std::max<std::size_t>(1, std::strtoull(value.c_str(), nullptr, 10));
        if (name == "--ramp") sink.ramp = std::max(1.0, std::atof(value.c_str()));
        if (name == "--warmup") sink.warmup = std::atof(value.c_str());
        if (name == "--seconds") sink.seconds = std::max(0.1, std::atof(value.c_str()));
        if (name == "--pid") sink.proxy = std::atoi(value.c_str());
        if (name == "--load") sink.load = std::atoi(value.c_str());
    }
    Sink{sink}.run();
    return 0;
}
