#!/usr/bin/env python3
"""Compares docs/DATA.md and docs/LOGS.md with the templates and with the types that the code writes,
and the links, the paths and the translations of the documents; and shows that each comparison finds a
difference.

usage: documents.py     in the repository's root, with cfn-lint
"""

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from cfnlint.decode.cfn_yaml import load


def listed(*patterns):
    return subprocess.check_output(["git", "ls-files", *patterns], text=True).split()


def read(path):
    return Path(path).read_text(encoding="utf-8")


# ---- Markdown ----


def sections(document):
    """The text below each heading, up to the next one, by the heading's text."""
    parts = re.split(r"(?m)^#+ (.*)$", without_code(document))
    return dict(zip(parts[1::2], parts[2::2]))


def without_code(document):
    return re.sub(r"(?s)```.*?```", "", document)


def rows(text):
    """The rows of the first table, by column."""
    lines = [line for line in text.partition("\n|")[2].partition("\n\n")[0].splitlines() if line.strip()]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))] for line in lines]
    columns, _, *found = cells or sys.exit(f"no table in {text!r:.80}")
    return [dict(zip(columns, row, strict=True)) for row in found]


def names_in(cell):
    return re.findall(r"`([^`]+)`", cell)


def members(text):
    """What the first column of the first table names."""
    return [name for row in rows(text) for name in names_in(next(iter(row.values())))]


def differences(what, expected, documented):
    expected, documented = set(expected), set(documented)
    return [f"{what}: {name} is not documented" for name in sorted(expected - documented)] + [
        f"{what}: {name} is documented, and not there" for name in sorted(documented - expected)
    ]


# ---- Rust: the members that serde writes ----


def body(source, start):
    """What is between the first brace after `start` and the one that closes it."""
    begin = source.index("{", start) + 1
    depth, end = 1, begin
    while depth:
        depth += {"{": 1, "}": -1}.get(source[end], 0)
        end += 1
    return source[begin : end - 1]


def declaration(code, name, near=None):
    """File, attributes, kind and body of a type; of several, the one in the file `near`."""
    found = []
    for path, source in code.items():
        for match in re.finditer(rf"(?m)^((?:#\[.*\]\n)*)(?:pub(?:\([^)]*\))? )?(struct|enum) {name}(?:<[^>]*>)? \{{", source):
            if "Serialize" in match[1]:
                found.append((path, match[1], match[2], body(source, match.start(2))))
    if len(found) > 1:
        found = [of for of in found if of[0] == near]
    return found[0] if len(found) == 1 else None


WRITTEN = {}


def written(code, name, near=None):
    """The members of a type as JSON or an item has them."""
    key = (id(code), name, near)
    if key not in WRITTEN:
        WRITTEN[key] = members_written(code, name, near)
    return WRITTEN[key]


def members_written(code, name, near):
    declared = declaration(code, name, near)
    if not declared:
        sys.exit(f"no type {name} that is written, or several: name it in the heading as the code does")
    path, attributes, kind, fields = declared
    fields = re.sub(r"//.*", "", fields)
    camel = 'rename_all = "camelCase"' in attributes
    tag = re.search(r'tag = "(\w+)"', attributes)
    found = {tag[1]} if tag else set()
    nested = r"(?ms)^\s*(?P<attributes>(?:#\[.*?\]\s*)*)(?:pub(?:\([^)]*\))? )?(?P<name>(?:r#)?[a-z]\w*): (?P<type>[^\n]*?),?$"
    for field in re.finditer(nested, fields):
        serde = " ".join(re.findall(r"(?s)#\[serde\((.*?)\)\]", field["attributes"]))
        if re.search(r"\bflatten\b", serde):
            found |= written(code, re.findall(r"\w+", re.sub(r"&'\w+ ", "", field["type"]))[-1], path)
            continue
        renamed = re.search(r'rename = "([^"]+)"', serde)
        name = field["name"].removeprefix("r#")
        if camel:
            name = re.sub(r"_(\w)", lambda part: part[1].upper(), name)
        found.add(renamed[1] if renamed else name)
    return found


def types_that_differ(document, code):
    """Each heading `…: `Type`` and the table below it."""
    wrong = []
    for heading, text in sections(document).items():
        name = re.search(r": `(\w+)`$", heading)
        if name:
            wrong += differences(name[1], written(code, name[1]), members(text))
    return wrong


# ---- DATA.md ----


def resources(template, kind):
    return {name: of["Properties"] for name, of in template["Resources"].items() if of["Type"] == kind}


def tables_that_differ(document, template):
    expected, documented = set(), set()
    for name, of in resources(template, "AWS::DynamoDB::Table").items():

        def keys(schema):
            return [key["AttributeName"] for kind in ("HASH", "RANGE") for key in schema if key["KeyType"] == kind]

        indexes = of.get("GlobalSecondaryIndexes", []) or [{"IndexName": "none", "KeySchema": []}]
        stream = "yes" if "StreamSpecification" in of else "no"
        for index in indexes:
            expected.add((name, *keys(of["KeySchema"]), index["IndexName"], *keys(index["KeySchema"]), stream))
        defined = {of["AttributeName"] for of in of["AttributeDefinitions"]}
        used = {key for schema in [of, *of.get("GlobalSecondaryIndexes", [])] for key in keys(schema["KeySchema"])}
        assert defined == used, (name, defined, used)
    for row in rows(sections(document)["Tables"]):
        names = [names_in(row[column]) for column in ("table", "partition key", "sort key", "index", "keys of the index")]
        documented.add((*names[0], *names[1], *names[2], *(names[3] or ["none"]), *names[4], row["stream"]))
    wrong = differences("Tables", map(" ".join, expected), map(" ".join, documented))
    headings = {name for name in sections(document) if name.endswith("Table")}
    wrong += differences("sections of DATA.md", {of[0] for of in expected}, headings)
    # What an index is by is an attribute of an item, too.
    for name, *keys in expected:
        items = sections(document).get(name, "")
        wrong += [f"{name}: no item has the attribute {key}" for key in keys[3:-1] if f"`{key}`" not in items]
    return wrong


def buckets_that_differ(document, template):
    return differences("Buckets", resources(template, "AWS::S3::Bucket"), members(sections(document)["Buckets"]))


# ---- LOGS.md ----


def log_lines_that_differ(document, template, delivery, code):
    of = sections(document)
    gateway = template["Resources"]["LicenseApi"]["Properties"]["AccessLogSettings"]["Format"]
    columns = {
        name: [column["Name"] for column in of["TableInput"]["StorageDescriptor"]["Columns"]]
        for name, of in resources(template, "AWS::Glue::Table").items()
    }
    records = written(code, "AccessRecord")
    cdn = of["The CDN's line"].partition("Fields")[2].partition("No query")[0]
    fields = delivery["Resources"]["CdnLogDelivery"]["Properties"]["RecordFields"]
    return [
        *differences("Log groups", resources(template, "AWS::Logs::LogGroup"), members(of["Log groups"])),
        *differences("The gateway's line", json.loads(gateway), members(of["The gateway's line"])),
        *differences("The lookup's line", written(code, "AccessLine"), members(of["The lookup's line"])),
        *differences("The CDN's line", fields, names_in(cdn)),
        *differences("Access records", records, members(of["Access records"])),
        *differences("Athena's tables", columns, ["ArchiveTable", "ArchiveObjectsTable"]),
        *(wrong for name, of in columns.items() for wrong in differences(f"Athena's {name}", of, records)),
        *differences("Unreadable lines", written(code, "Evidence"), members(of["Unreadable lines"])),
        *differences("Changes", written(code, "ChangeRecord"), members(of["Changes"])),
    ]


def reports_of(functions):
    """Type to figures and metrics of each report."""
    found, metrics = {}, dict(re.findall(r'pub const (\w+): Metric = Metric::\w+\("(\w+)"', functions))
    for kind, rest in re.findall(r'(?s)ReportLine::new\(\s*"(\w+)", now(.*?)(?=ReportLine::new\(|\bfn |\Z)', functions):
        figures = re.findall(r'\.(?:figure|dimension)\(\s*"(\w+)"', rest)
        named = re.findall(r"\.(?:figure|metric)\(\s*([A-Z_]+)\b", rest)
        found[kind] = {*figures, *(f"**{metrics[name]}" for name in named)}
    return found


def reports_that_differ(document, functions):
    expected = reports_of(functions)
    table = rows(sections(document)["Reports of runs"])
    wrong = differences("Reports", expected, (name for row in table for name in names_in(row["type"])))
    for row in table:
        [kind] = names_in(row["type"])
        cell = re.sub(r"\([^)]*\)", "", row["members"])
        documented = {name if not bold else f"**{name}" for bold, name in re.findall(r"(\*\*)?`(\w+)`", cell)}
        wrong += differences(f"Report {kind}", expected.get(kind, set()), documented)
    return wrong


def messages_that_differ(document, code):
    """Errors and warnings of the functions. What consists of a placeholder only has no text of its own."""
    expected = set()
    for path, source in code.items():
        if "/src/" in path:
            # The tests of a module are at its end.
            for level, text in re.findall(r'(?s)tracing::(error|warn)!\([^;"]*"([^"]*)"', source.partition("\nmod tests {")[0]):
                text = re.sub(r":? ?\{.*?\}", "", text)
                expected |= {f"{level.upper()} {text}"} if text else set()
    table = rows(sections(document)["Errors and warnings"])
    documented = [f"{row['level']} {name}" for row in table for name in names_in(row["message"])]
    return differences("Errors and warnings", expected, documented)


# ---- Links ----


def anchors(document):
    headings = re.findall(r"(?m)^#+ (.*)$", without_code(document))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links_that_lead_nowhere(documents):
    wrong = []
    for path, document in documents.items():
        for link in re.findall(r"\]\(([^)\s]+)\)", without_code(document)):
            if re.match(r"https?:|mailto:", link):
                continue
            file, _, anchor = link.partition("#")
            target = Path(path).parent.joinpath(file).resolve() if file else Path(path).resolve()
            relative = str(target.relative_to(Path.cwd())) if target.is_relative_to(Path.cwd()) else str(target)
            if not target.exists() or anchor and relative in documents and anchor not in anchors(documents[relative]):
                wrong.append(f"{path}: {link} leads nowhere")
    return wrong


# ---- Translations ----


def paths_that_are_not_there(documents, files):
    """A file or directory of the repository that a document names, by its path or by its name alone."""
    directories = {str(parent) for file in files for parent in Path(file).parents}
    names, top = {Path(file).name for file in files}, {file.split("/")[0] for file in files}
    wrong = []
    for path, document in documents.items():
        for word in {word for text in names_in(without_code(document)) for word in text.split()}:
            word = word.rstrip("/,:;")
            # NAME and <name> stand for something else.
            if re.search(r"[<>*…{$]|\b[A-Z]+$", word):
                continue
            is_path = "/" in word and word.split("/")[0] in top
            is_source = re.fullmatch(r"[\w-]+\.(rs|ts|mjs|py|guard|jinja)", word)
            if (is_path and word not in files and word not in directories) or (is_source and word not in names):
                wrong.append(f"{path}: there is no {word}")
    return wrong


def documents_that_are_too_long(documents):
    """What is read first has to stay short."""
    words = len(documents["docs/ARCHITECTURE.md"].split())
    return [f"ARCHITECTURE.md has {words} words, and at most 1,500 are wanted"] if words > 1500 else []


# Documents that operators, auditors and plug-in developers read in Japanese.
TRANSLATED = [
    "README.md",
    "CHANGELOG.md",
    "client/DISCLOSURE.md",
    "client/LOADER.md",
    "client/README.md",
    "docs/MIGRATING.md",
    "docs/NOTICES.md",
    "docs/PROMISES.md",
    "docs/operations/emergencies.md",
    "docs/operations/operators.md",
    "examples/plugin/README.md",
]


def translation_of(path):
    return path.removesuffix(".md") + ".ja.md"


def translated_part(path, document):
    """What of a document is translated: of CHANGELOG.md, what operators have to do."""
    if not Path(path).name.startswith("CHANGELOG"):
        return document
    headings = r"(?m)^(?:#|##) .*\n|^### (?:To do when upgrading|アップグレード時に行うこと)\n[^#]*"
    return "".join(re.findall(headings, document))


def code_lines(block):
    """A code block without its comments, whose text is translated."""
    comment = r"(?:(?:^|\s)(?:#|//)(?:\s.*)?$)|/\*.*?\*/"
    lines = (re.sub(comment, "", line).rstrip() for line in block.splitlines())
    # Text in quotes that is written for people is not compared either: it is in both languages.
    return [" ".join(line.split()) for line in lines if line.strip()]


def skeleton(document):
    """What a translation has in common with its original, by section: headings, code, the names in the
    text and in each row of a table, marks, and where links lead."""
    parts = re.split(r"(?m)^(#+) .*$", re.sub(r"(?s)```.*?```", lambda block: block[0].replace("\n#", "\n\0"), document))
    levels, found = ["", *parts[1::2]], {}
    for number, (level, text) in enumerate(zip(levels, parts[0::2])):
        text = text.replace("\n\0", "\n#")
        blocks = re.findall(r"(?s)```[^\n]*\n(.*?)```", text)
        prose = [line for line in without_code(text).splitlines() if not line.startswith("|")]
        table = [line for line in without_code(text).splitlines() if line.startswith("|")]
        files = re.findall(r"\]\(([^)#\s]*)", without_code(text))
        section = {
            "level": len(level),
            "code": [code_lines(block) for block in blocks],
            "names": sorted({" ".join(name.split()) for name in names_in("\n".join(prose))}),
            "rows": [sorted(set(names_in(line))) for line in table],
            "marks": [line.count("✓") for line in table],
            "links": sorted({file.replace(".ja.md", ".md") for file in files} - {""}),
        }
        found |= {(number, what): of for what, of in section.items()}
    return found


def translations_that_differ(documents, paths=TRANSLATED):
    wrong = []
    for path in paths:
        other = translation_of(path)
        if other not in documents or path not in documents:
            wrong.append(f"{path} has no translation {other}")
            continue
        for first, second in [(path, other), (other, path)]:
            beginning = documents[first].split("\n\n")[1]
            if f"]({Path(second).name})" not in beginning:
                wrong.append(f"{first} does not begin with a link to {second}")
        original = skeleton(translated_part(path, documents[path]))
        translated = skeleton(translated_part(other, documents[other]))
        for key in sorted({*original, *translated}):
            if original.get(key) != translated.get(key):
                number, what = key
                wrong.append(f"{other}: section {number}: {what}: {difference(original.get(key), translated.get(key))}")
    for path in paths:
        other = translation_of(path)
        # Below the link to its original.
        text = documents.get(other, "").partition("\n\n")[2].partition("\n\n")[2]
        for link in re.findall(r"\]\(([^)#\s]+\.md)", text):
            target = os.path.normpath(Path(other).parent / link)
            if target in TRANSLATED:
                wrong.append(f"{other}: {link} has a translation")
    unlisted = {path for path in documents if path.endswith(".ja.md")} - {translation_of(path) for path in TRANSLATED}
    return wrong + [f"{path} is not in TRANSLATED" for path in sorted(unlisted)]


def difference(original, translated):
    """The first part in which two lists differ."""
    if isinstance(original, list) and isinstance(translated, list):
        for first, second in zip([*original, None], [*translated, None]):
            if first != second:
                return f"{second!r} instead of {first!r}"
    return f"{translated!r} instead of {original!r}"


def mutants_of(document):
    """Changes of a document, each of which a comparison with its translation has to find: every name in
    its text once, every heading, every block of code."""
    for name in dict.fromkeys(names_in(without_code(document))):
        yield f"`{name}`", document.replace(f"`{name}`", f"`{name}x`", 1)
    for heading in re.finditer(r"(?m)^#+ .*$", without_code(document)):
        yield heading[0], document.replace(f"\n{heading[0]}\n", f"\n#{heading[0]}\n", 1)
    for block in re.finditer(r"(?s)```[^\n]*\n(.*?)```", document):
        yield block[0][:40], document[: block.start(1)] + "another line\n" + document[block.start(1) :]
    for mark in re.finditer("✓", document):
        yield "a mark", document[: mark.start()] + document[mark.end() :]


# ---- The comparisons, and that they find differences ----

TEMPLATE, DELIVERY = load("template.yaml"), load("template-cdn-logs.yaml")
DATA, LOGS = read("docs/DATA.md"), read("docs/LOGS.md")
CODE = {path: read(path) for path in listed("functions/*.rs", "crates/*.rs") if "/tests/" not in path}
FUNCTIONS = "\n".join(CODE.values())
DOCUMENTS = {path: read(path) for path in listed("*.md") if not path.startswith("tests/fuzz/seeds/")}
FILES = set(listed())


def must_find(what, findings):
    if not findings:
        sys.exit(f"documents.py does not find {what}")


def changed(template, change):
    template = copy.deepcopy(template)
    change(template["Resources"])
    return template


def prove():
    """Breaks one thing at a time."""
    for heading, text in sections(DATA).items():
        if re.search(r": `\w+`$", heading):
            for name in members(text):
                row = re.search(rf"(?m)^\| .*`{re.escape(name)}`.*\n", text)[0]
                other = DATA.replace(heading + text, heading + text.replace(row, ""))
                must_find(f"{name} that is missing below {heading}", types_that_differ(other, CODE))
    [(path, _, _, _)] = [declaration(CODE, "License")]
    code = {**CODE, path: CODE[path].replace("pub ends_on:", "pub ends_at:")}
    must_find("a member renamed in the code", types_that_differ(DATA, code))
    for name in ["domain", "due_at", "`renewals`", "work", "CustomersTable"]:
        must_find(f"{name} renamed in DATA.md", tables_that_differ(DATA.replace(name, "renamed"), TEMPLATE))

    def rename_index(of):
        of["NoticesTable"]["Properties"]["GlobalSecondaryIndexes"][0]["IndexName"] = "renamed"

    must_find("an index renamed in the template", tables_that_differ(DATA, changed(TEMPLATE, rename_index)))
    no_stream = changed(TEMPLATE, lambda of: of["LicensesTable"]["Properties"].pop("StreamSpecification"))
    must_find("a table without its stream", tables_that_differ(DATA, no_stream))
    must_find("a bucket", buckets_that_differ(DATA.replace("`CdnLogBucket` |", "`OtherBucket` |"), TEMPLATE))
    for heading in ["The gateway's line", "The lookup's line", "Access records", "Unreadable lines", "Changes", "Log groups"]:
        text = sections(LOGS)[heading]
        for name in members(text):
            other = LOGS.replace(text, text.replace(f"| `{name}` |", f"| `{name}Other` |"))
            must_find(f"{name} renamed below {heading}", log_lines_that_differ(other, TEMPLATE, DELIVERY, CODE))
    must_find("a field of the CDN's log", log_lines_that_differ(LOGS.replace("`c-ip`", "`c-port`"), TEMPLATE, DELIVERY, CODE))
    for kind, figures in reports_of(FUNCTIONS).items():
        must_find(f"the report {kind}", reports_that_differ(LOGS.replace(f"| `{kind}` |", "| `other` |"), FUNCTIONS))
        for name in figures:
            name = name.removeprefix("**")
            must_find(f"{name} of a report", reports_that_differ(LOGS.replace(f"`{name}`", "`Other`"), FUNCTIONS))
    must_find("a metric that is documented as a figure", reports_that_differ(LOGS.replace("**`MailsRefused`**", "`MailsRefused`"), FUNCTIONS))
    must_find("a message", messages_that_differ(LOGS.replace("a day was not rolled up", "a day was lost"), CODE))
    must_find("a level", messages_that_differ(LOGS.replace("quota` | WARN", "quota` | ERROR"), CODE))
    for link in ["nowhere.md", "DATA.md#nowhere"]:
        must_find(f"a link to {link}", links_that_lead_nowhere({**DOCUMENTS, "docs/LOGS.md": f"{LOGS} [a]({link})"}))
    for word in ["cli/src/nowhere.rs", "docs/nowhere", "nowhere.rs"]:
        other = {**DOCUMENTS, "docs/LOGS.md": f"{LOGS} `{word}`"}
        must_find(f"the path {word}", paths_that_are_not_there(other, FILES))
    long = {**DOCUMENTS, "docs/ARCHITECTURE.md": "word " * 1501}
    must_find("a long document", documents_that_are_too_long(long))
    for path in TRANSLATED:
        other = translation_of(path)
        without = {name: of for name, of in DOCUMENTS.items() if name != other}
        must_find(f"that {other} is missing", translations_that_differ(without, [path]))
        linked = {**DOCUMENTS, other: f"{DOCUMENTS[other]} [x]({os.path.relpath('README.md', Path(other).parent)})"}
        must_find(f"that {other} links a document that has a translation", translations_that_differ(linked, [path]))
        for side in [path, other]:
            without = {**DOCUMENTS, side: DOCUMENTS[side].replace("](", "](x", 1)}
            must_find(f"that {side} does not link its translation", translations_that_differ(without, [path]))
            document = translated_part(side, DOCUMENTS[side])
            intact = skeleton(document)
            for what, mutant in mutants_of(document):
                if mutant != document and skeleton(mutant) == intact:
                    sys.exit(f"documents.py does not find a change of {what} in {side}")


def sheet_that_differs():
    """The security check sheet for spreadsheets is what its Markdown says."""
    done = subprocess.run(["scripts/check-sheet", "--check"], capture_output=True, text=True)
    return done.stderr.splitlines() if done.returncode else []


wrong = [
    *sheet_that_differs(),
    *types_that_differ(DATA, CODE),
    *tables_that_differ(DATA, TEMPLATE),
    *buckets_that_differ(DATA, TEMPLATE),
    *log_lines_that_differ(LOGS, TEMPLATE, DELIVERY, CODE),
    *reports_that_differ(LOGS, FUNCTIONS),
    *messages_that_differ(LOGS, CODE),
    *links_that_lead_nowhere(DOCUMENTS),
    *paths_that_are_not_there(DOCUMENTS, FILES),
    *documents_that_are_too_long(DOCUMENTS),
    *translations_that_differ(DOCUMENTS),
]
if wrong:
    sys.exit("\n".join(wrong))
prove()
print("DATA.md, LOGS.md, links, paths and translations agree with what they describe")
