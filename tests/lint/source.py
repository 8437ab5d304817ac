"""What the lints share: the files of the repository, and C++ source with comments and literals blanked out."""

import pathlib
import re
import subprocess
import sys

CPP_FOLDERS = ("include", "examples", "tests", "benchmarks")


def repository_files(root):
    """Every file that is or would be in the repository, as paths relative to root."""
    listing = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, check=False)
    if listing.returncode == 0 and listing.stdout:
        names = listing.stdout.decode().split("\0")
    else:  # a source archive, or git doesn't trust the folder's owner
        names = [str(p.relative_to(root)) for p in root.rglob("*")
                 if not {".git", "build", "node_modules", "__pycache__"} & set(p.relative_to(root).parts)]
    return sorted(pathlib.Path(n) for n in names if n and (root / n).is_file())


def cpp_files(root):
    return [p for p in repository_files(root) if p.parts[0] in CPP_FOLDERS and p.suffix in (".hpp", ".cpp", ".h")]


_TOKEN = re.compile(
    r"""//(?:\\\n|[^\n])*            # line comment
      | /\*.*?\*/                    # block comment
      | R"(?P<tag>[^()\\\s]{0,16})\(.*?\)(?P=tag)"   # raw string
      | "(?:\\.|[^"\\\n])*"          # string
      | (?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])*'         # character (not a digit separator)
    """, re.VERBOSE | re.DOTALL)


def blank(text, keep_strings=False):
    """The text with comments and the insides of literals replaced by spaces; offsets and lines stay."""
    def replace(match):
        token = match.group(0)
        spaces = re.sub(r"[^\n]", " ", token)
        if token.startswith("/"):
            return spaces
        if keep_strings:
            return token
        return '"' + spaces[1:-1] + '"' if token.endswith('"') else "'" + spaces[1:-1] + "'"
    return _TOKEN.sub(replace, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def report(problems):
    """Prints `path:line: message` lines; the exit code for sys.exit."""
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problem(s)")
    return 1 if problems else 0


def run(lint, self_test):
    """The command line of every lint: a root folder, or --self-test."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} ROOT | --self-test")
    sys.exit(report(self_test() if sys.argv[1] == "--self-test" else lint(pathlib.Path(sys.argv[1]).resolve())))
