#ifndef REJOIN_BENCHMARKS_LOAD_CHECKER_HPP
#define REJOIN_BENCHMARKS_LOAD_CHECKER_HPP

// What the clients of bench_proxy_load do with the bytes they get. Not the library's own parsers: the measure must not
// change with what it measures.

#include <strings.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "load_io.hpp"

namespace rejoin::bench {

/// The body of a response 200, piece by piece.
class ResponseReader {
public:
    bool refused() const { return state_ == State::refused; }

    /// False: the response has ended, or is not a stream.
    template <class OnBody>
    bool feed(std::string_view bytes, OnBody&& on_body) {
        while (!bytes.empty()) {
            switch (state_) {
            case State::data: {
                const std::size_t count = std::min<std::size_t>(bytes.size(), left_);
                on_body(bytes.substr(0, count));
                bytes.remove_prefix(count);
                left_ -= count;
                if (left_ == 0) state_ = State::data_end;
                break;
            }
            case State::until_close: on_body(bytes); return true;
            case State::ended:
            case State::refused: return false;
            default: take_line(bytes);
            }
        }
        return state_ != State::ended && state_ != State::refused;
    }

private:
    enum class State { status, fields, size, data, data_end, trailer, until_close, ended, refused };

    void take_line(std::string_view& bytes) {
        const std::size_t end = bytes.find('\n');
        line_.append(bytes.substr(0, end));
        bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
        if (end == std::string_view::npos) return;
        if (line_.ends_with('\r')) line_.pop_back();
        on_line();
        line_.clear();
    }

    void on_line() {
        switch (state_) {
        case State::status: state_ = line_.starts_with("HTTP/1.1 200") ? State::fields : State::refused; break;
        case State::fields:
            if (line_.empty()) state_ = chunked_ ? State::size : State::until_close;
            chunked_ = chunked_ || strcasecmp(line_.c_str(), "transfer-encoding: chunked") == 0;
            break;
        case State::size:
            left_ = std::strtoull(line_.c_str(), nullptr, 16);
            state_ = left_ > 0 ? State::data : State::trailer;
            break;
        case State::data_end: state_ = State::size; break;
        case State::trailer:
            if (line_.empty()) state_ = State::ended;
            break;
        default: break;
        }
    }

    State state_ = State::status;
    std::string line_;
    std::uint64_t left_ = 0;
    bool chunked_ = false;
};

/// Log-linear: 64 steps to each power of two.
class Histogram {
public:
    void add(Nanoseconds value) {
        const auto positive = static_cast<std::uint64_t>(std::max<Nanoseconds>(value, 64));
        const auto power = static_cast<std::size_t>(std::bit_width(positive)) - 7;
        ++counts_[power * 64 + (positive >> power) - 64];
        ++total_;
    }

    double microseconds_at(double quantile) const {
        std::uint64_t left = static_cast<std::uint64_t>(quantile * static_cast<double>(total_));
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            if (counts_[i] > left) return static_cast<double>((i % 64 + 64) << (i / 64)) / 1000;
            left -= counts_[i];
        }
        return 0;
    }

private:
    std::array<std::uint64_t, 64 * 57> counts_{};
    std::uint64_t total_ = 0;
};

struct Totals {
    std::uint64_t events = 0;  // in the window; the others count from the start
    std::uint64_t ready = 0;
    std::uint64_t failed = 0;
    std::uint64_t ended = 0;
    std::uint64_t gaps = 0;
    std::uint64_t dups = 0;
    std::uint64_t corrupt = 0;
    Histogram latency;
};

/// Verifies one stream: every event whole, in order, none missing.
class Checker {
public:
    void feed(std::string_view body, std::size_t size, Nanoseconds time, bool counts, Totals& totals) {
        while (!body.empty()) {
            const std::size_t end = body.find('\n');
            if (end == std::string_view::npos || !open_.empty()) open_.append(body.substr(0, end));
            if (end == std::string_view::npos) return;
            std::string_view line = open_.empty() ? body.substr(0, end) : std::string_view{open_};
            if (line.ends_with('\r')) line.remove_suffix(1);
            if (line.empty()) {
                on_event(time, counts, totals);
            } else {
                on_line(line, size);
            }
            open_.clear();
            body.remove_prefix(end + 1);
        }
    }

private:
    struct Event {
        std::uint64_t id = 0;
        std::uint64_t id_in_data = 0;
        Nanoseconds sent = 0;
        bool has_data = false;
        bool wrong = false;
    };

    void on_line(std::string_view line, std::size_t size) {
        const std::size_t colon = std::min(line.find(':'), line.size());
        const std::string_view name = line.substr(0, colon);
        const std::string_view value = trim_front(line.substr(std::min(colon + 1, line.size())));
        if (name == "id") event_.id = leading_number(value);
        if (name == "event" && value != "message") event_.wrong = true;
        if (name != "data") return;
        event_.wrong = event_.wrong || event_.has_data || value.size() != size;
        event_.has_data = true;
        if (event_.wrong) return;
        event_.sent = static_cast<Nanoseconds>(leading_number(value)) - second * second;
        const std::string_view rest = value.substr(stamp_digits + 1);
        event_.id_in_data = leading_number(rest);
        const std::string_view letters = rest.substr(std::min(rest.find(' '), rest.size() - 1) + 1);
        event_.wrong = letters != filler(event_.id_in_data, letters.size());
    }

    void on_event(Nanoseconds time, bool counts, Totals& totals) {
        const Event event = std::exchange(event_, Event{});
        if (!event.has_data) return;
        if (event.wrong || event.id == 0 || event.id != event.id_in_data) {
            ++totals.corrupt;
            return;
        }
        if (last_ == 0) {
            ++totals.ready;
        } else if (event.id <= last_) {
            ++totals.dups;
        } else {
            totals.gaps += event.id - last_ - 1;
        }
        last_ = std::max(last_, event.id);
        if (!counts) return;
        ++totals.events;
        totals.latency.add(time - event.sent);
    }

    std::string open_;  // a line whose end has not come
    Event event_;
    std::uint64_t last_ = 0;
};

}  // namespace rejoin::bench

#endif
