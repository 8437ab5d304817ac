#ifndef REJOIN_EXAMPLES_CONFIG_READER_HPP
#define REJOIN_EXAMPLES_CONFIG_READER_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <toml++/toml.h>

#include "parse_duration.hpp"
#include "parse_size.hpp"
#include "route_config.hpp"

namespace examples {

/// Reads the keys of one TOML table and notes what is wrong with them; goes on behind each error, so that all are found.
///
/// Each key asked for is a known one; `finish()` reports the others. The table and the errors must outlive the reader.
class ConfigReader {
public:
    template <class Value>
    using Names = std::initializer_list<std::pair<const char*, Value>>;

    ConfigReader(const toml::table& table, std::vector<ConfigError>& errors) : table_{table}, errors_{errors} {}

    static std::string quoted(std::string_view text) { return "'" + std::string{text} + "'"; }

    void error(const toml::source_region& at, std::string reason) {
        errors_.push_back({at.begin.line, at.begin.column, std::move(reason)});
    }

    /// An error of a key's value; of the table where the key is missing.
    void error(std::string_view key, const std::string& reason) {
        const toml::node* const node = table_.get(key);
        error(node ? node->source() : table_.source(), std::string{key} + ": " + reason);
    }

    bool has(std::string_view key) const { return table_.contains(key); }

    /// Where the table begins.
    std::size_t line() const { return table_.source().begin.line; }

    /// The value as a node of type `T`; null when there is none, or with an error when it is of another type.
    template <class T>
    const T* node(std::string_view key, std::string_view expected) {
        known_.push_back(key);
        const toml::node* const node = table_.get(key);
        if (!node) return nullptr;
        const T* const value = node->as<T>();
        if (!value) error(key, std::string{expected} + " expected, not " + type_of(*node));
        return value;
    }

    void text(std::string_view key, std::optional<std::string>& out) {
        if (const auto* const value = node<toml::value<std::string>>(key, "a string")) out = value->get();
    }

    void flag(std::string_view key, std::optional<bool>& out) {
        if (const auto* const value = node<toml::value<bool>>(key, "true or false")) out = value->get();
    }

    /// `zero`: whether 0 is a value, which then means that there is no such bound.
    void duration(std::string_view key, std::optional<Duration>& out, bool zero = true) {
        const auto* const value = node<toml::value<std::string>>(key, "a string with a unit, as in \"250ms\",");
        if (!value) return;
        std::string why;
        const auto duration = parse_duration(value->get(), why);
        if (!duration) return error(key, why);
        if (!zero && *duration == Duration::zero()) return error(key, "must be longer than 0");
        out = *duration;
    }

    /// A whole number of things.
    void count(std::string_view key, std::optional<std::size_t>& out) {
        const auto* const value = node<toml::value<std::int64_t>>(key, "a whole number");
        if (!value) return;
        if (value->get() < 1) return error(key, std::to_string(value->get()) + " is too small: 1 at least");
        out = static_cast<std::size_t>(value->get());
    }

    /// Bytes: a string with a unit, or a whole number.
    void size(std::string_view key, std::optional<std::size_t>& out, bool zero = false) {
        const toml::node* const plain = table_.get(key);
        std::optional<std::size_t> bytes;
        if (plain && plain->is_integer()) {
            known_.push_back(key);
            const std::int64_t value = plain->as_integer()->get();
            if (value < 0) return error(key, std::to_string(value) + " is negative");
            bytes = static_cast<std::size_t>(value);
        } else {
            const auto* const value = node<toml::value<std::string>>(key, "a size, as in \"1MiB\",");
            if (!value) return;
            std::string why;
            bytes = parse_size(value->get(), why);
            if (!bytes) return error(key, why);
        }
        if (!zero && *bytes == 0) return error(key, "must be more than 0");
        out = *bytes;
    }

    /// One of a few words.
    template <class Value>
    void choice(std::string_view key, std::optional<Value>& out, Names<Value> names) {
        std::optional<std::string> word;
        text(key, word);
        if (!word) return;
        std::string all;
        for (const auto& [name, value] : names) {
            if (name == *word) {
                out = value;
                return;
            }
            all.append(all.empty() ? "" : ", ").append(quoted(name));
        }
        error(key, quoted(*word) + " is none of " + all);
    }

    /// Gives `take` each text of an array of strings, with the place where it stands. False when there is no array.
    template <class Take>
    bool texts(std::string_view key, Take take) {
        const auto* const array = node<toml::array>(key, "an array of strings");
        if (!array) return false;
        for (const toml::node& element : *array) {
            if (const auto* const value = element.as_string()) {
                take(value->get(), element.source());
            } else {
                error(element.source(), std::string{key} + ": a string expected, not " + type_of(element));
            }
        }
        return true;
    }

    /// Reports the keys that nobody asked for.
    void finish() {
        for (const auto& [key, node] : table_) {
            const std::string_view name = key.str();
            if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
            const std::string_view like = nearest(name);
            std::string reason = "unknown key " + quoted(name);
            if (!like.empty()) reason += "; is " + quoted(like) + " meant?";
            error(key.source(), std::move(reason));
        }
    }

private:
    static std::string type_of(const toml::node& node) {
        switch (node.type()) {
        case toml::node_type::table: return "a table";
        case toml::node_type::array: return "an array";
        case toml::node_type::string: return "a string";
        case toml::node_type::integer: return "a whole number";
        case toml::node_type::floating_point: return "a number with a fraction";
        case toml::node_type::boolean: return "true or false";
        case toml::node_type::date:
        case toml::node_type::time:
        case toml::node_type::date_time: return "a date or time";
        case toml::node_type::none: break;
        }
        return "nothing";
    }

    // The known key that takes the fewest edits, when those are few.
    std::string_view nearest(std::string_view name) const {
        std::string_view best;
        std::size_t least = std::min<std::size_t>(3, name.size() / 2 + 1);
        for (const std::string_view key : known_) {
            const std::size_t edits = distance(name, key);
            if (edits >= least) continue;
            least = edits;
            best = key;
        }
        return best;
    }

    static std::size_t distance(std::string_view a, std::string_view b) {
        std::vector<std::size_t> row(b.size() + 1);
        std::iota(row.begin(), row.end(), std::size_t{0});
        for (std::size_t i = 0; i < a.size(); ++i) {
            std::size_t diagonal = row[0];
            row[0] = i + 1;
            for (std::size_t j = 0; j < b.size(); ++j) {
                const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
                diagonal = row[j + 1];
                row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
            }
        }
        return row.back();
    }

    const toml::table& table_;
    std::vector<ConfigError>& errors_;
    std::vector<std::string_view> known_;
};

}  // namespace examples

#endif
