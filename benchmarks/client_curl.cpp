// libcurl in the client benchmark (client.sh runs it): `streams` transfers of one multi handle on one thread, its sockets
// watched by epoll through CURLMOPT_SOCKETFUNCTION (the way that scales). One line of name=value pairs as bench_client_rejoin
// prints it.
//
//     bench_client_curl full bytes|lines   bytes: the write callback adds up the bytes, and does nothing else (events are
//                                          counted from them, since all have one length). lines: it also looks for the ends
//                                          of lines, and counts an event for each blank line after another; a line that is
//                                          cut goes on in the next piece. No field is told apart, nothing is kept.
//     bench_client_curl idle lines
//
// It has no part in `storm`: libcurl does not reconnect. At full speed its read buffer is 64 KiB, as ours; the default of
// 16 KiB would cost it reads. Idle ones have the default.

#include <curl/curl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client_events.hpp"
#include "client_measure.hpp"

namespace {

using namespace rejoin::bench;

struct Totals {
    std::uint64_t bytes = 0;
    std::uint64_t events = 0;
    std::size_t ready = 0;
    std::size_t ended = 0;
};

struct Stream {
    Totals* totals = nullptr;
    bool ready = false;
    bool line_begun = false;   // bytes of the current line have come
    bool block_begun = false;  // a line of the current event has
};

void note_ready(Stream& stream) {
    stream.totals->ready += stream.ready ? 0 : 1;
    stream.ready = true;
}

std::size_t count_bytes(char*, std::size_t, std::size_t size, void* user) {
    Stream& stream = *static_cast<Stream*>(user);
    stream.totals->bytes += size;
    note_ready(stream);
    return size;
}

std::size_t count_events(char* data, std::size_t, std::size_t size, void* user) {
    Stream& stream = *static_cast<Stream*>(user);
    const char* const end = data + size;
    while (data != end) {
        const auto* newline = static_cast<const char*>(std::memchr(data, '\n', static_cast<std::size_t>(end - data)));
        if (newline == nullptr) {
            stream.line_begun = true;
            break;
        }
        const bool blank = newline == data && !stream.line_begun;
        const bool comment = *data == ':' && !stream.line_begun;
        if (blank && stream.block_begun) {
            ++stream.totals->events;
            note_ready(stream);
        }
        stream.block_begun = !blank && (stream.block_begun || !comment);
        stream.line_begun = false;
        data = const_cast<char*>(newline) + 1;
    }
    return size;
}

class Bench {
public:
    explicit Bench(const ClientOptions& options) : options_{options}, counts_events_{options.mode == "lines"} {
        curl_global_init(CURL_GLOBAL_DEFAULT);
        multi_ = curl_multi_init();
        curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &on_socket);
        curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
        curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &on_timer);
        curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    }

    void run() {
        const double memory = own_resident_bytes();
        const Nanoseconds begin = now();
        const Nanoseconds latest = begin + seconds(static_cast<double>(options_.streams) / options_.ramp + 20);
        while (now() < latest && totals_.ready < options_.streams) {
            const double due = static_cast<double>(now() - begin) / static_cast<double>(second) * options_.ramp + 1;
            while (streams_.size() < options_.streams && static_cast<double>(streams_.size()) < due) open_one();
            turn(now() + second / 200);
        }
        turn_until(now() + second);
        if (options_.scenario == "full") full();
        else idle(memory);
        std::fflush(stdout);
        _exit(0);  // thousands of handles need not be taken apart
    }

private:
    void open_one() {
        streams_.push_back(std::make_unique<Stream>());
        streams_.back()->totals = &totals_;
        CURL* const easy = curl_easy_init();
        const std::string url = "http://127.0.0.1:" + std::to_string(options_.port) + target_of(options_);
        curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, counts_events_ ? &count_events : &count_bytes);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, streams_.back().get());
        if (options_.scenario == "full") curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 64L * 1024);
        curl_multi_add_handle(multi_, easy);
    }

    static int on_socket(CURL*, curl_socket_t socket, int what, void* user, void*) {
        Bench& self = *static_cast<Bench*>(user);
        if (what == CURL_POLL_REMOVE) {
            epoll_ctl(self.epoll_, EPOLL_CTL_DEL, socket, nullptr);
            return 0;
        }
        epoll_event event{};
        event.data.fd = socket;
        event.events = ((what & CURL_POLL_IN) != 0 ? std::uint32_t{EPOLLIN} : 0U) | ((what & CURL_POLL_OUT) != 0 ? std::uint32_t{EPOLLOUT} : 0U);
        if (epoll_ctl(self.epoll_, EPOLL_CTL_MOD, socket, &event) != 0) epoll_ctl(self.epoll_, EPOLL_CTL_ADD, socket, &event);
        return 0;
    }

    static int on_timer(CURLM*, long milliseconds, void* user) {
        static_cast<Bench*>(user)->timer_ = milliseconds < 0 ? never : now() + milliseconds * (second / 1000);
        return 0;
    }

    void turn_until(Nanoseconds deadline) {
        while (now() < deadline) turn(deadline);
    }

    void turn(Nanoseconds deadline) {
        const Nanoseconds wake = std::min(deadline, timer_);
        const Nanoseconds wait = std::max<Nanoseconds>(0, wake - now());
        const int count = epoll_wait(epoll_, ready_.data(), static_cast<int>(ready_.size()), static_cast<int>((wait + 999'999) / 1'000'000));
        int running = 0;
        for (int i = 0; i < count; ++i) {
            const epoll_event& one = ready_[static_cast<std::size_t>(i)];
            const int what = ((one.events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) | ((one.events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                             ((one.events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);
            curl_multi_socket_action(multi_, one.data.fd, what, &running);
        }
        if (now() >= timer_) {
            timer_ = never;
            curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
        }
        int left = 0;
        while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) totals_.ended += message->msg == CURLMSG_DONE ? 1 : 0;
    }

    void full() {
        const Totals before = totals_;
        const Window window{options_.load};
        turn_until(now() + seconds(options_.seconds));
        const std::uint64_t events =
            counts_events_ ? totals_.events - before.events : (totals_.bytes - before.bytes) / token_event_bytes();
        print_full(window, events, totals_.ready - totals_.ended, options_);
    }

    void idle(double memory) {
        const Window window{options_.load};
        const std::size_t ended = totals_.ended;
        turn_until(now() + seconds(options_.seconds));
        IdleFigures figures;
        figures.cpu_ms_per_s = window.cpu() * 1e3 / window.seconds();
        figures.stream_bytes = (own_resident_bytes() - memory) / static_cast<double>(options_.streams);
        figures.open = totals_.ready - totals_.ended;
        figures.dropped = totals_.ended - ended;
        figures.sockets = open_sockets();
        const std::uint64_t events = totals_.events;
        kill(options_.load, SIGUSR1);
        const Nanoseconds latest = now() + 10 * second;
        while (now() < latest && totals_.events - events < options_.streams) turn(now() + second / 100);
        figures.alive = static_cast<std::size_t>(totals_.events - events);
        print_idle(window, figures, options_);
    }

    static constexpr Nanoseconds never = INT64_MAX;

    ClientOptions options_;
    bool counts_events_;
    CURLM* multi_ = nullptr;
    int epoll_ = epoll_create1(EPOLL_CLOEXEC);
    std::array<epoll_event, 512> ready_{};
    Nanoseconds timer_ = never;
    std::vector<std::unique_ptr<Stream>> streams_;
    Totals totals_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::string_view{argv[1]} == "--version") {
        std::printf("%s\n", curl_version_info(CURLVERSION_NOW)->version);
        return 0;
    }
    const ClientOptions options = parse_client_options(argc, argv, "bytes|lines");
    if (options.scenario == "storm") die("libcurl does not reconnect");
    Bench{options}.run();
    return 0;
}
