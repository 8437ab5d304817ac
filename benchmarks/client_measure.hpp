#ifndef REJOIN_BENCHMARKS_CLIENT_MEASURE_HPP
#define REJOIN_BENCHMARKS_CLIENT_MEASURE_HPP

// What the clients of the client benchmark have in common: their arguments, and what they used of the machine.

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "load_io.hpp"
#include "machine_usage.hpp"

namespace rejoin::bench {

struct ClientOptions {
    std::string scenario;  // full, idle, storm
    std::string mode;      // how the client reads
    std::uint16_t port = 0;
    std::size_t streams = 1;
    double seconds = 4;     // full: the measured window; idle: how long all are held
    double heartbeat = 15;  // idle: seconds between the server's comments
    double ramp = 2000;     // streams opened a second
    double away = 2;        // storm: how long the server is away, seconds
    int load = 0;           // the server's process
};

inline ClientOptions parse_client_options(int argc, char** argv, std::string_view modes) {
    ClientOptions options;
    const std::string usage = std::string{"usage: "} + argv[0] + " full|idle|storm " + std::string{modes} +
                              " --port P --load PID [--streams N] [--seconds S] [--heartbeat S] [--ramp N] [--away S]";
    const auto refuse = [&usage] {
        std::fprintf(stderr, "%s\n", usage.c_str());
        std::exit(2);
    };
    if (argc < 3 || argc % 2 == 0) refuse();
    options.scenario = argv[1];
    options.mode = argv[2];
    for (int i = 3; i < argc; i += 2) {
        const std::string_view name = argv[i];
        const double value = std::max(0.0, std::atof(argv[i + 1]));
        if (name == "--port") options.port = static_cast<std::uint16_t>(value);
        else if (name == "--streams") options.streams = std::max<std::size_t>(1, static_cast<std::size_t>(value));
        else if (name == "--seconds") options.seconds = value;
        else if (name == "--heartbeat") options.heartbeat = value;
        else if (name == "--ramp") options.ramp = std::max(1.0, value);
        else if (name == "--away") options.away = value;
        else if (name == "--load") options.load = static_cast<int>(value);
        else refuse();
    }
    const bool known = options.scenario == "full" || options.scenario == "idle" || options.scenario == "storm";
    if (!known || options.port == 0 || options.load == 0) refuse();
    return options;
}

inline std::string target_of(const ClientOptions& options) {
    return options.scenario == "full" ? "/full" : "/quiet?heartbeat=" + std::to_string(options.heartbeat);
}

inline double own_cpu_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto in_seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6; };
    return in_seconds(usage.ru_utime) + in_seconds(usage.ru_stime);
}

inline double own_resident_bytes() { return resident_bytes({getpid()}); }

inline std::size_t open_sockets() {
    std::size_t count = 0;
    std::error_code gone;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
        if (std::filesystem::read_symlink(entry.path(), gone).string().starts_with("socket:")) ++count;
    }
    return count;
}

/// A window of time, and what this process and others used meanwhile.
class Window {
public:
    explicit Window(int load)
        : load_{load}, cpu_{own_cpu_seconds()}, load_cpu_{cpu_seconds(process_tree(load))}, busy_{processors_busy().first}, begin_{now()} {}

    double seconds() const { return static_cast<double>(now() - begin_) / static_cast<double>(second); }
    double cpu() const { return own_cpu_seconds() - cpu_; }

    /// Percent of the first two processors that neither this process nor the server used.
    double foreign() const {
        const double used = cpu() + std::max(0.0, cpu_seconds(process_tree(load_)) - load_cpu_);
        const auto [busy, processors] = processors_busy();
        return std::max(0.0, (busy - busy_ - used) / (seconds() * processors) * 100);
    }

private:
    int load_;
    double cpu_;
    double load_cpu_;
    double busy_;
    Nanoseconds begin_;
};

inline void print_full(const Window& window, std::uint64_t events, std::size_t ready, const ClientOptions& options) {
    const double count = static_cast<double>(std::max<std::uint64_t>(events, 1));
    const double cpu = window.cpu();
    const double seconds = window.seconds();
    std::printf("events=%llu events_per_s=%.0f cpu_us=%.4f cpu_share=%.0f streams=%zu ready=%zu foreign=%.0f\n",
                static_cast<unsigned long long>(events), count / seconds, cpu * 1e6 / count, cpu / seconds * 100, options.streams, ready,
                window.foreign());
}

struct IdleFigures {
    double stream_bytes = 0;       // resident memory of this process for each stream
    std::size_t open = 0;          // at the end of the hold
    std::size_t dropped = 0;       // connections that ended meanwhile
    std::size_t alive = 0;         // streams that gave the event which the server sent to all at the end
    std::size_t sockets = 0;
    double cpu_ms_per_s = 0;
};

inline void print_idle(const Window& window, const IdleFigures& figures, const ClientOptions& options) {
    std::printf("stream_bytes=%.0f streams=%zu open=%zu dropped=%zu alive=%zu sockets=%zu cpu_ms_per_s=%.2f held_s=%.1f foreign=%.0f\n",
                figures.stream_bytes, options.streams, figures.open, figures.dropped, figures.alive, figures.sockets, figures.cpu_ms_per_s,
                window.seconds(), window.foreign());
}

struct StormFigures {
    double away_s = 0;  // from the kill on, measured
    double away_cpu = 0;
    std::size_t away_attempts = 0;
    double half_s = 0;  // from the server's return until half of the streams, and all, were back
    double all_s = 0;
    double all_cpu = 0;  // from the kill until all were back
    std::size_t attempts = 0;
    std::size_t open = 0;
    std::size_t dropped = 0;
    std::size_t events = 0;
    std::size_t gaps = 0;
};

inline void print_storm(const Window& window, const StormFigures& figures, const ClientOptions& options) {
    std::printf("away_cpu_ms=%.0f away_share=%.1f away_attempts=%zu half_s=%.2f all_s=%.2f all_cpu_ms=%.0f attempts=%zu streams=%zu ",
                figures.away_cpu * 1e3, figures.away_cpu / figures.away_s * 100, figures.away_attempts, figures.half_s, figures.all_s,
                figures.all_cpu * 1e3, figures.attempts, options.streams);
    std::printf("open=%zu dropped=%zu events=%zu gaps=%zu foreign=%.0f\n", figures.open, figures.dropped, figures.events, figures.gaps,
                window.foreign());
}

}  // namespace rejoin::bench

#endif
