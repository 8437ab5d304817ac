#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <rejoin/gateway/prometheus.hpp>

#include "support/catch.hpp"

using namespace rejoin;

namespace {

/// What a writer makes of the calls in `write`.
template <class Write>
std::string written(Write write) {
    std::string out;
    PrometheusWriter writer{out};
    write(writer);
    return out;
}

template <class Write>
bool refused(Write write) {
    std::string out;
    PrometheusWriter writer{out};
    try {
        write(writer);
    } catch (const std::system_error& error) {
        return error.code() == Error::invalid_option && out.empty();
    }
    return false;
}

/// The lines that begin with `name` and then a space or a brace.
std::string samples(const std::string& text, const std::string& name) {
    std::string out;
    for (std::string_view rest = text; !rest.empty();) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(line.size() + 1);
        if (line.starts_with(name + " ") || line.starts_with(name + "{")) out.append(line).append("\n");
    }
    return out;
}

/// Metrics in which no two numbers that are written are the same, each above `from`.
struct Distinct {
    explicit Distinct(std::uint64_t from) {
        std::uint64_t next = from;
        for (Counter* const counter :
             {&metrics.requests, &metrics.upstream_requests, &metrics.upstream_bytes, &metrics.streams_opened, &metrics.streams_completed,
              &metrics.streams_cut, &metrics.clients_opened, &metrics.clients_resumed, &metrics.clients_joined, &metrics.client_bytes,
              &metrics.events, &metrics.events_refused, &metrics.events_delivered, &metrics.duplicates, &metrics.gaps,
              &metrics.heartbeats, &metrics.heartbeats_missed, &metrics.stalls, &metrics.clients_too_slow}) {
            counter->add(++next);
        }
        const auto each = [&](auto& counters) {
            for (Counter& counter : counters) counter.add(++next);
        };
        each(metrics.drops);
        each(metrics.reconnects);
        each(metrics.resumes);
        each(metrics.failures);
        each(metrics.evictions_by);
        each(metrics.client_ends);
        each(metrics.breaker_changes);
        each(metrics.responses);
        metrics.gap_events.observe(7);
        metrics.recovery.observe(80'000);
    }

    GatewayMetrics metrics;
};

std::string text_of(const GatewayMetrics& metrics) {
    std::string out;
    write_metrics(out, metrics);
    return out;
}

}  // namespace

TEST_CASE("a family is a help line, a type line and its samples", "[gateway][prometheus]") {
    CHECK(written([](PrometheusWriter& writer) {
              writer.counter("a_total", "How many.");
              writer.sample(std::uint64_t{18446744073709551615u});
              writer.gauge("b", "How much.");
              writer.sample(0.25, std::vector<PrometheusLabel>{{"x", "1"}, {"y", "2"}});
              writer.sample(-3.0, std::vector<PrometheusLabel>{{"x", ""}});
          }) ==
          "# HELP a_total How many.\n"
          "# TYPE a_total counter\n"
          "a_total 18446744073709551615\n"
          "# HELP b How much.\n"
          "# TYPE b gauge\n"
          "b{x=\"1\",y=\"2\"} 0.25\n"
          "b{x=\"\"} -3\n");
}

TEST_CASE("help and label values are escaped, each in its way", "[gateway][prometheus]") {
    const std::string nasty = "a\\b\"c\nd\xff\xc3\xa9";
    CHECK(written([&](PrometheusWriter& writer) {
              writer.gauge("g", nasty);
              writer.sample(std::uint64_t{1}, std::vector<PrometheusLabel>{{"l", nasty}});
          }) ==
          "# HELP g a\\\\b\"c\\nd\xef\xbf\xbd\xc3\xa9\n"
          "# TYPE g gauge\n"
          "g{l=\"a\\\\b\\\"c\\nd\xef\xbf\xbd\xc3\xa9\"} 1\n");
}

TEST_CASE("numbers that are none have names", "[gateway][prometheus]") {
    const auto number = [](double value) {
        const std::string text = written([&](PrometheusWriter& writer) {
            writer.gauge("g", "");
            writer.sample(value);
        });
        return samples(text, "g");
    };
    CHECK(number(std::nan("")) == "g NaN\n");
    CHECK(number(std::numeric_limits<double>::infinity()) == "g +Inf\n");
    CHECK(number(-std::numeric_limits<double>::infinity()) == "g -Inf\n");
    CHECK(number(1e300) == "g 1e+300\n");
    CHECK(number(0.1 + 0.2) == "g 0.3\n");
}

TEST_CASE("bad names are refused before anything is written", "[gateway][prometheus]") {
    CHECK(refused([](PrometheusWriter& w) { w.counter("requests", ""); }));
    CHECK(refused([](PrometheusWriter& w) { w.gauge("x_total", ""); }));
    CHECK(refused([](PrometheusWriter& w) { w.histogram("x_total", ""); }));
    for (const char* name : {"", "1a_total", "a-b_total", "a b_total", "\xc3\xa9_total"}) {
        CAPTURE(name);
        CHECK(refused([&](PrometheusWriter& w) { w.counter(name, ""); }));
    }
    CHECK(refused([](PrometheusWriter& w) { w.sample(std::uint64_t{1}); }));
    for (const char* label : {"", "le", "__x", "a:b", "1"}) {
        CAPTURE(label);
        std::string out;
        PrometheusWriter writer{out};
        writer.gauge("g", "");
        const std::string before = out;
        CHECK_THROWS_AS(writer.sample(std::uint64_t{1}, std::vector<PrometheusLabel>{{label, ""}}), std::system_error);
        CHECK(out == before);
    }
}

TEST_CASE("a histogram's bounds are inclusive and its buckets cumulative", "[gateway][prometheus]") {
    Histogram histogram{100, 2'500'000};
    for (const std::uint64_t value : {0u, 100u, 101u, 2'500'000u, 2'500'001u}) histogram.observe(value);
    CHECK(histogram.count() == 5);
    CHECK(histogram.bucket(0) == 2);
    CHECK(histogram.bucket(1) == 2);
    CHECK(histogram.bucket(2) == 1);
    CHECK(written([&](PrometheusWriter& writer) {
              writer.histogram("h_seconds", "x");
              writer.sample(histogram, 1e-6, std::vector<PrometheusLabel>{{"r", "1"}});
          }) ==
          "# HELP h_seconds x\n"
          "# TYPE h_seconds histogram\n"
          "h_seconds_bucket{r=\"1\",le=\"0.0001\"} 2\n"
          "h_seconds_bucket{r=\"1\",le=\"2.5\"} 4\n"
          "h_seconds_bucket{r=\"1\",le=\"+Inf\"} 5\n"
          "h_seconds_sum{r=\"1\"} 5.000202\n"
          "h_seconds_count{r=\"1\"} 5\n");
}

TEST_CASE("a histogram takes ascending bounds only, and not too many", "[gateway][prometheus]") {
    CHECK_THROWS_AS((Histogram{2, 1}), std::system_error);
    CHECK_THROWS_AS((Histogram{1, 1}), std::system_error);
    CHECK_THROWS_AS((Histogram{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}), std::system_error);
    Histogram none{};
    none.observe(5);
    CHECK(none.count() == 1);
    CHECK(none.sum() == 5);
}

TEST_CASE("what happens to streams is counted where it is looked for", "[gateway][prometheus]") {
    GatewayMetrics metrics;
    metrics.drop(EndReason::truncated).add(2);
    metrics.reconnect(EndReason::reset).add(3);
    metrics.resume(ResumeOutcome::overlapped).add();
    metrics.upstream_failed(Phase::tls);
    metrics.gap(0);
    metrics.gap(12);
    metrics.evicted(EvictionReason::budget, 9);
    metrics.client_ended(ClientEnd::slow);
    metrics.client_ended(ClientEnd::drained);
    metrics.responded(204);
    metrics.responded(0);
    metrics.responded(600);
    metrics.breaker(CircuitBreaker::State::half_open).add();
    metrics.recovery.observe(1'200'000);

    const std::string text = text_of(metrics);
    CHECK(text.find("rejoin_upstream_drops_total{cause=\"truncated\"} 2\n") != std::string::npos);
    CHECK(text.find("rejoin_upstream_reconnects_total{cause=\"reset\"} 3\n") != std::string::npos);
    CHECK(text.find("rejoin_resume_outcomes_total{outcome=\"overlapped\"} 1\n") != std::string::npos);
    CHECK(text.find("rejoin_upstream_failures_total{phase=\"tls\"} 1\n") != std::string::npos);
    CHECK(text.find("rejoin_gaps_total 2\n") != std::string::npos);
    CHECK(text.find("rejoin_gap_events_bucket{le=\"10\"} 0\nrejoin_gap_events_bucket{le=\"20\"} 1\n") != std::string::npos);
    CHECK(text.find("rejoin_gap_events_count 1\n") != std::string::npos);
    CHECK(text.find("rejoin_log_evictions_total{reason=\"budget\"} 9\n") != std::string::npos);
    CHECK(text.find("rejoin_client_ends_total{end=\"slow\"} 1\n") != std::string::npos);
    CHECK(text.find("rejoin_client_ends_total{end=\"drained\"} 1\n") != std::string::npos);
    CHECK(text.find("rejoin_clients_too_slow_total 1\n") != std::string::npos);
    CHECK(samples(text, "rejoin_responses_total") ==
          "rejoin_responses_total{code=\"1xx\"} 0\nrejoin_responses_total{code=\"2xx\"} 1\nrejoin_responses_total{code=\"3xx\"} 0\n"
          "rejoin_responses_total{code=\"4xx\"} 0\nrejoin_responses_total{code=\"5xx\"} 0\n");
    CHECK(text.find("rejoin_circuit_state_changes_total{state=\"half_open\"} 1\n") != std::string::npos);
    CHECK(text.find("rejoin_upstream_recovery_seconds_bucket{le=\"1\"} 0\nrejoin_upstream_recovery_seconds_bucket{le=\"2.5\"} 1\n") !=
          std::string::npos);
    CHECK(text.find("rejoin_upstream_recovery_seconds_sum 1.2\n") != std::string::npos);
    CHECK(text.find("rejoin_upstream_honours_last_event_id{support=\"unknown\"} 1\n") != std::string::npos);
    CHECK(text.find("rejoin_upstream_honours_last_event_id{support=\"yes\"} 0\n") != std::string::npos);
    CHECK(text.find("unknown") == text.rfind("unknown"));
    CHECK(metrics.evictions.value() == 9);
    CHECK(metrics.upstream_failures.value() == 1);
}

TEST_CASE("the state of now is written beside the counters", "[gateway][prometheus]") {
    GatewayGauges now{.streams = 1, .clients = 2, .log_events = 4, .log_bytes = 5};
    now += GatewayGauges{.streams = 10, .clients = 10, .log_events = 10, .log_bytes = 10};
    std::string text;
    write_metrics(text, GatewayMetrics{}, now);
    CHECK(samples(text, "rejoin_streams") == "rejoin_streams 11\n");
    CHECK(samples(text, "rejoin_clients") == "rejoin_clients 12\n");
    CHECK(samples(text, "rejoin_log_events") == "rejoin_log_events 14\n");
    CHECK(samples(text, "rejoin_log_bytes") == "rejoin_log_bytes 15\n");
    CHECK(samples(text, "rejoin_build_info") == "rejoin_build_info{version=\"" REJOIN_VERSION_STRING "\"} 1\n");
}

TEST_CASE("routes share their families", "[gateway][prometheus]") {
    const Distinct one{0};
    const Distinct other{1000};
    const std::vector<MetricsSource> sources{{one.metrics, {}, "/a"}, {other.metrics, {}, "/b"}};
    std::string text;
    write_metrics(text, sources);
    CHECK(samples(text, "rejoin_requests_total") == "rejoin_requests_total{route=\"/a\"} 1\nrejoin_requests_total{route=\"/b\"} 1001\n");
    CHECK(text.find("rejoin_upstream_drops_total{cause=\"complete\",route=\"/b\"} ") != std::string::npos);
    CHECK(text.find("rejoin_gap_events_bucket{route=\"/a\",le=\"10\"} 1\n") != std::string::npos);
    std::size_t types = 0;
    for (std::size_t at = 0; (at = text.find("# TYPE rejoin_requests_total", at)) != std::string::npos; ++at) ++types;
    CHECK(types == 1);
}

TEST_CASE("adding up loses no counter", "[gateway][prometheus]") {
    const Distinct one{0};
    GatewayMetrics sum;
    sum.add(one.metrics);
    CHECK(text_of(sum) == text_of(one.metrics));
    // Every one of the numbers was written: none is missing in the text, where it could be missing in both.
    const std::string text = text_of(one.metrics);
    const std::size_t labelled = 2 * end_reason_count + resume_outcome_count + phase_count + eviction_reason_count + client_end_count + 3 + 5;
    for (std::uint64_t number = 1; number <= 19 + labelled; ++number) {
        const std::uint64_t unnamed = 19 + 2 * end_reason_count + 1;  // resume outcome `none`, which says nothing
        CAPTURE(number);
        CHECK((text.find(" " + std::to_string(number) + "\n") != std::string::npos) == (number != unnamed));
    }
}

TEST_CASE("promtool has no complaint", "[gateway][prometheus]") {
    if (std::system("command -v promtool >/dev/null 2>&1") != 0) {
        WARN("promtool (Debian: prometheus) is not installed");
        return;
    }
    const Distinct one{0};
    const Distinct other{1000};
    const std::vector<MetricsSource> sources{{one.metrics, {}, "/a"}, {other.metrics, {}, "quote\" slash\\ line\nend"}};
    std::string text;
    write_metrics(text, sources);
    std::FILE* const promtool = popen("promtool check metrics", "w");
    REQUIRE(promtool != nullptr);
    CHECK(std::fwrite(text.data(), 1, text.size(), promtool) == text.size());
    CHECK(pclose(promtool) == 0);
}
