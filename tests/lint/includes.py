#!/usr/bin/env python3
"""Includes run only downward, each dependency has its one folder, headers stay short and guarded."""

import pathlib
import re
import tempfile

import source

# A folder may include itself and what stands before it; "" is include/rejoin/ itself.
LAYERS = ["", "sse", "resume", "http", "net", "client", "gateway"]
ALLOWED = {layer: set(LAYERS[: index + 1]) for index, layer in enumerate(LAYERS)}
ALLOWED["testing"] = set(LAYERS[: LAYERS.index("net") + 1]) | {"testing"}
UMBRELLAS = {"rejoin.hpp": set(LAYERS), "sse.hpp": {"", "sse", "resume"}}

NO_ASIO = {"", "sse", "resume", "http"}
MAX_LINES = 450

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def check_header(path, text):
    """path is relative to include/rejoin/."""
    folder = path.parts[0] if len(path.parts) > 1 else ""
    allowed = UMBRELLAS.get(str(path)) or ALLOWED.get(folder)
    where = pathlib.Path("include/rejoin") / path
    if allowed is None:
        yield f"{where}:1: unknown folder '{folder}'"
        return

    for match in INCLUDE.finditer(source.blank(text, keep_strings=True)):
        name, at = match.group(2), f"{where}:{source.line_of(text, match.start())}"
        if name.startswith("rejoin/"):
            parts = name.split("/")[1:]
            target = parts[0] if len(parts) > 1 else ""
            if target not in allowed:
                yield f"{at}: '{folder or 'rejoin'}' may not include from '{target}': {name}"
            if target == "" and parts[0] in UMBRELLAS and str(path) not in UMBRELLAS:
                yield f"{at}: a header may not include the umbrella {name}"
        elif match.group(1) == '"':
            yield f'{at}: write #include <rejoin/...>, not "{name}"'
        if name.split("/")[0] in ("asio", "asio.hpp") and folder in NO_ASIO:
            yield f"{at}: no Asio in '{folder or 'rejoin'}': {name}"
        if name == "asio.hpp":
            yield f"{at}: the umbrella <asio.hpp> doubles the compile time; include Asio's headers one by one"
        if name.startswith(("openssl/", "rejoin/net/tls")) and not str(path).startswith("net/tls"):
            yield f"{at}: TLS is optional, only net/tls*.hpp may include it: {name}"
        if name.startswith("asio/ssl"):
            yield f"{at}: TLS goes by net/tls_layer.hpp, not by Asio: {name}"
        if name.split("/")[-1] == "llhttp.h" and folder != "http":
            yield f"{at}: only http/ includes llhttp.h"
        if name == "iostream":
            yield f"{at}: no <iostream> in a header"

    guard = "REJOIN_" + re.sub(r"[/.]", "_", str(path)).upper()
    if not re.search(rf"#ifndef {guard}\s+#define {guard}\b", text):
        yield f"{where}:1: include guard {guard} expected"
    lines = text.count("\n")
    if lines > MAX_LINES:
        yield f"{where}:{lines}: {lines} lines, {MAX_LINES} at most: one idea a header"


def lint(root):
    problems = []
    for path in source.cpp_files(root):
        text = (root / path).read_text()
        if path.parts[:2] == ("include", "rejoin"):
            problems += check_header(path.relative_to("include/rejoin"), text)
        elif path.parts[0] == "examples":
            for match in re.finditer(r"rejoin::(?:\w+::)*detail\b|#\s*include\s*[<\"][^>\"]*detail/", source.blank(text, True)):
                problems.append(f"{path}:{source.line_of(text, match.start())}: an example uses what is not public")
    return problems


def self_test():
    def guarded(path, body):
        guard = "REJOIN_" + re.sub(r"[/.]", "_", path).upper()
        return f"#ifndef {guard}\n#define {guard}\n{body}\n#endif\n"

    good = [
        ("net/a.hpp", "#include <asio/post.hpp>\n#include <rejoin/http/url.hpp>\n#include <rejoin/error.hpp>"),
        ("http/a.hpp", "#include <llhttp.h>\n// #include <asio/post.hpp>\n/* #include <iostream> */"),
        ("net/tls_a.hpp", "#include <openssl/ssl.h>\n#include <rejoin/net/tls_options.hpp>"),
        ("testing/a.hpp", "#include <rejoin/net/asio.hpp>"),
        ("sse.hpp", "#include <rejoin/sse/parser.hpp>\n#include <rejoin/resume/backoff.hpp>"),
        ("rejoin.hpp", "#include <rejoin/sse.hpp>\n#include <rejoin/gateway/log.hpp>"),
    ]
    bad = [
        ("sse/a.hpp", "#include <rejoin/resume/backoff.hpp>"),
        ("http/a.hpp", "#include <rejoin/net/asio.hpp>"),
        ("client/a.hpp", "#include <rejoin/gateway/log.hpp>"),
        ("net/a.hpp", "#include <rejoin/testing/clock.hpp>"),
        ("testing/a.hpp", "#include <rejoin/client/x.hpp>"),
        ("sse.hpp", "#include <rejoin/net/asio.hpp>"),
        ("error.hpp", "#include <rejoin/sse/parser.hpp>"),
        ("resume/a.hpp", "#include <asio/steady_timer.hpp>"),
        ("http/a.hpp", "  #  include <asio/buffer.hpp>"),
        ("net/a.hpp", "#include <llhttp.h>"),
        ("net/a.hpp", "#include <llhttp/llhttp.h>"),
        ("net/a.hpp", "#include <openssl/ssl.h>"),
        ("net/tls_a.hpp", "#include <asio/ssl.hpp>"),
        ("client/a.hpp", "#include <rejoin/net/tls.hpp>"),
        ("rejoin.hpp", "#include <rejoin/net/tls.hpp>"),
        ("net/a.hpp", "#include <asio.hpp>"),
        ("gateway/a.hpp", "#include <iostream>"),
        ("gateway/a.hpp", '#include "log.hpp"'),
        ("gateway/a.hpp", "#include <rejoin/rejoin.hpp>"),
        ("other/a.hpp", ""),
        ("net/a.hpp", "\n" * MAX_LINES),
    ]
    problems = []
    for path, body in good:
        problems += [f"reported without reason: {p}" for p in check_header(pathlib.Path(path), guarded(path, body))]
    for path, body in bad:
        if not list(check_header(pathlib.Path(path), guarded(path, body))):
            problems.append(f"not reported: {path}: {body.strip()[:60]!r}")
    if not list(check_header(pathlib.Path("net/a.hpp"), "#pragma once\n")):
        problems.append("not reported: a missing include guard")
    with tempfile.TemporaryDirectory() as name:  # and the walk over a tree finds them
        root = pathlib.Path(name)
        (root / "include/rejoin/sse").mkdir(parents=True)
        (root / "include/rejoin/sse/a.hpp").write_text(guarded("sse/a.hpp", "#include <asio/post.hpp>"))
        (root / "examples").mkdir()
        (root / "examples/x.cpp").write_text("int x = rejoin::detail::y();\n")
        if len(lint(root)) != 2:
            problems.append("a tree with two problems was not reported as such")
    return problems


if __name__ == "__main__":
    source.run(lint, self_test)
