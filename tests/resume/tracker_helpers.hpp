#ifndef REJOIN_TESTS_RESUME_TRACKER_HELPERS_HPP
#define REJOIN_TESTS_RESUME_TRACKER_HELPERS_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <rejoin/resume/event_tracker.hpp>

namespace rejoin::test {

struct Sent {
    std::optional<std::string> id;
    std::string data;
    std::string type = "message";

    friend bool operator==(const Sent&, const Sent&) = default;
};

inline Sent event(std::string id, std::string data) { return {std::move(id), std::move(data)}; }
inline Sent event(std::string id) { return {id, "data of " + id}; }
inline Sent follower(std::string data) { return {std::nullopt, std::move(data)}; }

/// "1 2 -a 3=x :7 ''" as events: an id with data hung on it, `id=data`, `-data` without id.
inline std::vector<Sent> events(const std::string& text) {
    std::vector<Sent> out;
    std::size_t at = 0;
    while (at < text.size()) {
        std::size_t end = text.find(' ', at);
        if (end == std::string::npos) end = text.size();
        const std::string word = text.substr(at, end - at);
        at = end + 1;
        if (word.empty()) continue;
        const auto equals = word.find('=');
        if (word[0] == '-') {
            out.push_back(follower(word.substr(1)));
        } else if (equals != std::string::npos) {
            out.push_back(event(word.substr(0, equals), word.substr(equals + 1)));
        } else {
            out.push_back(event(word));
        }
    }
    return out;
}

inline SseEventView view_of(const Sent& sent) {
    SseEventView view;
    view.type = sent.type;
    view.data = sent.data;
    view.has_id = sent.id.has_value();
    if (sent.id) view.id = *sent.id;
    return view;
}

inline SseEventView cursor_block(std::string_view id) {
    SseEventView view;
    view.kind = SseItem::cursor;
    view.id = id;
    view.has_id = true;
    return view;
}

/// A tracker and everything that it let through.
struct Consumer {
    EventTracker tracker;
    std::vector<Sent> taken{};
    std::vector<ResumeOutcome> outcomes{};
    std::uint64_t lost = 0;
    unsigned edited = 0;

    /// Delivers one event; what it lets through is committed at once.
    bool take(const Sent& sent) {
        const auto verdict = tracker.observe(view_of(sent));
        if (verdict.outcome != ResumeOutcome::none) outcomes.push_back(verdict.outcome);
        lost += verdict.lost;
        if (verdict.edited) ++edited;
        if (!verdict.deliver) return false;
        taken.push_back(sent);
        tracker.commit(view_of(sent));
        return true;
    }

    /// One connection; what of it was let through.
    std::vector<Sent> connection(const std::vector<Sent>& stream) {
        tracker.begin_connection();
        outcomes.clear();
        const std::size_t before = taken.size();
        for (const Sent& sent : stream) take(sent);
        return {taken.begin() + static_cast<std::ptrdiff_t>(before), taken.end()};
    }

    std::vector<Sent> connection(const std::string& stream) { return connection(events(stream)); }
};

/// For messages: "1 2=x -a".
inline std::string words(const std::vector<Sent>& list) {
    std::string out;
    for (const Sent& sent : list) {
        if (!out.empty()) out += ' ';
        if (!sent.id) {
            out += "-" + sent.data;
        } else {
            out += *sent.id;
            if (sent.data != "data of " + *sent.id) out += "=" + sent.data;
        }
    }
    return out;
}

}  // namespace rejoin::test

#endif
