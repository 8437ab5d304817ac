#ifndef REJOIN_HTTP_FIELDS_HPP
#define REJOIN_HTTP_FIELDS_HPP

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rejoin/http/detail/ascii.hpp>

namespace rejoin {

/// One header field line: the name as it was written, the value without the white space around it.
struct HttpField {
    std::string name;
    std::string value;

    friend bool operator==(const HttpField&, const HttpField&) = default;
};

/// The header fields of one message, in the order of the wire, repeated names kept as separate lines (RFC 9110 5.2,
/// 5.3).
///
/// Names compare without regard to ASCII case and keep the case they came with. Nothing is checked here:
/// `write_head()` refuses what can't be sent. Views handed out are valid until the fields are changed. Not
/// synchronised: distinct objects may be used from different threads, one object may not.
class HttpFields {
    static auto named(std::string_view name) {
        return [name](const HttpField& field) { return detail::iequals(field.name, name); };
    }

public:
    using iterator = std::vector<HttpField>::iterator;
    using const_iterator = std::vector<HttpField>::const_iterator;

    HttpFields() = default;
    HttpFields(std::initializer_list<HttpField> fields) : fields_{fields} {}

    /// Appends a line, whether or not the name is there already.
    HttpField& add(std::string_view name, std::string_view value) {
        return fields_.emplace_back(HttpField{std::string{name}, std::string{value}});
    }

    /// Makes the value the only one of its name: in the place of the first line, or at the end.
    void set(std::string_view name, std::string_view value) {
        const iterator first = find(name);
        if (first == fields_.end()) {
            add(name, value);
            return;
        }
        first->value.assign(value);
        erase_from(first + 1, name);
    }

    /// Removes all lines of that name; says how many there were.
    std::size_t erase(std::string_view name) { return erase_from(fields_.begin(), name); }

    /// The value of the first line of that name.
    std::optional<std::string_view> get(std::string_view name) const {
        const const_iterator at = find(name);
        if (at == fields_.end()) return std::nullopt;
        return std::string_view{at->value};
    }

    bool contains(std::string_view name) const { return find(name) != fields_.end(); }

    /// How many lines have that name.
    std::size_t count(std::string_view name) const {
        return static_cast<std::size_t>(std::count_if(fields_.begin(), fields_.end(), named(name)));
    }

    /// Whether `token` is a member of the comma-separated list that all lines of that name form together (RFC 9110
    /// 5.6.1), compared without case. For lists of plain tokens such as `Connection`; quoted strings are not looked
    /// into.
    bool has_token(std::string_view name, std::string_view token) const {
        bool found = false;
        for_each_token(name, [&](std::string_view member) { found = found || detail::iequals(member, token); });
        return found;
    }

    /// Calls `visit(std::string_view)` with the value of each line of that name, in order.
    template <class Visit>
    void for_each_value(std::string_view name, Visit&& visit) const {
        for (const HttpField& field : fields_) {
            if (detail::iequals(field.name, name)) visit(std::string_view{field.value});
        }
    }

    /// Calls `visit(std::string_view)` with each non-empty member of the list that all lines of that name form
    /// together.
    template <class Visit>
    void for_each_token(std::string_view name, Visit&& visit) const {
        for_each_value(name, [&visit](std::string_view rest) {
            while (!rest.empty()) {
                const std::string_view member = detail::trim(detail::split_front(rest, ','));
                if (!member.empty()) visit(member);
            }
        });
    }

    /// Removes every line for which `predicate(const HttpField&)` is true.
    template <class Predicate>
    void remove_if(Predicate&& predicate) {
        std::erase_if(fields_, std::forward<Predicate>(predicate));
    }

    iterator begin() noexcept { return fields_.begin(); }
    iterator end() noexcept { return fields_.end(); }
    const_iterator begin() const noexcept { return fields_.begin(); }
    const_iterator end() const noexcept { return fields_.end(); }
    std::size_t size() const noexcept { return fields_.size(); }
    bool empty() const noexcept { return fields_.empty(); }

    /// The last line. Precondition: not empty.
    HttpField& back() noexcept { return fields_.back(); }

    /// Removes everything and gives the memory back.
    void clear() noexcept { std::vector<HttpField>{}.swap(fields_); }

    friend bool operator==(const HttpFields&, const HttpFields&) = default;

private:
    iterator find(std::string_view name) { return std::find_if(fields_.begin(), fields_.end(), named(name)); }
    const_iterator find(std::string_view name) const {
        return std::find_if(fields_.begin(), fields_.end(), named(name));
    }

    std::size_t erase_from(iterator from, std::string_view name) {
        const iterator kept = std::remove_if(from, fields_.end(), named(name));
        const auto removed = static_cast<std::size_t>(fields_.end() - kept);
        fields_.erase(kept, fields_.end());
        return removed;
    }

    std::vector<HttpField> fields_;
};

}  // namespace rejoin

#endif
