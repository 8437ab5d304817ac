// How fast SseParser is, beside a memchr scan for the line ends of the same bytes in the same run; that its cost per byte
// does not depend on how the bytes are cut; and what it allocates.
//
//     bench_parser [MEBIBYTES of each corpus, default 16]
//
// Numbers of one machine say little; the ratios do.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include <rejoin/sse/parser.hpp>

#include "corpus.hpp"

namespace {

std::size_t allocations = 0;

void* counted(std::size_t size) {
    ++allocations;
    if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
    throw std::bad_alloc{};
}

}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using namespace rejoin;

// What a consumer must at least do: look at each value. Kept where the optimiser can't drop it.
volatile std::uint64_t sink = 0;

struct Counts {
    std::uint64_t items = 0;
    std::uint64_t bytes = 0;
};

Counts parse(SseParser& parser, std::string_view bytes, std::size_t read_size) {
    Counts counts;
    SseEventView event;
    for (std::size_t at = 0; at < bytes.size(); at += read_size) {
        parser.feed(bytes.substr(at, read_size));
        while (parser.next(event)) {
            ++counts.items;
            counts.bytes += event.data.size() + event.type.size() + event.last_event_id.size();
        }
    }
    sink = sink + counts.bytes;
    return counts;
}

Counts parse_owning(SseParser& parser, std::string_view bytes, std::size_t read_size) {
    Counts counts;
    SseEventView view;
    SseEvent event;
    for (std::size_t at = 0; at < bytes.size(); at += read_size) {
        parser.feed(bytes.substr(at, read_size));
        while (parser.next(view)) {
            event = view;
            ++counts.items;
            counts.bytes += event.data.size() + event.type.size() + event.last_event_id.size();
        }
    }
    sink = sink + counts.bytes;
    return counts;
}

Counts scan(std::string_view bytes, std::size_t read_size) {
    Counts counts;
    for (std::size_t at = 0; at < bytes.size(); at += read_size) {
        std::string_view read = bytes.substr(at, read_size);
        while (const void* end = std::memchr(read.data(), '\n', read.size())) {
            ++counts.items;
            read.remove_prefix(static_cast<std::size_t>(static_cast<const char*>(end) - read.data()) + 1);
            if (read.empty()) break;
        }
    }
    sink = sink + counts.items;
    return counts;
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// CPU seconds of the best run of each work, the works taking turns: what disturbs a run only ever makes it slower, and
/// what slows the machine for a while slows all of them.
template <class... Work>
std::array<double, sizeof...(Work)> best_times(Work... works) {
    std::array<double, sizeof...(Work)> best;
    best.fill(1e9);
    for (int run = 0; run < 9; ++run) {
        std::size_t i = 0;
        const auto time = [&](auto& work) {
            const double begin = cpu_seconds();
            work();
            best[i] = std::min(best[i], cpu_seconds() - begin);
            ++i;
        };
        (time(works), ...);
    }
    return best;
}

double megabytes_per_second(std::size_t bytes, double seconds) { return static_cast<double>(bytes) / seconds / 1e6; }

void throughput(std::size_t size) {
    std::printf("16 KiB reads\n%-10s %10s %10s %7s %11s %11s %10s %10s\n", "corpus", "MB/s", "memchr", "ratio",
                "events", "ns/event", "alloc/ev", "owning");
    constexpr std::size_t read_size = 16 * 1024;
    for (const bench::Corpus& corpus : bench::all_corpora(size)) {
        const std::string_view bytes = corpus.bytes;
        SseParser parser;
        Counts counts = parse(parser, bytes, read_size);  // warms the buffers
        const std::size_t before = allocations;
        counts = parse(parser, bytes, read_size);
        const std::size_t allocated = allocations - before;
        const auto [parsing, scanning, owning] =
            best_times([&] { parse(parser, bytes, read_size); }, [&] { scan(bytes, read_size); },
                       [&] { parse_owning(parser, bytes, read_size); });
        const auto events = static_cast<double>(counts.items);
        std::printf("%-10s %10.0f %10.0f %7.2f %11.0f %11.1f %10.4f %9.2fx\n", corpus.name,
                    megabytes_per_second(bytes.size(), parsing), megabytes_per_second(bytes.size(), scanning),
                    scanning / parsing, events, parsing / events * 1e9, static_cast<double>(allocated) / events,
                    parsing / owning);
    }
    std::printf(
        "ratio: of the speed of one memchr for each line. owning: speed with each event copied into one SseEvent, of "
        "the speed with views.\n\n");
}

/// One event with a single line of `size` bytes, fed from the same read buffer again and again as a socket's would be.
void parse_line(SseParser& parser, std::size_t size, std::string_view buffer) {
    SseEventView event;
    std::uint64_t found = 0;
    const auto feed = [&](std::string_view bytes) {
        parser.feed(bytes);
        while (parser.next(event)) found += event.data.size();
    };
    feed("data: ");
    for (std::size_t at = 0; at < size; at += buffer.size()) feed(buffer);
    feed("\n\n");
    if (found != size) std::abort();
    sink = sink + found;
}

void linearity() {
    const std::vector<std::size_t> reads = {64, 1024, 4096, 16 * 1024, 64 * 1024};
    std::printf("One line in reads of so many bytes, ns/byte\n%-12s", "line");
    for (const std::size_t read_size : reads) std::printf("%9zu", read_size);
    std::printf("\n");
    for (const std::size_t mebibytes : {1u, 2u, 4u, 8u}) {
        std::printf("%2zu MiB      ", mebibytes);
        const std::size_t size = mebibytes << 20;
        for (const std::size_t read_size : reads) {
            SseParserOptions options;
            options.limits = {.line = 0, .event = 0};
            SseParser parser{options};
            const std::string buffer(read_size, 'x');
            parse_line(parser, size, buffer);
            const auto [seconds] = best_times([&] { parse_line(parser, size, buffer); });
            std::printf("%9.4f", seconds / static_cast<double>(size) * 1e9);
        }
        std::printf("\n");
    }
    std::printf("\n");
}

void small_reads(std::size_t size) {
    std::printf("tokens, by size of the reads\n%-12s", "bytes");
    const bench::Corpus corpus = bench::make_corpus("tokens", size / 4, bench::token_event);
    const std::vector<std::size_t> reads = {1, 16, 64, 256, 1460, 4096, 16 * 1024, 64 * 1024};
    for (const std::size_t read_size : reads) std::printf("%9zu", read_size);
    std::printf("\n%-12s", "MB/s");
    for (const std::size_t read_size : reads) {
        SseParser parser;
        const auto [seconds] = best_times([&] { parse(parser, corpus.bytes, read_size); });
        std::printf("%9.0f", megabytes_per_second(corpus.bytes.size(), seconds));
    }
    std::printf("\n");
}

}  // namespace

int main(int argc, char* argv[]) {
    const long mebibytes = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 16;
    if (mebibytes < 1 || argc > 2) {
        std::fprintf(stderr, "usage: bench_parser [MEBIBYTES]\n");
        return 1;
    }
    const auto size = static_cast<std::size_t>(mebibytes) << 20;
    throughput(size);
    linearity();
    small_reads(size);
}
