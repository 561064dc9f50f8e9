#!/usr/bin/env python3
"""Runs the command that proves each clause of docs/PROMISES.md, and prints its outcome.

usage: promises.py [--list] [CLAUSE…]     in any directory; for the clauses 2.6 and 2.15: promises.py 2.6 2.15

A clause is a heading that begins with a number; its commands are in the first `sh` block below it. A
command fails if it ends with another code than 0, or if it names a test that did not run: cargo's filters
pass when they find nothing.
"""

import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLAUSES = ["1.2", *(f"2.{number}" for number in range(1, 20))]


def clauses(document):
    """Number, title and commands of each clause."""
    found = {}
    for number, title, text in re.findall(r"(?ms)^## (\d+\.\d+) ([^\n]+)\n(.*?)(?=^## |\Z)", document):
        block = re.search(r"(?s)```sh\n(.*?)```", text)
        commands = block[1].replace("\\\n", " ").splitlines() if block else []
        found[number] = (title, [" ".join(command.split()) for command in commands if command.strip()])
    return found


def wrong(document):
    """What keeps the document from having a command for each clause."""
    found = clauses(document)
    problems = [f"there is no clause {number}" for number in CLAUSES if number not in found]
    problems += [f"{number} is not a clause of the white paper" for number in found if number not in CLAUSES]
    return problems + [f"{number} has no command" for number, (_, commands) in found.items() if not commands]


def missing_tests(command, output):
    """The tests that a command of cargo names and that did not run."""
    words = shlex.split(command)
    if words[:2] != ["cargo", "test"]:
        return []
    names = [word for word in words[words.index("--") + 1 :] if not word.startswith("-")]
    ran = re.findall(r"(?m)^test (?:\S+::)?(\w+)(?: - should panic)? \.\.\. ok$", output)
    return [name for name in names if name not in ran] or ([] if names else ["(it names none)"])


def run(command):
    """Whether a command succeeds, its seconds, and what it printed."""
    start = time.monotonic()
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output = done.stdout
    missing = missing_tests(command, output)
    if missing:
        output += f"\nnot run: {', '.join(missing)}\n"
    return done.returncode == 0 and not missing, time.monotonic() - start, output


def prove(document):
    """Breaks the document, and the output of a command."""
    for what, changed in [
        ("a clause that is gone", document.replace("## 2.9 ", "### 2.9 ")),
        ("a clause without a command", re.sub(r"(?s)(## 2\.9 .*?)```sh.*?```", r"\1", document)),
        ("a clause that is none", document.replace("## 2.19 ", "## 2.20 ")),
    ]:
        if not wrong(changed):
            sys.exit(f"promises.py does not find {what}")
    command, output = "cargo test --workspace -- a_test another_test", "test a::a_test ... ok\ntest a::another_test ... FAILED"
    if missing_tests(command, output) != ["another_test"] or not missing_tests("cargo test --", output):
        sys.exit("promises.py does not find a test that did not run")


def main(arguments):
    document = (ROOT / "docs/PROMISES.md").read_text(encoding="utf-8")
    if problems := wrong(document):
        sys.exit("\n".join(f"docs/PROMISES.md: {problem}" for problem in problems))
    prove(document)
    only = [argument for argument in arguments if argument != "--list"]
    if unknown := set(only) - set(CLAUSES):
        sys.exit(f"not a clause: {', '.join(sorted(unknown))}; the clauses are {', '.join(CLAUSES)}")
    failed = 0
    for number, (title, commands) in clauses(document).items():
        if only and number not in only:
            continue
        print(f"{number} {title}", flush=True)
        for command in commands:
            if "--list" in arguments:
                print(f"      {command}")
                continue
            holds, seconds, output = run(command)
            print(f"  {'✓' if holds else '✗'} {seconds:5.1f} s  {command}", flush=True)
            if not holds:
                failed += 1
                print("\n".join(output.splitlines()[-40:]))
    if failed:
        sys.exit(f"{failed} commands failed")


if __name__ == "__main__":
    main(sys.argv[1:])
