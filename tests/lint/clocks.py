"""Time is an argument: clocks.py ROOT | --self-test

No header of sse/, resume/ or http/ reads a clock. The system's clock, which jumps when it is set, is read in one place only:
where a Retry-After is a date (RFC 9110 10.2.3). So no jump can shorten, stretch or call off a wait.
"""

import re

from source import blank, cpp_files, line_of, run

SANS_IO = ("include/rejoin/sse/", "include/rejoin/resume/", "include/rejoin/http/")
SYSTEM_CLOCK_READ_BY = ("include/rejoin/client/detail/stream_engine.hpp",)
READ = re.compile(r"\b\w*[Cc]lock\w*\s*::\s*now\s*\(")
SYSTEM_READ = re.compile(r"\bsystem_clock\s*::\s*now\s*\(|\bstd::time\s*\(|\bgettimeofday\s*\(")


def problems_in(path, text):
    code = blank(text)
    found = []
    if path.startswith(SANS_IO):
        found += [(match, "reads a clock; take the time as an argument") for match in READ.finditer(code)]
    if path.startswith("include/") and path not in SYSTEM_CLOCK_READ_BY:
        found += [(match, "reads the system's clock") for match in SYSTEM_READ.finditer(code)]
    return [f"{path}:{line_of(code, match.start())}: {what}" for match, what in found]


def lint(root):
    problems = []
    for path in cpp_files(root):
        problems += problems_in(path.as_posix(), (root / path).read_text(encoding="utf-8"))
    return problems


def self_test():
    cases = [
        ("include/rejoin/resume/a.hpp", "auto t = std::chrono::steady_clock::now();", 1),
        ("include/rejoin/net/a.hpp", "auto t = Traits::Clock::now();", 0),
        ("include/rejoin/net/a.hpp", "auto t = std::chrono::system_clock::now();", 1),
        ("include/rejoin/client/detail/stream_engine.hpp", "auto t = std::chrono::system_clock::now();", 0),
        ("include/rejoin/http/a.hpp", "// steady_clock::now()\nvoid f(std::chrono::system_clock::time_point now);", 0),
        ("include/rejoin/gateway/a.hpp", "auto t = std::time(nullptr);", 1),
    ]
    return [f"{path}: {code!r}: {len(problems_in(path, code))} instead of {expected}"
            for path, code, expected in cases if len(problems_in(path, code)) != expected]


run(lint, self_test)
