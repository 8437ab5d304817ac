"""Makes one translation unit of all C++ code in the README, so that a compiler reads it: readme.py README.md OUT.cpp [--tls]

A block that begins with a definition or an #include goes in as it is, in a namespace of its own; one that begins with a
statement goes into a function. What the blocks take for granted stands in PREAMBLE. Without --tls, blocks that include
rejoin/net/tls.hpp are left out. Exit code 1 if there is no code at all.
"""

import re
import sys

PREAMBLE = """\
// Made from README.md.
#pragma GCC diagnostic ignored "-Wreturn-type"  // main() in a namespace
#include <cassert>
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>

#include <rejoin/client/stream_presets.hpp>
#include <rejoin/net/bridge.hpp>
#include <rejoin/rejoin.hpp>
#include <rejoin/testing/run.hpp>
#include <rejoin/testing/scripted_server.hpp>

struct TokenStore {
    rejoin::Awaitable<> renew();
    std::string current();
};
struct Store {
    std::string last_id();
    void save(const std::string& id, const std::string& data);
};
void redact_email(const rejoin::StreamContext& context, std::vector<rejoin::SseEvent>& events);
"""

IN_A_FUNCTION = "asio::io_context& io, const std::string& upstream, const asio::ip::tcp::endpoint& endpoint"
DEFINITION = re.compile(r"(#include|asio::awaitable|void |rejoin::\w[\w:<>]* \w+\(|int main)")


def blocks(text):
    return [(text.count("\n", 0, match.start()) + 2, match[1]) for match in re.finditer(r"```cpp\n(.*?)```", text, re.S)]


def main():
    source, target = sys.argv[1:3]
    with open(source, encoding="utf-8") as file:
        found = blocks(file.read())
    out = [PREAMBLE]
    for number, (line, code) in enumerate(found):
        if "rejoin/net/tls.hpp" in code and "--tls" not in sys.argv:
            continue
        includes = [one for one in code.splitlines() if one.startswith("#include")]
        body = "\n".join("" if one.startswith("#include") else one for one in code.splitlines())
        out += includes
        out.append(f"namespace block_{number} {{")
        if DEFINITION.match(code):
            out.append(f'#line {line} "README.md"\n{body}')
        else:
            out.append(f'void code({IN_A_FUNCTION}) {{\n#line {line} "README.md"\n{body}}}')
        out.append("}\n")
    with open(target, "w", encoding="utf-8") as file:
        file.write("\n".join(out))
    return 0 if found else 1


sys.exit(main())
