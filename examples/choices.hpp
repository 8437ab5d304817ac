#ifndef REJOIN_EXAMPLES_CHOICES_HPP
#define REJOIN_EXAMPLES_CHOICES_HPP

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

namespace examples {

/// The names of an enumeration's values, as they stand in flags and files.
template <class Enum>
using Names = std::initializer_list<std::pair<const char*, Enum>>;

/// An option that takes one of `names`.
template <class Enum>
CLI::Option* add_choice(CLI::App& app, const std::string& flag, Enum& value, Names<Enum> names, const std::string& help) {
    const std::vector<std::pair<const char*, Enum>> known{names.begin(), names.end()};
    std::string all;
    for (const auto& [name, unused] : known) all += (all.empty() ? "" : "|") + std::string{name};
    const auto set = [&value, known, flag, all](const std::string& text) {
        for (const auto& [name, meant] : known) {
            if (text != name) continue;
            value = meant;
            return;
        }
        throw CLI::ValidationError{flag, "'" + text + "' is none of " + all};
    };
    return app.add_option_function<std::string>(flag, set, help)->type_name(all);
}

}  // namespace examples

#endif
