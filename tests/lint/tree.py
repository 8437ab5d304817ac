#!/usr/bin/env python3
"""The shape of the repository: what stands at its top level, no code of others, no trace of one person's machine."""

import os
import pathlib
import re
import subprocess
import tempfile

import source

TOP_LEVEL = {"CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md", "cmake", "include", "examples", "tests", "benchmarks"}

MAX_BYTES = 200_000  # a file over that is generated, vendored or a recording
VENDORED = re.compile(r"^(third_?party|vendor|extern(al)?|deps|subprojects)$|^(asio|llhttp|catch|catch_amalgamated|json|CLI)\.(hpp|h|c|cpp)$")

# Written so that they don't match themselves.
FOREIGN = [
    (re.compile(r"(?<![\w.})])(/wor[k]/|/hom[e]/[a-z]|/roo[t]/|/User[s]/)"), "a path of one machine"),
    (re.compile(r"/(tm[p])/[A-Za-z0-9]"), "a fixed path in the shared scratch folder: use mktemp or the build folder"),
    (re.compile(r"\b(this|previous|next|last|earlier|another|working) sessio[n]\b(?! (of|with|is|has|ends|object|id))", re.I),
     "a word about how the work was done"),
    (re.compile(r"\b(sub-?agen[t]|helper agen[t]|coding agen[t]|language mode[l] wrote|AI[- ]generate[d]|other worker[s]|fellow worker[s])\b",
                re.I), "a word about how the work was done"),
    (re.compile(r"\bCONTRAC[T]\.md|\bISSU[E]\d|\bDESIG[N]\.md|\banchor[s]/|\bshare[d]/(tools|cases|anchors)|\bnote[s]/[A-Z]|"
                r"\bissu[e] #?\d+\b(?! of)", re.I), "a file or number that a reader of the repository can't see"),
    (re.compile(r"\b(FIXM[E]|XX[X]|HAC[K])\b"), "an open end: finish it, or say what is missing in plain words"),
]
# Upstream bug numbers are fine ("asio issue 1332").
UPSTREAM = re.compile(r"(asio|gcc|llhttp|catch2?|nginx|chromium|clang|llvm)[^.\n]{0,40}$", re.I)


def check_name(path):
    top = path.parts[0]
    if top not in TOP_LEVEL and not top.startswith("."):
        yield f"{path}: nothing else may stand at the top level"
    if any(VENDORED.search(part) for part in path.parts) and path.name != "catch.hpp" and path.name != "asio.hpp":
        yield f"{path}: looks like code of others; dependencies are found or fetched"


def check_text(path, text):
    for pattern, message in FOREIGN:
        for match in pattern.finditer(text):
            line_start = text.rfind("\n", 0, match.start()) + 1
            if message.startswith("a file or number") and UPSTREAM.search(text[line_start:match.start()]):
                continue
            yield f"{path}:{source.line_of(text, match.start())}: {message}: {match.group(0)!r}"
    if "\t" in text and path.suffix in (".hpp", ".cpp", ".py", ".cmake", ".json", ".mjs"):
        yield f"{path}:{source.line_of(text, text.index(chr(9)))}: a tab"
    if "\r" in text and path.suffix in (".hpp", ".cpp", ".py", ".cmake", ".sh", ".md"):
        yield f"{path}: carriage returns"
    for match in re.finditer(r"[ \t]+$", text, re.MULTILINE):
        if path.suffix in (".hpp", ".cpp", ".py", ".cmake", ".sh", ".txt"):
            yield f"{path}:{source.line_of(text, match.start())}: space at the end of the line"


def is_data(path):
    return any("corpus" in part for part in path.parts) or path.suffix in (".png", ".bin")


def lint(root):
    problems = []
    for path in source.repository_files(root):
        problems += check_name(path)
        file = root / path
        raw = file.read_bytes()
        if len(raw) > MAX_BYTES:
            problems.append(f"{path}: {len(raw)} bytes, {MAX_BYTES} at most")
        if raw.startswith(b"#!") and not os.access(file, os.X_OK):
            problems.append(f"{path}: starts with #! but is not executable")
        if is_data(path) or b"\0" in raw:
            continue
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            problems.append(f"{path}: not UTF-8")
            continue
        problems += check_text(path, text)
    for needed in ("CMakeLists.txt", "LICENSE", "README.md"):
        if not (root / needed).is_file():
            problems.append(f"{needed}: missing")
    return problems


def self_test():
    bad_texts = ["see /wo" "rk/main", "in the last ses" "sion", "a sub" "agent did it", "see anch" "ors/style.md", "iss" "ue 2 asks",
                 "FIX" "ME", "out=/tm" "p/x", "tab\there", "space \n", "one\r\ntwo"]
    good_texts = ["a server session of the gateway", "the last session has ended", "Asio's bug (asio iss" "ue 1332)", "an issue of two things",
                  "share" "d state", "mktemp -d", "the next session is served from the log"]
    problems = [f"not reported: {t!r}" for t in bad_texts if not list(check_text(pathlib.Path("a.cpp"), t))]
    problems += [f"reported without reason: {t!r}" for t in good_texts if list(check_text(pathlib.Path("a.cpp"), t))]
    for name in ("src/a.cpp", "notes.md", "examples/third_party/a.hpp", "tests/llhttp.c", "include/rejoin/json.hpp"):
        if not list(check_name(pathlib.Path(name))):
            problems.append(f"not reported: {name}")
    for name in ("include/rejoin/net/asio.hpp", "tests/support/catch.hpp", ".ci/run", "README.md", "cmake/dependencies.cmake"):
        problems += [f"reported without reason: {p}" for p in check_name(pathlib.Path(name))]

    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        subprocess.run(["git", "init", "-q", name], check=False)
        for needed in ("CMakeLists.txt", "LICENSE", "README.md"):
            (root / needed).write_text("x\n")
        if found := lint(root):
            problems.append(f"an orderly tree was reported: {found}")
        (root / "tests").mkdir()
        (root / "tests/a.sh").write_text("#!/bin/sh\n")
        (root / "tests/b.cpp").write_bytes(b"\xff\n")
        (root / "tests/c.cpp").write_text("c" * MAX_BYTES + "\n")
        (root / "README.md").unlink()
        found = lint(root)
        for expected in ("README.md: missing", "a.sh: starts with", "b.cpp: not UTF-8", "c.cpp: 200001 bytes"):
            if not any(expected in problem for problem in found):
                problems.append(f"not reported: {expected}")
    return problems


if __name__ == "__main__":
    source.run(lint, self_test)
