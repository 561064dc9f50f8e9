"""Holds the checks that PROMISES.md and ASVS.md name against the sources, and ASVS.md against the
list of requirements of the standard.

A check is named as a test or a rule in backticks, as a file, or as a kind and a name in quotes,
such as `deploy: "least privilege"`. An ellipsis in a name stands for any text.
"""

import functools
import re
import subprocess
from pathlib import Path

# OWASP ASVS 5.0.0: the levels of each section's requirements, in their order. Requirements of
# level 3 are left out; in each section they come after the others.
# From 5.0/docs_en/OWASP_Application_Security_Verification_Standard_5.0.0_en.csv of OWASP/ASVS.
LEVELS = """
    V1.1 22  V1.2 111112222  V1.3 11222222222  V1.4 222  V1.5 12
    V2.1 122  V2.2 112  V2.3 1222  V2.4 2
    V3.2 11  V3.3 1222  V3.4 112222  V3.5 11122  V3.7 22
    V4.1 122  V4.2 2  V4.3 22  V4.4 1222
    V5.1 2  V5.2 112  V5.3 11  V5.4 222
    V6.1 122  V6.2 111111112222  V6.3 1122  V6.4 1122  V6.5 22222  V6.6 222  V6.8 2222
    V7.1 222  V7.2 1111  V7.3 22  V7.4 11222  V7.5 22  V7.6 22
    V8.1 12  V8.2 112  V8.3 1  V8.4 2
    V9.1 111  V9.2 1222
    V10.1 22  V10.2 22  V10.3 2222  V10.4 11111222222  V10.5 22222  V10.6 22  V10.7 222
    V11.1 22  V11.2 222  V11.3 112  V11.4 1222  V11.5 2  V11.6 2
    V12.1 122  V12.2 11  V12.3 2222
    V13.1 2  V13.2 22222  V13.3 22  V13.4 12222
    V14.1 22  V14.2 1222  V14.3 122
    V15.1 122  V15.2 122  V15.3 1222222
    V16.1 2  V16.2 22222  V16.3 2222  V16.4 222  V16.5 222
    V17.1 2  V17.2 2222  V17.3 22
"""
SECTIONS = dict(zip(LEVELS.split()[::2], LEVELS.split()[1::2]))
REQUIREMENTS = {
    f"{section}.{number}": level
    for section, levels in SECTIONS.items()
    for number, level in enumerate(levels, start=1)
}

KIND = r"(?<![\w/])(deploy|CI|doctor|client|in-local-cloud|verify\.py|docs/(?:\w+/)?\w+\.md)[:,] "
QUOTED = re.compile(KIND + r'("[^"]+"(?:, "[^"]+")*)')
FILE = re.compile(r"(?<![\w.*-])((?:[\w.-]+/)*[\w-]+(?:\.test)?\.(?:mjs|py|ts|rs|toml|guard|md))\b")
TEST_OR_RULE = re.compile(r"`([a-z]+(?:_[a-z0-9]+)+)`")

# Written like a test, but a field.
NO_CHECKS = {"severity_floor", "notice_days"}


def read(path):
    return Path(path).read_text(encoding="utf-8")


@functools.cache
def files(*patterns):
    return subprocess.check_output(["git", "ls-files", *patterns], text=True).split()


def texts(*patterns):
    return "\n".join(map(read, files(*patterns)))


@functools.cache
def tests_and_rules():
    between = r"(?:\s|#\[[^\]]*\]|//[^\n]*\n)*"
    tests = re.findall(rf"#\[(?:\w+::)?test\b[^\]]*\]{between}(?:async )?fn (\w+)", texts("*.rs"))
    return {*tests, *re.findall(r"(?m)^rule (\w+)", read("tests/template/promises.guard"))}


@functools.cache
def names_of(kind):
    """The names that a kind of check has. Nothing would mean that a pattern is out of date."""
    if kind.endswith(".md"):
        found = re.findall(r"(?m)^#+ (.+)$", read(kind)) if kind in files(kind) else ["-"]
        found = [name.replace("`", "") for name in found]
    elif kind == "deploy":
        found = re.findall(r'@step\("([^"]+)"\)', read("tests/deploy/deploy.py"))
    elif kind == "CI":
        found = re.findall(r'(?m)^step ([\w-]+) "', read(".ci/run"))
    elif kind == "doctor":
        sources = [read(path).partition("#[cfg(test)]")[0] for path in files("cli/src/doctor/*.rs")]
        found = re.findall(r'"([^"\n]+)"', "\n".join(sources))
    elif kind == "client":
        # What `it` and `describe` are called with, and `expect` in the browser.
        found = re.findall(r'\(?"([^"\n]+)",\s*(?:async\s*)?\(', texts("client/test/*.ts"))
        browser = read("tests/browser/client.mjs")
        found += re.findall(r'expect\("([^"\n]+)",', browser) + re.findall(r"expect\(`([^`\n]+)`,", browser)
    elif kind == "verify.py":
        found = re.findall(r'check\(f?"([^"\n]+)"', read("tests/jose/verify.py"))
    else:
        found = re.findall(r'print\("([^"]+)"\)', read("tests/jose/in-local-cloud").replace("'\"'\"'", "'"))
    assert found, f"{kind}: nothing is found"
    return found


def is_named(kind, name):
    pattern = ".*".join(map(re.escape, name.split("…")))
    return any(re.fullmatch(pattern, found) for found in names_of(kind))


def named(text):
    """Every check that a text names: the text that names it, and whether it is there."""
    for name in TEST_OR_RULE.findall(text):
        if name not in NO_CHECKS:
            yield f"`{name}`", name in tests_and_rules()
    for kind, quoted in QUOTED.findall(text):
        for name in re.findall(r'"([^"]+)"', quoted):
            yield f'"{name}"', is_named(kind, name)
    # documents.py holds where links lead to.
    for path in FILE.findall(re.sub(r"\]\([^)]*\)", "]", text)):
        yield path, any(of == path or of.endswith(f"/{path}") for of in files())


def checks_that_are_not_there(document, text):
    missing = dict.fromkeys(name for name, is_there in named(text) if not is_there)
    return [f"{document} names a check that does not exist: {name}" for name in missing]


def requirements_that_differ(asvs):
    """Each requirement of levels 1 and 2 is in ASVS.md once: with its level and its checks, or among
    those that do not apply."""
    wrong, rows, excluded = [], {}, set()
    for number, level, checks in re.findall(r"(?m)^\| (V\d+\.\d+\.\d+) \| [^|]+ \| (\d) \| ([^|]+) \|$", asvs):
        if number in rows:
            wrong.append(f"ASVS.md has {number} twice")
        rows[number] = checks
        if REQUIREMENTS.get(number) != level:
            wrong.append(f"ASVS.md has {number} of level {level}, expected {REQUIREMENTS.get(number)}")
        if "**open**" not in checks and "](" not in checks and not any(True for _ in named(checks)):
            wrong.append(f"ASVS.md names no check of {number}, and does not say that it is open")
    if list(rows) != sorted(rows, key=lambda number: [int(part) for part in number[1:].split(".")]):
        wrong.append("ASVS.md is not in the order of the requirements")
    for listed in re.findall(r"(?m)^\| (V[\d.]+(?:, V[\d.]+)*) \| [^|]+ \|$", asvs):
        for part in listed.split(", "):
            found = {number for number in REQUIREMENTS if f"{number}.".startswith(f"{part}.")}
            if not found or found & (excluded | set(rows)):
                wrong.append(f"ASVS.md: {part} does not apply, but is no part of the standard or listed before")
            excluded |= found
    for number in REQUIREMENTS:
        if number not in rows and number not in excluded:
            wrong.append(f"ASVS.md does not have {number}")
    is_open = sum("**open**" in checks for checks in rows.values())
    in_part = sum("**open** in part" in checks for checks in rows.values())
    counts = (
        f"Of {len(REQUIREMENTS)} requirements {len(rows)} apply. {len(rows) - is_open} of these have checks, "
        f"{in_part} are open in part, {is_open - in_part} are open. {len(excluded)} do not apply."
    )
    if counts not in " ".join(asvs.split()):
        wrong.append(f"ASVS.md does not say: {counts}")
    return wrong


def prove(document, text, must_find):
    """Misspells each check in turn."""
    for name, _ in set(named(text)):
        quote = name[-1] if name[-1] in '"`' else ""
        misspelt = name.removesuffix(quote) + "_of_old" + quote if quote else f"no_{Path(name).name}"
        must_find(f"{name} misspelt in {document}", checks_that_are_not_there(document, text.replace(name, misspelt)))


def prove_requirements(asvs, must_find):
    row = re.search(r"(?m)^\| V1\.2\.4 \|.*\n", asvs).group()
    for what, changed in [
        ("a requirement that is gone", asvs.replace(row, "")),
        ("a requirement that is there twice", asvs.replace(row, row + row)),
        ("a level", asvs.replace(row, row.replace(" | 1 | ", " | 2 | "))),
        ("a requirement that is none", asvs.replace("V1.2.4 ", "V1.2.40 ")),
        ("a requirement without a check", asvs.replace(row, re.sub(r"\| [^|]+ \|\n", "| a review |\n", row))),
        ("a wrong order", asvs.replace(row, "").replace("| V1.2.1 |", f"{row}| V1.2.1 |")),
        ("a chapter that is not excluded any more", re.sub(r"(?m)^\| V17 \|.*\n", "", asvs)),
        ("wrong counts", asvs.replace("Of 253 requirements", "Of 252 requirements")),
    ]:
        must_find(f"{what} in ASVS.md", requirements_that_differ(changed))
