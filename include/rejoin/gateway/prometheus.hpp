#ifndef REJOIN_GATEWAY_PROMETHEUS_HPP
#define REJOIN_GATEWAY_PROMETHEUS_HPP

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <rejoin/error.hpp>
#include <rejoin/gateway/metrics.hpp>
#include <rejoin/sse/detail/utf8.hpp>
#include <rejoin/version.hpp>

namespace rejoin {

/// One label of a sample. Views: valid as long as what they were made from.
struct PrometheusLabel {
    std::string_view name;
    std::string_view value;
};

/// Writes metrics in Prometheus' text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/): a family
/// (`counter()`, `gauge()`, `histogram()`), then its samples, then the next family.
///
/// Label values and help texts may hold anything: they are escaped, and what is not UTF-8 becomes U+FFFD. Names come from the
/// program, so bad ones are misuse: `std::system_error` (`Error::invalid_option`), nothing written. Which samples a family
/// may have at all (each label set once) is the caller's matter. Thread safety: distinct objects safe.
class PrometheusWriter {
public:
    /// The text's `Content-Type`.
    static constexpr std::string_view content_type = "text/plain; version=0.0.4; charset=utf-8";

    using Labels = std::span<const PrometheusLabel>;

    /// Appends to `out`, which must outlive the writer.
    explicit PrometheusWriter(std::string& out) : out_{out} {}

    /// Begins the family of a number that only grows. `name` ends in `_total`.
    void counter(std::string_view name, std::string_view help) {
        check(is_name(name, true) && name.ends_with("_total"));
        family(name, help, "counter");
    }

    /// Begins the family of a number that goes up and down.
    void gauge(std::string_view name, std::string_view help) {
        check(is_name(name, true) && !name.ends_with("_total"));
        family(name, help, "gauge");
    }

    /// Begins the family of a distribution. `name` holds the unit that the samples are scaled to.
    void histogram(std::string_view name, std::string_view help) {
        check(is_name(name, true) && !name.ends_with("_total"));
        family(name, help, "histogram");
    }

    /// A sample of the counter or gauge that was begun last.
    void sample(std::uint64_t value, Labels labels = {}) { line("", labels, {}, value); }
    void sample(double value, Labels labels = {}) { line("", labels, {}, value); }

    /// The samples of the histogram that was begun last. `unit`: what one of the histogram's own units is in that of the
    /// family, as 1e-6 for microseconds written as seconds.
    void sample(const Histogram& histogram, double unit, Labels labels = {}) {
        std::uint64_t count = 0;
        for (std::size_t i = 0; i < histogram.size(); ++i) {
            count += histogram.bucket(i);
            Number bound{static_cast<double>(histogram.bound(i)) * unit};
            line("_bucket", labels, bound.text(), count);
        }
        count += histogram.bucket(histogram.size());
        line("_bucket", labels, "+Inf", count);
        line("_sum", labels, {}, static_cast<double>(histogram.sum()) * unit);
        line("_count", labels, {}, count);
    }

private:
    // A number as text, without any locale's say in it.
    class Number {
    public:
        explicit Number(std::uint64_t value) : end_{std::to_chars(digits_.data(), digits_.data() + digits_.size(), value).ptr} {}

        explicit Number(double value) {
            if (std::isnan(value)) {
                set("NaN");
            } else if (std::isinf(value)) {
                set(value > 0 ? "+Inf" : "-Inf");
            } else {
                // 15 digits: scaling leaves errors in the last two, and a bound must not change its name.
                end_ = std::to_chars(digits_.data(), digits_.data() + digits_.size(), value, std::chars_format::general, 15).ptr;
            }
        }

        std::string_view text() const { return {digits_.data(), static_cast<std::size_t>(end_ - digits_.data())}; }

    private:
        void set(std::string_view text) { end_ = std::copy(text.begin(), text.end(), digits_.begin()); }

        std::array<char, 32> digits_{};
        char* end_ = digits_.data();
    };

    static void check(bool good) {
        if (!good) throw std::system_error{make_error_code(Error::invalid_option), "PrometheusWriter"};
    }

    static bool is_name(std::string_view name, bool colons) {
        const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
        if (name.empty() || (name.front() >= '0' && name.front() <= '9')) return false;
        return std::all_of(name.begin(), name.end(),
                           [&](char c) { return letter(c) || (c >= '0' && c <= '9') || (colons && c == ':'); });
    }

    void family(std::string_view name, std::string_view help, std::string_view type) {
        name_ = name;
        out_.append("# HELP ").append(name).append(" ");
        append_escaped(help, false);
        out_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
    }

    void line(std::string_view suffix, Labels labels, std::string_view bound, std::uint64_t value) {
        write(suffix, labels, bound, Number{value});
    }

    void line(std::string_view suffix, Labels labels, std::string_view bound, double value) {
        write(suffix, labels, bound, Number{value});
    }

    void write(std::string_view suffix, Labels labels, std::string_view bound, const Number& value) {
        check(!name_.empty());
        for (const PrometheusLabel& label : labels) {
            check(is_name(label.name, false) && !label.name.starts_with("__") && label.name != "le");
        }
        out_.append(name_).append(suffix);
        char separator = '{';
        const auto add = [&](std::string_view name, std::string_view text) {
            out_ += separator;
            separator = ',';
            out_.append(name).append("=\"");
            append_escaped(text, true);
            out_ += '"';
        };
        for (const PrometheusLabel& label : labels) add(label.name, label.value);
        if (!bound.empty()) add("le", bound);
        if (separator == ',') out_ += '}';
        out_.append(" ").append(value.text()).append("\n");
    }

    void append_escaped(std::string_view text, bool quotes) {
        std::string storage;
        for (const char c : detail::utf8_replaced(text, storage)) {
            if (c == '\\') {
                out_ += "\\\\";
            } else if (c == '\n') {
                out_ += "\\n";
            } else if (quotes && c == '"') {
                out_ += "\\\"";
            } else {
                out_ += c;
            }
        }
    }

    std::string& out_;
    std::string name_;
};

/// One part of a gateway that counts for itself, as each route does.
struct MetricsSource {
    const GatewayMetrics& metrics;
    GatewayGauges now;
    /// Value of the label `route`, each once; empty: no such label.
    std::string_view route;
};

namespace detail {

/// One family after the other, with a sample of each source in it.
class MetricsText {
public:
    MetricsText(std::string& out, std::span<const MetricsSource> sources) : writer_{out}, sources_{sources} {}

    void counter(std::string_view name, std::string_view help, Counter GatewayMetrics::*member) {
        writer_.counter(name, help);
        for (const MetricsSource& source : sources_) writer_.sample((source.metrics.*member).value(), route(source));
    }

    void gauge(std::string_view name, std::string_view help, std::uint64_t GatewayGauges::*member) {
        writer_.gauge(name, help);
        for (const MetricsSource& source : sources_) writer_.sample(source.now.*member, route(source));
    }

    // A sample for each state, 1 for the one that is.
    template <class State, class Text>
    void state(std::string_view name, std::string_view help, std::string_view label, State GatewayGauges::*member, Text text, std::size_t states) {
        writer_.gauge(name, help);
        for (const MetricsSource& source : sources_) {
            for (std::size_t i = 0; i < states; ++i) {
                const std::array labels{PrometheusLabel{label, text(i)}, PrometheusLabel{"route", source.route}};
                const bool is = source.now.*member == static_cast<State>(i);
                writer_.sample(std::uint64_t{is}, std::span{labels}.first(source.route.empty() ? 1 : 2));
            }
        }
    }

    void histogram(std::string_view name, std::string_view help, Histogram GatewayMetrics::*member, double unit) {
        writer_.histogram(name, help);
        for (const MetricsSource& source : sources_) writer_.sample(source.metrics.*member, unit, route(source));
    }

    // One sample for each value from `first` on, labelled with what `text` makes of it. All of them, zeros too: a series
    // that appears with its first count has no beginning to compute a rate from.
    template <std::size_t size, class Text>
    void counters(std::string_view name, std::string_view help, std::string_view label, std::array<Counter, size> GatewayMetrics::*member,
                  Text text, std::size_t first = 0) {
        writer_.counter(name, help);
        for (const MetricsSource& source : sources_) {
            for (std::size_t i = first; i < size; ++i) {
                const std::array labels{PrometheusLabel{label, text(i)}, PrometheusLabel{"route", source.route}};
                writer_.sample((source.metrics.*member)[i].value(), std::span{labels}.first(source.route.empty() ? 1 : 2));
            }
        }
    }

private:
    PrometheusWriter::Labels route(const MetricsSource& source) {
        route_ = {PrometheusLabel{"route", source.route}};
        return std::span{route_}.first(source.route.empty() ? 0 : 1);
    }

    PrometheusWriter writer_;
    std::span<const MetricsSource> sources_;
    std::array<PrometheusLabel, 1> route_;
};

template <class Enum>
constexpr auto name_of = [](std::size_t i) { return to_string(static_cast<Enum>(i)); };

inline std::string_view breaker_state_name(std::size_t state) {
    switch (static_cast<CircuitBreaker::State>(state)) {
    case CircuitBreaker::State::closed: return "closed";
    case CircuitBreaker::State::open: return "open";
    case CircuitBreaker::State::half_open: return "half_open";
    }
    return "unknown";
}

}  // namespace detail

/// Appends all that a gateway counts, in the format of `PrometheusWriter`, every name beginning with `rejoin_`.
inline void write_metrics(std::string& out, std::span<const MetricsSource> sources) {
    using M = GatewayMetrics;
    using G = GatewayGauges;
    PrometheusWriter build{out};
    build.gauge("rejoin_build_info", "Always 1; the label tells the version.");
    const std::array version{PrometheusLabel{"version", REJOIN_VERSION_STRING}};
    build.sample(std::uint64_t{1}, version);

    detail::MetricsText text{out, sources};
    text.gauge("rejoin_streams", "Upstream streams that are kept now.", &G::streams);
    text.gauge("rejoin_clients", "Clients on a stream now.", &G::clients);
    text.gauge("rejoin_log_events", "Events kept in all logs.", &G::log_events);
    text.gauge("rejoin_log_bytes", "Bytes of events kept in all logs.", &G::log_bytes);

    text.state("rejoin_upstream_honours_last_event_id", "What the upstream was seen to make of Last-Event-ID.", "support", &G::resume_support,
               detail::name_of<ResumeSupport>, resume_support_count);

    text.counter("rejoin_requests_total", "Requests taken from clients.", &M::requests);
    constexpr std::array<std::string_view, 5> classes{"1xx", "2xx", "3xx", "4xx", "5xx"};
    text.counters("rejoin_responses_total", "Responses to clients, by class of status.", "code", &M::responses,
                  [&classes](std::size_t i) { return classes[i]; });

    text.counter("rejoin_upstream_attempts_total", "Requests sent upstream, reconnects included.", &M::upstream_requests);
    text.counters("rejoin_upstream_failures_total", "Requests upstream that got no response, by how far they came.", "phase", &M::failures,
                  detail::name_of<Phase>);
    text.counters("rejoin_upstream_drops_total", "Upstream streams that ended, by how.", "cause", &M::drops, detail::name_of<EndReason>);
    text.counters("rejoin_upstream_reconnects_total", "Attempts to go on with a stream, by what ended the attempt before.", "cause",
                  &M::reconnects, detail::name_of<EndReason>);
    text.histogram("rejoin_upstream_recovery_seconds", "From an upstream's drop until its stream was open again.", &M::recovery, 1e-6);
    text.counters("rejoin_resume_outcomes_total", "What the upstream made of the cursor after a reconnect.", "outcome", &M::resumes,
                  detail::name_of<ResumeOutcome>, 1);
    text.counter("rejoin_duplicates_dropped_total", "Events that an upstream repeated after a reconnect.", &M::duplicates);
    text.counter("rejoin_upstream_heartbeats_missed_total", "Upstream streams taken for dead: silent for too long, heartbeats included.",
                 &M::heartbeats_missed);
    text.counter("rejoin_upstream_stalls_total", "Upstream streams given up: heartbeats but no event for too long.", &M::stalls);
    text.counter("rejoin_upstream_received_bytes_total", "Bytes of event streams read from upstreams.", &M::upstream_bytes);
    text.counters("rejoin_circuit_state_changes_total", "Circuit breakers that changed their state, by the state entered.", "state",
                  &M::breaker_changes, detail::breaker_state_name);

    text.counter("rejoin_streams_opened_total", "Upstream streams opened.", &M::streams_opened);
    text.counter("rejoin_streams_completed_total", "Upstream streams that ended in the orderly way.", &M::streams_completed);
    text.counter("rejoin_streams_cut_total", "Upstream streams that were cut for good.", &M::streams_cut);
    text.counter("rejoin_streams_joined_total", "Upstream streams that caught up with another one and gave it their clients.",
                 &M::streams_joined);
    text.counter("rejoin_events_total", "Events taken into logs.", &M::events);
    text.counter("rejoin_events_refused_total", "Events dropped because they can't be framed.", &M::events_refused);
    text.counters("rejoin_log_evictions_total", "Events dropped from logs, by the bound that was reached.", "reason", &M::evictions_by,
                  detail::name_of<EvictionReason>);

    text.counter("rejoin_clients_opened_total", "Stream responses begun.", &M::clients_opened);
    text.counter("rejoin_clients_resumed_total", "Clients that went on exactly behind their last event, from a log.", &M::clients_resumed);
    text.counter("rejoin_clients_joined_total", "Clients that went on exactly behind their last event, from the upstream and then a log.",
                 &M::clients_joined);
    text.counters("rejoin_client_ends_total", "Stream responses that ended, by how.", "end", &M::client_ends, detail::name_of<ClientEnd>);
    text.counter("rejoin_clients_too_slow_total", "Clients cut because they did not keep up.", &M::clients_too_slow);
    text.counter("rejoin_clients_skipped_total", "Times that a client did not keep up and went on behind a gap.", &M::clients_skipped);
    text.counter("rejoin_events_skipped_total", "Events passed over for clients that did not keep up.", &M::events_skipped);
    text.counter("rejoin_events_delivered_total", "Events written to clients.", &M::events_delivered);
    text.counter("rejoin_client_sent_bytes_total", "Bytes of event streams written to clients.", &M::client_bytes);
    text.counter("rejoin_heartbeats_sent_total", "Heartbeats written to clients.", &M::heartbeats);
    text.counter("rejoin_gaps_total", "Gaps signalled.", &M::gaps);
    text.histogram("rejoin_gap_events", "Events missing in a gap, where that is known.", &M::gap_events, 1);
}

/// Appends what the one part of a gateway counts.
inline void write_metrics(std::string& out, const GatewayMetrics& metrics, const GatewayGauges& now = {}) {
    const std::array source{MetricsSource{metrics, now, {}}};
    write_metrics(out, source);
}

}  // namespace rejoin

#endif
