#!/usr/bin/env python3
"""Keeps out of coroutines what g++ 12.2 miscompiles (temporaries destroyed twice, crashes) or rejects.

The compiler's bugs are GCC's PR 106188 (await in a condition), 101976/99576 (aggregate temporaries), 100611/101367
(capturing lambdas) and 103871 (initializer lists). House style avoids them: one co_await per plain statement, everything
it takes built as a named local before.

The rules can't see types, so they go by form: a braced temporary of a type outside std:: and asio:: counts as an aggregate,
a captured copy as owning.
"""

import collections
import pathlib
import re

import source

MESSAGES = {
    "condition": "co_await in a condition that declares no variable: await into a local first",
    "one_await": "more than one co_await in a statement",
    "conditional": "?: in an awaiting statement: use if/else",
    "brace_await": "co_await inside braces: await into a local, then build",
    "brace_argument": "{...} as an argument of an awaiting expression: build a named local first",
    "temporary": "aggregate temporary in an awaiting expression: build a named local first",
    "capture": "lambda that captures by copy in an awaiting expression: name the lambda first",
    "default_argument": "braced default argument of a function that returns an awaitable: write an overload",
    "co_return_braces": "co_return {...}: name the type",
    "macro": "co_await inside a test macro: await into a local first",
}

Node = collections.namedtuple("Node", "kind text offset children")  # kind: word, punct, string, or the opening bracket

_SCAN = re.compile(r"(?P<word>[A-Za-z_]\w*)|(?P<number>\d[\w.']*)|(?P<string>\"[^\"]*\"|'[^']*')"
                   r"|(?P<punct>::|->|&&|\|\||[<>=!]=|[^\s\w])")
_CLOSING = {"(": ")", "[": "]", "{": "}"}


def parse(text):
    """The text as a tree of tokens and bracketed groups."""
    text = source.blank(text)
    text = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), text, flags=re.MULTILINE)
    root = Node("{", "{", 0, [])
    stack = [root]
    for match in _SCAN.finditer(text):
        token, kind = match.group(0), match.lastgroup
        if token in _CLOSING:
            group = Node(token, token, match.start(), [])
            stack[-1].children.append(group)
            stack.append(group)
        elif token in _CLOSING.values():
            if len(stack) > 1 and _CLOSING[stack[-1].kind] == token:
                stack.pop()
        else:
            stack[-1].children.append(Node(kind, token, match.start(), []))
    return root


def is_word(node, *texts):
    return node.kind == "word" and node.text in texts


def find_lambda(nodes, index):
    """If nodes[index] opens a lambda: the index of its body, else None."""
    if nodes[index].kind != "[" or any(c.kind == "[" for c in nodes[index].children[:1]):  # [[attribute]]
        return None
    if index > 0:
        before = nodes[index - 1]
        keyword = is_word(before, "return", "co_return", "co_await", "co_yield", "throw")
        if before.kind in ("(", "[", "number", "string") or (before.kind == "word" and not keyword):
            return None  # a subscript
    angle = 0
    for i in range(index + 1, len(nodes)):
        node = nodes[i]
        if node.kind == "{":
            return i
        if node.text == "<":
            angle += 1
        elif node.text == ">":
            angle -= 1
        elif node.text == ";" or (node.text == "," and angle <= 0):
            return None
    return None


def is_block(nodes, index):
    """Whether the braces at nodes[index] hold statements or declarations, not initialisers."""
    children = nodes[index].children
    if any(c.text == ";" for c in children):
        return True
    i = 0
    while i < len(children):  # functions of a namespace, cases of a switch
        body = find_lambda(children, i)
        if body is None and children[i].kind == "{" and is_block(children, i):
            return True
        i = (i if body is None else body) + 1
    return False


class Lint:
    def __init__(self, text):
        self.found = []  # (offset, rule)
        self.block(parse(text).children)

    def add(self, node, rule):
        if (node.offset, rule) not in self.found:
            self.found.append((node.offset, rule))

    # --- structure ---

    def block(self, nodes):
        statement = []
        i = 0
        while i < len(nodes):
            node = nodes[i]
            if node.text == ";":
                self.statement(statement)
                statement = []
            elif node.kind == "[" and (body := find_lambda(nodes, i)) is not None:
                statement += nodes[i:body + 1]  # the body is looked at by statement()
                i = body
            elif node.kind == "{" and is_block(nodes, i):
                self.statement(statement)
                statement = []
                self.block(node.children)
            else:
                statement.append(node)
            i += 1
        self.statement(statement)

    def statement(self, nodes):
        for i, node in enumerate(nodes):  # `if (head) rest`, also behind `else` or a label
            if is_word(node, "if", "while", "switch", "for") and i + 1 < len(nodes):
                head = i + 2 if is_word(nodes[i + 1], "constexpr") and i + 2 < len(nodes) else i + 1
                if nodes[head].kind == "(":
                    self.plain(nodes[:i])
                    self.head(node, nodes[head])
                    self.statement(nodes[head + 1:])
                    return
        self.plain(nodes)

    def head(self, keyword, group):
        parts = [[]]
        for child in group.children:
            if child.text == ";":
                parts.append([])
            else:
                parts[-1].append(child)
        for i, part in enumerate(parts):
            awaits = [n for n in self.flat(part) if is_word(n, "co_await")]
            if awaits and keyword.text == "for":
                if len(parts) > 1 and i > 0:
                    self.add(awaits[0], "condition")
            elif awaits and not self.declares(part):
                self.add(awaits[0], "condition")
            self.plain(part)

    @staticmethod
    def declares(part):
        """`Type name = co_await ...`, `auto [a, b] = co_await ...`."""
        for i, node in enumerate(part):
            if node.text == "=" and i >= 2:
                before = part[:i]
                name = before[-1].kind in ("word", "[")
                plain = all(n.kind in ("word", "[") or n.text in ("::", "<", ">", "&", "&&", "*", ",") for n in before)
                return name and plain and not any(is_word(n, "co_await") for n in before)
            if is_word(node, "co_await"):
                return False
        return False

    def flat(self, nodes):
        """The tokens and groups of an expression, without the bodies of lambdas."""
        i = 0
        while i < len(nodes):
            node = nodes[i]
            yield node
            if node.kind == "[" and (body := find_lambda(nodes, i)) is not None:
                i = body + 1
                continue
            yield from self.flat(node.children)
            i += 1

    # --- one statement ---

    def plain(self, nodes):
        awaits = [n for n in self.flat(nodes) if is_word(n, "co_await")]
        if len(awaits) > 1:
            self.add(awaits[1], "one_await")
        self.level(nodes, bool(awaits), top=True)
        if any(n.text in ("awaitable", "Awaitable") for n in nodes):
            self.default_arguments(nodes)

    def level(self, nodes, awaiting, top=False):
        """One nesting level of a statement."""
        i = 0
        while i < len(nodes):
            node = nodes[i]
            before = nodes[i - 1] if i > 0 else None
            if awaiting and node.text == "?":
                self.add(node, "conditional")
            if node.kind == "[" and (body := find_lambda(nodes, i)) is not None:
                if awaiting and self.owns(node):
                    self.add(node, "capture")
                self.block(nodes[body].children)
                i = body + 1
                continue
            if node.kind == "{":
                if before is not None and is_word(before, "co_return"):
                    self.add(node, "co_return_braces")
                elif any(is_word(n, "co_await") for n in self.flat(node.children)):
                    self.add(node, "brace_await")
                elif awaiting and (before is None or before.kind == "punct" and before.text != ">"):
                    if not top:
                        self.add(node, "brace_argument")
                elif awaiting and not self.harmless(nodes, i):
                    self.add(node, "temporary")
            if (node.kind == "(" and before is not None and re.fullmatch(r"[A-Z][A-Z_]*[A-Z]", before.text)
                    and any(is_word(n, "co_await") for n in self.flat(node.children))):
                self.add(node, "macro")
            self.level(node.children, awaiting)
            i += 1

    @staticmethod
    def owns(capture):
        """Whether a capture list may copy or move something that has a destructor."""
        if not capture.children:
            return False
        parts = [[]]
        for child in capture.children:
            if child.text == ",":
                parts.append([])
            else:
                parts[-1].append(child)
        return any(p and p[0].text != "&" and not is_word(p[0], "this") for p in parts)

    @staticmethod
    def harmless(nodes, index):
        """Whether the type before braces is known to be no aggregate with a destructor."""
        angle, start = 0, index
        while start > 0:
            node = nodes[start - 1]
            if node.text == ">":
                angle += 1
            elif node.text == "<":
                angle -= 1
                if angle < 0:
                    break
            elif angle == 0 and not (node.kind == "word" or node.text == "::") or is_word(node, "co_await", "return"):
                break
            start -= 1
        name = "".join(n.text for n in nodes[start:index])
        if re.match(r"(std::)?(vector|map|unordered_map|set|list|deque|array|tuple|pair|initializer_list)\b", name):
            return re.match(r"(std::)?array<(asio::)?(const|mutable)_buffer,", name) is not None
        if re.match(r"(std|asio)::", name):
            return True
        return re.fullmatch(r"(chrono::)?(nano|micro|milli)?seconds|minutes|hours|string|string_view|error_code", name) is not None

    def default_arguments(self, nodes):
        for group in nodes:
            if group.kind != "(":
                continue
            parameter = []
            for i, child in enumerate(group.children):
                if child.text == ",":
                    parameter = []
                    continue
                if child.text == "=" and i + 1 < len(group.children):
                    value = group.children[i + 1:]
                    stop = next((k for k, n in enumerate(value) if n.text == ","), len(value))
                    value = value[:stop]
                    type_text = "".join(n.text for n in parameter if not is_word(n, "const"))
                    if value and value[-1].kind == "{" and not re.match(r"std::(?!array|vector|map)", type_text):
                        self.add(child, "default_argument")
                parameter.append(child)


def check(text):
    if "co_" not in text and "waitable" not in text:
        return []
    return sorted((source.line_of(text, offset), rule) for offset, rule in Lint(text).found)


SAMPLES = pathlib.Path(__file__).with_name("coroutine_samples.cpp")


def lint(root):
    problems = []
    for path in source.cpp_files(root):
        if path.name != SAMPLES.name:
            problems += [f"{path}:{line}: {MESSAGES[rule]} [{rule}]" for line, rule in check((root / path).read_text())]
    return problems


def self_test():
    """Every line marked `// bad: rule` is reported for that rule, and nothing else is; each rule has a sample."""
    text = SAMPLES.read_text()
    expected = {(number, rule) for number, line in enumerate(text.splitlines(), 1)
                for rule in re.findall(r"// bad: ([a-z_ ]+)$", line) for rule in rule.split()}
    found = set(check(text))
    problems = [f"{SAMPLES.name}:{line}: not reported: {rule}" for line, rule in sorted(expected - found)]
    problems += [f"{SAMPLES.name}:{line}: reported without reason: {rule}" for line, rule in sorted(found - expected)]
    problems += [f"no sample for {rule}" for rule in MESSAGES if rule not in {r for _, r in expected}]
    return problems


if __name__ == "__main__":
    source.run(lint, self_test)
