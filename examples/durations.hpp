#ifndef REJOIN_EXAMPLES_DURATIONS_HPP
#define REJOIN_EXAMPLES_DURATIONS_HPP

#include <chrono>
#include <string>

#include <CLI/CLI.hpp>

#include "parse_duration.hpp"

namespace examples {

/// Adds `--name DURATION` to a CLI11 app; `target` holds the default and must outlive the parsing.
template <class Rep, class Period>
CLI::Option* add_duration(CLI::App& app, const std::string& name, std::chrono::duration<Rep, Period>& target,
                          const std::string& description) {
    const auto read = [&target, name](const std::string& text) {
        std::string why;
        const auto duration = parse_duration(text, why);
        if (!duration) throw CLI::ValidationError(name, why);
        target = std::chrono::ceil<std::chrono::duration<Rep, Period>>(*duration);
    };
    return app.add_option_function<std::string>(name, read, description)
        ->type_name("DURATION")
        ->default_str(duration_text(target));
}

}  // namespace examples

#endif
