#ifndef REJOIN_EXAMPLES_INTERCEPTORS_REDACT_JSON_HPP
#define REJOIN_EXAMPLES_INTERCEPTORS_REDACT_JSON_HPP

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <rejoin/gateway/interceptor.hpp>

namespace examples {

/// Where the values of a path stand in a JSON text. A path is names and array indices with dots between, `*` for any of
/// either: `user.email`, `choices.*.delta.content`.
///
/// The text is parsed without being built up in memory, so that nothing of it has to be written anew: numbers of any
/// length, the order of names and the white space stay what they are.
class JsonPath {
public:
    struct Span {
        std::size_t begin;
        std::size_t end;
    };

    /// Throws `std::invalid_argument` for a path with an empty name.
    explicit JsonPath(std::string_view path) {
        for (bool more = true; more;) {
            const std::size_t dot = path.find('.');
            more = dot != path.npos;
            Name name{std::string{path.substr(0, dot)}, std::nullopt};
            if (name.text.empty()) throw std::invalid_argument{"a path is NAME or NAME.NAME..."};
            std::size_t index = 0;
            const char* const end = name.text.data() + name.text.size();
            const auto read = std::from_chars(name.text.data(), end, index);
            if (read.ec == std::errc{} && read.ptr == end) name.index = index;
            is_ascii_ = is_ascii_ && std::all_of(name.text.begin(), name.text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
            names_.push_back(std::move(name));
            if (more) path.remove_prefix(dot + 1);
        }
    }

    /// In order, none within another; empty where there is none and for what is not JSON. Valid until the next call.
    const std::vector<Span>& find(std::string_view text) {
        spans_.clear();
        refused_ = false;
        if (!may_hold(text) || parse(text)) return spans_;
        // What a browser takes and this parser does not: half a surrogate pair, bytes that are no UTF-8.
        tamed_ = tame(text);
        refused_ = !is_ascii_ || !parse(tamed_);
        return spans_;
    }

    /// The last text may hold such a value, but could not be read.
    bool refused() const noexcept { return refused_; }

    // --- what the parser calls ---

    bool null() { return scalar(); }
    bool boolean(bool) { return scalar(); }
    bool number_integer(nlohmann::json::number_integer_t) { return scalar(); }
    bool number_unsigned(nlohmann::json::number_unsigned_t) { return scalar(); }
    bool number_float(nlohmann::json::number_float_t, const std::string&) { return scalar(); }
    bool binary(nlohmann::json::binary_t&) { return false; }  // not in JSON texts
    bool string(std::string&) {
        const bool hit = enter();
        if (hit) add(value_begin(), seen_);
        behind_last_ = seen_;
        return true;
    }
    bool start_object(std::size_t) { return start(false); }
    bool start_array(std::size_t) { return start(true); }
    bool key(std::string& name) {
        behind_last_ = seen_;
        Level& level = levels_.back();
        level.matches = level.on_path && names_[levels_.size() - 1].is(name);
        return true;
    }
    bool end_object() { return end(); }
    bool end_array() { return end(); }
    bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) { return false; }

private:
    struct Name {
        std::string text;
        std::optional<std::size_t> index;
        bool is(std::string_view name) const { return text == "*" || text == name; }
        bool is(std::size_t position) const { return text == "*" || index == position; }
    };

    struct Level {
        bool array;
        bool on_path;          // what it holds may be, or lead to, what is looked for
        bool matches = false;  // the name before the value does
        std::size_t index = 0;
        const char* begin = nullptr;  // of one that is a hit
    };

    // The parser does not tell where it is; what it reads through does.
    class Reader {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = char;
        using difference_type = std::ptrdiff_t;
        using pointer = const char*;
        using reference = const char&;

        Reader(const char* at, const char** seen) : at_{at}, seen_{seen} {}
        reference operator*() const { return *at_; }
        Reader& operator++() {
            *seen_ = ++at_;
            return *this;
        }
        Reader operator++(int) {
            const Reader before = *this;
            ++*this;
            return before;
        }
        friend bool operator==(const Reader& one, const Reader& other) { return one.at_ == other.at_; }

    private:
        const char* at_;
        const char** seen_;
    };

    bool parse(std::string_view text) {
        spans_.clear();
        levels_.clear();
        text_ = text;
        seen_ = text.data();
        behind_last_ = text.data();
        hit_depth_ = 0;
        const Reader begin{text.data(), &seen_};
        const Reader end{text.data() + text.size(), &seen_};
        const bool read = nlohmann::json::sax_parse(begin, end, this);
        if (!read) spans_.clear();
        return read;
    }

    // The text as ASCII, with no half of a surrogate pair; each byte stays where it is.
    static std::string tame(std::string_view text) {
        std::string out{text};
        for (char& c : out) {
            if (static_cast<unsigned char>(c) >= 0x80) c = '?';
        }
        for (std::size_t at = out.find('\\'); at != out.npos; at = out.find('\\', at)) {
            const unsigned unit = escaped_unit(out, at);
            const bool pair = unit >= 0xD800 && unit < 0xDC00 && (escaped_unit(out, at + 6) & 0xFC00) == 0xDC00;
            if ((unit & 0xF800) == 0xD800 && !pair) out.replace(at, 6, "\\u003f");
            at += pair ? 12 : unit != 0 ? 6 : 2;
        }
        return out;
    }

    // The UTF-16 code unit of an escape `\uXXXX`; 0 for anything else.
    static unsigned escaped_unit(std::string_view text, std::size_t at) {
        const std::string_view escape = at < text.size() ? text.substr(at, 6) : std::string_view{};
        unsigned unit = 0;
        if (escape.size() < 6 || !escape.starts_with("\\u")) return 0;
        const auto end = std::from_chars(escape.data() + 2, escape.data() + 6, unit, 16).ptr;
        return end == escape.data() + 6 ? unit : 0;
    }

    // Most events of most streams don't have the field at all: that is told without parsing.
    bool may_hold(std::string_view text) const {
        for (const Name& name : names_) {
            const bool plain = name.text != "*" && !name.index && name.text.find_first_of("\"\\/") == name.text.npos;
            if (plain && text.find(name.text) == text.npos && text.find("\\u") == text.npos) return false;
        }
        return true;
    }

    // A value begins; whether it is one of those looked for. Nothing within such a one is.
    bool enter() {
        if (hit_depth_ != 0 || levels_.empty()) return false;
        Level& level = levels_.back();
        if (level.array) level.matches = level.on_path && names_[levels_.size() - 1].is(level.index++);
        return level.matches && levels_.size() == names_.size();
    }

    bool scalar() {
        const bool hit = enter();
        const char* const begin = value_begin();
        const char* end = begin;
        // The parser has seen the byte behind a number.
        while (end != text_.data() + text_.size() && is_scalar(*end)) ++end;
        if (hit) add(begin, end);
        behind_last_ = end;
        return true;
    }

    bool start(bool array) {
        const bool hit = enter();
        const bool on_path = levels_.empty() || (levels_.back().matches && levels_.size() < names_.size());
        levels_.push_back(Level{array, !hit && hit_depth_ == 0 && on_path});
        if (hit) {
            hit_depth_ = levels_.size();
            levels_.back().begin = seen_ - 1;
        }
        behind_last_ = seen_;
        return true;
    }

    bool end() {
        if (hit_depth_ == levels_.size()) {
            add(levels_.back().begin, seen_);
            hit_depth_ = 0;
        }
        levels_.pop_back();
        behind_last_ = seen_;
        return true;
    }

    const char* value_begin() const {
        const char* begin = behind_last_;
        while (*begin == ' ' || *begin == '\t' || *begin == '\n' || *begin == '\r' || *begin == ',' || *begin == ':') ++begin;
        return begin;
    }

    static bool is_scalar(char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '+' || c == '-' || c == '.' || c == 'E';
    }

    void add(const char* begin, const char* end) {
        spans_.push_back({static_cast<std::size_t>(begin - text_.data()), static_cast<std::size_t>(end - text_.data())});
    }

    std::vector<Name> names_;
    std::vector<Level> levels_;
    std::vector<Span> spans_;
    std::string_view text_;
    const char* seen_ = nullptr;         // how far the parser has read
    const char* behind_last_ = nullptr;  // the token before
    std::string tamed_;
    bool is_ascii_ = true;
    bool refused_ = false;
    std::size_t hit_depth_ = 0;          // levels down to the one that is a hit; 0: in none
};

/// An interceptor that puts a text in the place of a field's value, whatever that is, in events whose data is JSON. All else
/// stays as it is, byte for byte; so do events that are not JSON. Data that begins as JSON does, may hold the field and can't be
/// read gives way to the text as a whole: a part of a document, several documents, a number that no number type holds.
class RedactJson {
public:
    /// Throws `std::invalid_argument`: see `JsonPath`.
    explicit RedactJson(std::string_view path, std::string_view text = "***") : path_{path}, replacement_{nlohmann::json(text).dump()} {}

    void operator()(const rejoin::StreamContext&, std::vector<rejoin::SseEvent>& events) {
        for (rejoin::SseEvent& event : events) {
            const auto& spans = path_.find(event.data);
            if (path_.refused() && begins_as_json(event.data)) event.data = replacement_;
            for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
                event.data.replace(span->begin, span->end - span->begin, replacement_);
            }
        }
    }

private:
    static bool begins_as_json(std::string_view data) {
        const std::size_t first = data.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
        return first != data.npos && (data[first] == '{' || data[first] == '[');
    }

    JsonPath path_;
    std::string replacement_;
};

}  // namespace examples

#endif
