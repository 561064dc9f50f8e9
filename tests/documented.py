#!/usr/bin/env python3
"""Runs the commands that the operators' documents show against `tegata dev`, in Japanese, and prints each.

usage: documented.py [TEGATA]     in any directory; TEGATA is target/debug/tegata unless given

What is printed is Japanese: a word of English in it fails, unless somebody typed it or ENGLISH names it. REFUSALS are
commands with a mistake, for what is printed then.

Every command with arguments that a document shows is in STEPS, with values for its placeholders, or in
EXCEPTIONS, with the reason why it is not run. Commands of a clone's own (`cargo run`) are run by other tests. A
command fails if it ends with another code than 0, or if it prints an error; a refusal if it ends with 0.
"""

import datetime
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMES = ["README", "docs/operations/operators", "docs/operations/emergencies", "docs/NOTICES", "docs/MIGRATING"]
DOCUMENTS = [f"{name}{ending}" for name in NAMES for ending in [".md", ".ja.md"]]
NOUNS = "license customer contact product notice publish usage access-log history key import export".split()
TODAY = datetime.date.today()
NOTICE = "2026-12-05-sheet-1.9.0"
INCIDENT = f"{TODAY}-sheet-incident"

# Commands that a document shows and this does not run.
EXCEPTIONS = {
    "import --help": "help",
    "notice told-otherwise ID WHO HOW": "its arguments; run as `… C-0042 \"by telephone\"`",
    "notice told-otherwise ID CUSTOMER \"by telephone\"": "the same",
    "notice resolve ID DELIVERY --as sent": "needs a mail of which nobody knows whether it was sent",
    "notice resolve ID DELIVERY --as sent\\|resend": "the same",
    "notice new KIND [--product SLUG] [--version VERSION] [--running VERSION]": "its arguments",
    "notice preview FILE [--to DIR] [--test-to ADDRESS]": "its arguments",
    "notice status ID [--watch]": "its arguments",
    "publish current sheet 1.8.0": "`publish current PRODUCT VERSION` goes back to 1.8.0",
    "license cancel --withdraw": "an option",
    "license change --customer": "an option",
    "license change --users": "an option",
    "license domains --add": "an option",
    "license domains --keep": "an option",
    "license domains --remove": "an option",
    "notice preview --test-to": "an option",
    "license re-sign --all --signed-with NEW": "only after a rotation was taken back in the table",
}


def sample_table():
    """The table of Cybozu's sample, with a plug-in that the catalogue has."""
    item = {"domain": {"S": "moved-here.cybozu.com"}, "pluginId": {"S": "abcdefghijklmnopabcdefghijklmnop"}, "expirationDate": {"S": "2027-03-31"}}
    Path("table.json").write_text(json.dumps({"Items": [item]}))


def soon():
    """The release is planned for the next seconds."""
    path = Path(f"{NOTICE}.toml")
    at = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=8)).isoformat(timespec="seconds")
    path.write_text(re.sub(r"planned_at = \S+", f"planned_at = {at}", path.read_text()))


def files():
    Path("dist").mkdir()
    Path("dist/sheet.js").write_text("// 1.9.0\n")


def information():
    """Two notices to send: one later, one now."""
    for name in ["later", "again"]:
        Path(f"{name}.toml").write_text(
            'kind = "information"\ntitle = { ja = "ご案内", en = "Information" }\nbody = { ja = "本文", en = "Text" }\n'
        )


def nobody():
    """A licence without a customer: nobody is told of it."""
    tegata("license", "issue", "nobody.cybozu.com", "sheet", "--trial", "30", "--users", "5")


def paused():
    tegata("notice", "pause", INCIDENT, "--reason", "a test")


def all_paused():
    tegata("notice", "pause", "--all", "--reason", "a test")


def catalogue():
    shutil.copy(ROOT / "examples/products.toml", ".")


def support_code():
    """What a plug-in shows to administrators."""
    vectors = json.loads((ROOT / "client/test/vectors/support-codes.json").read_text(encoding="utf-8"))
    return vectors["read"][0]["text"]


def kid(state, purpose="lease"):
    keys = json.loads(tegata("key", "list", "--output", "json").stdout)
    return next(key["jwk"]["kid"] for key in keys if key["state"] == state and key["purpose"] == purpose)


def of(domain, **more):
    return {"DOMAIN": domain, "PRODUCT": "sheet", **more}


ahead, ago = (lambda days: str(TODAY + datetime.timedelta(days))), (lambda days: str(TODAY - datetime.timedelta(days)))

# What is run, in this order: the command as a document shows it, or a function; values for its placeholders; arguments
# that stand in for a person who answers, or for a situation.
STEPS = [
    # Customers and contracts.
    ('customer add C-0042 --name "Example Trading Ltd."',),
    ("contact add C-0042 taro@customer.example --role primary --language ja",),
    ("contact add C-0042 it@customer.example --role additional --severity-floor major --releases",),
    ("license issue DOMAIN PRODUCT --trial 30 --users 50 --customer C-0042", of("try.cybozu.com")),
    ("license convert DOMAIN PRODUCT --billing yearly", of("try.cybozu.com")),
    ("license issue DOMAIN PRODUCT --billing monthly --users 50 --customer C-0042", of("buy.cybozu.com")),
    ("license change DOMAIN PRODUCT --users 80", of("buy.cybozu.com")),
    ("license change DOMAIN PRODUCT --billing yearly", of("buy.cybozu.com")),
    ("license domains DOMAIN PRODUCT --add NAME --development", of("buy.cybozu.com", NAME="buy-dev.cybozu.com")),
    ("license move OLD PRODUCT NEW --on 2026-12-01", {"OLD": "buy.cybozu.com", "NEW": "bought.cybozu.com", "PRODUCT": "sheet", "2026-12-01": ahead(3)}),
    ("license domains NEW PRODUCT --keep OLD", {"OLD": "buy.cybozu.com", "NEW": "bought.cybozu.com", "PRODUCT": "sheet"}),
    ("license domains OLD PRODUCT --remove NEW", {"OLD": "buy.cybozu.com", "NEW": "bought.cybozu.com", "PRODUCT": "sheet"}),
    ("license reissue-serial DOMAIN PRODUCT", of("buy.cybozu.com")),
    ("license reissue-serial DOMAIN PRODUCT --overlap 0", of("buy.cybozu.com")),
    ("license suspend DOMAIN PRODUCT", of("buy.cybozu.com")),
    ("license resume DOMAIN PRODUCT", of("buy.cybozu.com")),
    ("license cancel DOMAIN PRODUCT", of("buy.cybozu.com")),
    ("license cancel DOMAIN PRODUCT --withdraw", of("buy.cybozu.com")),
    ("license convert DOMAIN PRODUCT --billing monthly", of("expired.cybozu.com")),
    ("license expiring --within 45d",),
    ("license history DOMAIN PRODUCT", of("buy.cybozu.com")),
    ("license restore DOMAIN PRODUCT --version N", of("buy.cybozu.com", N="1")),
    ("license restore DOMAIN PRODUCT --version N --rewrite", of("buy.cybozu.com", N="1")),
    ("license explain DOMAIN PRODUCT", of("buy.cybozu.com")),
    ("license explain --code CODE", lambda: {"CODE": support_code()}),
    # Announcing and publishing a release.
    ("notice new release --product sheet --version 1.9.0 --to 2026-12-05-sheet-1.9.0.toml",),
    ("notice check 2026-12-05-sheet-1.9.0.toml",),
    ("notice preview 2026-12-05-sheet-1.9.0.toml --to preview",),
    (soon,),
    ("notice send 2026-12-05-sheet-1.9.0.toml", {}, ["--yes", "--short-notice", "a test"]),
    ("notice status 2026-12-05-sheet-1.9.0 --watch",),
    ("notice status ID --output csv", {"ID": NOTICE}),
    ("notice status ID", {"ID": NOTICE}),
    (files,),
    # The sample has 1.9.0 already.
    ("publish files sheet 1.9.0 dist/", {"1.9.0": "1.9.1"}),
    ("publish current sheet 1.9.0 --stage 10%", {}, ["--yes"]),
    ("publish status sheet",),
    ("publish current sheet 1.9.0 --stage all", {}, ["--yes"]),
    ("publish status PRODUCT", {"PRODUCT": "sheet"}),
    ("publish current PRODUCT VERSION", {"PRODUCT": "sheet", "VERSION": "1.8.0"}, ["--yes", "--emergency", "a fault"]),
    # An incident.
    (nobody,),
    ("notice new incident --product sheet",),
    ("notice check 2026-12-05-sheet-incident.toml", {"2026-12-05": str(TODAY)}),
    ("notice check FILE", {"FILE": f"{INCIDENT}.toml"}),
    ("notice send 2026-12-05-sheet-incident.toml", {"2026-12-05": str(TODAY)}, ["--yes"]),
    ("notice status 2026-12-05-sheet-incident --watch", {"2026-12-05": str(TODAY)}),
    ('notice told-otherwise ID C-0042 "by telephone"', {"ID": INCIDENT, "C-0042": "nobody.cybozu.com sheet"}),
    ("notice retry-failed ID", {"ID": INCIDENT}),
    ("notice status ID --exit-code", {"ID": INCIDENT}),
    (paused,),
    ("notice resume ID", {"ID": INCIDENT}),
    (all_paused,),
    ("notice resume --all",),
    (information,),
    ("notice schedule FILE --at INSTANT", {"FILE": "later.toml", "INSTANT": f"{ahead(2)}T10:00:00+09:00"}, ["--yes"]),
    ("notice cancel ID", {"ID": "later"}),
    ("notice send FILE", {"FILE": "again.toml"}, ["--yes"]),
    # What was asked and recorded.
    ("usage report --product sheet",),
    ("usage report --product sheet --from 2026-11-01 --to 2026-11-30", {"2026-11-01": ago(6), "2026-11-30": ago(0)}),
    ("usage domain example.cybozu.com",),
    ("access-log search --domain example.cybozu.com",),
    ("access-log search --domain DOMAIN", of("example.cybozu.com")),
    ("export customers.csv licenses.csv",),
    # Migrating.
    (catalogue,),
    ("product apply products.toml",),
    (sample_table,),
    ("import --from-kintone-sample table.json --dry-run",),
    ("import --from-kintone-sample table.json",),
    # Keys.
    ("key create --purpose release",),
    ("key rotate --purpose release",),
    ("publish current PRODUCT VERSION", {"PRODUCT": "sheet", "VERSION": "1.8.0"}, ["--yes", "--emergency", "a new key"]),
    ("publish current PRODUCT VERSION", {"PRODUCT": "gantt", "VERSION": "1.8.0"}, ["--yes", "--emergency", "a new key"]),
    ("key retire OLD", lambda: {"OLD": kid("previous", "release")}),
    ("key create --purpose release",),
    ("key export --purpose release --file release-keys.json",),
    ("key rotate --purpose release",),
    ("key retire KID --force", lambda: {"KID": kid("previous", "release")}),
    ("key create",),
    ("key retire NEXT", lambda: {"NEXT": kid("next")}),
    ("key create",),
    ("key export --file jwks.json",),
    ("key rotate",),
    ("license re-sign --all --due",),
    ("license re-sign --all --signed-with OLD", lambda: {"OLD": kid("previous")}),
    ("license re-sign --all",),
    ("key retire OLD --force", lambda: {"OLD": kid("previous")}),
    ("key list",),
    ("notice list",),
    ("history verify",),
]



# Words of English in Japanese output, with the reason. Capitals (codes, placeholders), and what has a digit or one of
# `./:@_=` in it (names of files, domains, addresses, callers), are no words.
ENGLISH = {
    "tegata": "programs and services by their names",
    "kintone": "the same",
    "CloudTrail": "the same",
    "DynamoDB": "the same",
    "sheet": "products by their slugs",
    "gantt": "the same",
    "standard": "the edition, as it is typed",
    "Gantt": "a product's name",
    "records": "a sample's quota",
    "ja": "languages, as they are typed",
    "en": "the same",
    "minor": "severities, as they are typed",
    "major": "the same",
    "critical": "the same",
    "state": "the value of `without_serial`, as it is typed",
    "name": "fields of files and columns, as they are typed",
    "releases": "the same",
    "updates": "the same",
    "true": "values of files, as they are typed",
    "false": "the same",
    "Markdown": "the name of the format",
}

# Commands with a mistake: the command, and the text of FILE, if it needs one.
RELEASE = """kind = "release"
products = ["sheet"]
version = "1.9.5"
planned_at = 2030-12-05T10:00:00+09:00
title = { ja = "シート", en = "Sheet" }
body = { ja = "本文", en = "Text" }
"""
CATALOGUE = "issuer = 'https://license.example.com'\n[products.x]\nname = { ja = 'x', en = 'x' }\nX\n"
REFUSALS = [
    ("license suspend",),
    ("license supend example.cybozu.com sheet",),
    ("license list --domain example.cybozu.com",),
    ("license show https://example.cybozu.com/k/ sheet",),
    ("license show example sheet",),
    ("license show example.cybozu.com nothing",),
    ("license issue example.cybozu.com sheet --trial 30 --users 50",),
    ("license issue new.cybozu.com sheet --trial 400 --users 50",),
    ("license issue new.cybozu.com sheet --trial x --users 0",),
    ("license issue new.cybozu.com sheet --billing weekly --users 5",),
    ("license issue new.cybozu.com sheet --trial 30 --users 50 --customer C-9999",),
    ("license change suspended.cybozu.com sheet",),
    ("license change suspended.cybozu.com sheet --edition 標準",),
    ("license move suspended.cybozu.com sheet example.cybozu.com --on 2026-11-01",),
    ("license move suspended.cybozu.com sheet new.cybozu.com --on 2026/12/01",),
    ("license suspend suspended.cybozu.com sheet",),
    ("license resume example.cybozu.com sheet",),
    ("license cancel grace.cybozu.com sheet",),
    ("license restore example.cybozu.com sheet --version 99",),
    ("license explain --code 1/2/3",),
    ("license explain --code 1/2026-11-22T01:00:00Z/EXPIRED/lease/sheet/example.cybozu.com/2.0.0/2026-a,2026-b/2026-11-21T01:00:00Z/xxxx",),
    ("license explain stranger.cybozu.com sheet",),
    ("license domains suspended.cybozu.com sheet --remove suspended.cybozu.com",),
    ("customer add C-0042 --name x",),
    ("customer show C-9999",),
    ("contact add C-0042 taro --role primary",),
    ("contact add C-0042 both@customer.example --role additional",),
    ("contact remove C-0042 nobody@customer.example",),
    ("contact reinstate taro@customer.example",),
    ("product apply nothing.toml",),
    ("product apply FILE", CATALOGUE.replace("'x'", "''")),
    ("product apply FILE", CATALOGUE.replace("issuer", "isuer")),
    *(
        ("product apply FILE", CATALOGUE.replace("X", line))
        for line in [
            "grace_days = -1",
            "cut_off = '25:00'",
            "time_zone = 'Tokyo'",
            "cancel_by_day = 40",
            "kintone_plugin_ids = ['x']",
            "languages = ['fr']",
            "support = 'x y'",
            "purchase_url = 'http:'",
            "without_serial = 'x'",
            "severity_floor = 'x'",
            "notice_days = 100",
            "lease_days = 1000",
            "refresh_hours = 0",
            "requires_serial = 'yes'",
        ]
    ),
    ("notice new release --product sheet",),
    ("notice new incident --product sheet --to m.toml",),
    ("notice new incident --product nothing",),
    ("notice check nothing.toml",),
    ("notice check FILE", RELEASE.replace("T10:00:00+09:00", "")),
    ("notice check FILE", RELEASE.replace("2030-12-05", "2030-13-05")),
    ("notice check FILE", RELEASE.replace("2030-12-05T10:00:00+09:00", "5")),
    ("notice check FILE", RELEASE.replace('"release"', '"relaese"')),
    ("notice check FILE", RELEASE.replace('"release"', "release")),
    ("notice check FILE", RELEASE.replace("version =", "versoin =")),
    ("notice check FILE", RELEASE.replace('["sheet"]', '"sheet"')),
    ("notice check FILE", RELEASE.replace('["sheet"]', '["sheet"')),
    ("notice check FILE", RELEASE.replace('["sheet"]', "[5]")),
    ("notice check FILE", RELEASE.replace('["sheet"]', '["nothing", "sheet"]')),
    ("notice check FILE", RELEASE.replace('"1.9.5"', "1.9")),
    ("notice check FILE", RELEASE.replace('"1.9.5"', '"v1.9"')),
    ("notice check FILE", RELEASE.replace('"1.9.5"', '"1.9.5')),
    ("notice check FILE", RELEASE.replace("planned_at", "# ")),
    ("notice check FILE", RELEASE.replace("2030", "2020")),
    ("notice check FILE", RELEASE.replace("body = {", "body = 5 # {")),
    ("notice check FILE", RELEASE.replace("title = {", "title = { fr = \"\",")),
    ("notice check FILE", RELEASE.replace("title = {", "mails = 1\ntitle = {")),
    ("notice check FILE", RELEASE.replace("本文", "<b>本文</b> ![x](y) [z](http://z) **「重要 」**")),
    ("notice check FILE", RELEASE.replace("kind =", "=")),
    ("notice check FILE", RELEASE.replace('"release"', '"a\\q"')),
    ("notice check FILE", RELEASE.replace('"release"', '"release" x')),
    ("notice check FILE", RELEASE.replace('"release"', "[")),
    ("notice check FILE", RELEASE.replace('"release"', "1.5.5")),
    ("notice check FILE", RELEASE.replace('"release"', "5")),
    ("notice check FILE", RELEASE + "[[updates]]\n"),
    ("notice check FILE", RELEASE + "[updates]\n"),
    ("notice check FILE", RELEASE + "[[updates]]\nstage = 'x'\n"),
    ("notice check FILE", RELEASE + "[audience]\ncustomers = 5\n"),
    ("notice check FILE", RELEASE.replace("release", "incident")),
    ("notice send FILE", RELEASE),
    ("notice status nothing",),
    ("notice status x",),
    ("notice cancel INCIDENT",),
    ("notice resume INCIDENT",),
    ("notice resolve INCIDENT 1 --as sent",),
    ("notice told-otherwise INCIDENT C-9999 電話",),
    ("notice schedule FILE --at 2026-12-05", RELEASE),
    ("publish files sheet 3.0.0 nothing",),
    ("publish current sheet 3.0.0",),
    ("publish current sheet 1.9.1 --stage 200%",),
    ("publish current sheet 1.9.1 --stage all --stage 10%",),
    ("publish status nothing",),
    ("usage report --product nothing",),
    ("usage report --product sheet --from 2026-12-01 --to 2026-11-01",),
    ("access-log search --domain x",),
    ("import nothing.csv",),
    ("import FILE", "customer_id,nmae\nC-1,x\n"),
    ("import FILE", "domain,product,kind,users\nx.example,sheet,trail,0\nexample.cybozu.com,nothing,paid\n"),
    ("export customers.csv customers.csv",),
    ("key rotate",),
    ("key retire nothing",),
    ("doctor --only x",),
]


# Commands that no document shows with their arguments, for what they print.
MORE = [
    "customer list",
    "customer show C-0042",
    "contact list",
    "contact list C-0042",
    "license list",
    "license show example.cybozu.com sheet",
    "license domains buy.cybozu.com sheet",
    "license history buy.cybozu.com sheet",
    "license explain grace.cybozu.com sheet",
    "license explain suspended.cybozu.com sheet --at 2026-01-01",
    "license restore buy.cybozu.com sheet --version 1 --dry-run",
    "product list",
    "publish list sheet",
    "publish news",
    "usage domain stranger.cybozu.com",
    "access-log search --domain stranger.cybozu.com --limit 1",
    "access-log verify",
    "access-log verify --from 2026-01-01 --to 2026-01-02 --quick",
]


def english(output, typed):
    """What is not Japanese in an output: words of English that nobody typed, and punctuation."""
    found = []
    for line in output.splitlines():
        # A line of a file with a mistake, and what is to be typed.
        if re.match(r"\s*\d* \|", line) or line.startswith(("Usage", "使い方")):
            continue
        text = re.sub(r"`[^`]*`|a-z|(使える列|指定できる値)：[^）\]]*|\b(tegata|aws|make) [a-z][^（）。、：]*|--[a-z-]+|'[^']*'|<[A-Z]+>", " 0 ", line)
        words = re.findall(r"(?<![\w./:@=-])[A-Za-z][\w./:@=-]*", text)
        for word in words:
            # An id of a plug-in is longer.
            is_word = re.fullmatch(r"[A-Za-z][a-z-]{1,20}", word)
            if is_word and word not in typed and word not in ENGLISH:
                found.append(f"{word!r} in {line.strip()!r}")
        letter, other = "[ぁ-ゖァ-ヺー一-龠]", "[A-Za-z0-9%]"
        for wrong in re.findall(rf"{letter}{other}|{other}{letter}|{letter}[:;,!?(]|[)]{letter}", text):
            found.append(f"{wrong!r} in {line.strip()!r}")
    return found


def shown(document):
    """The commands of a document, without the stack: those in code blocks, and those in the text that have arguments."""
    found = set()
    for number, part in enumerate(document.split("```")):
        if number % 2:
            lines = [line.split(" #")[0].strip() for line in part.replace("\\\n", " ").splitlines()]
            found |= {line for line in lines if line.startswith("tegata ")}
        else:
            spans = [" ".join(span.split()) for span in part.split("`")[1::2]]
            found |= {span for span in spans if len(span.removeprefix("tegata ").split()) > 2 - span.startswith("tegata ")}
    found = {re.sub(r"^(tegata )?(--stack \w+ |--local(=\S+)? )?", "", command) for command in found}
    return {command for command in found if command.split()[0] in NOUNS and len(command.split()) > 1 and "…" not in command}


def wrong(documents):
    """What keeps the list from being that of the documents."""
    there = set().union(*(shown(document) for document in documents))
    listed = {step[0] for step in STEPS if isinstance(step[0], str)} | set(EXCEPTIONS)
    missing = sorted(command for command in there - listed if len(command.split()) > 2)
    return [f"not in tests/documented.py: {command}" for command in missing] + [
        f"in tests/documented.py, and in no document: {command}" for command in sorted(listed - there)
    ]


def tegata(*arguments):
    command = [TEGATA, "--local=place", "--language", "ja", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)


def run(command, values={}, more=[]):
    """Runs a step. A version is current once its instant has come and everybody was told: a few attempts."""
    values = values() if callable(values) else values
    words = shlex.split(command)
    for placeholder, value in values.items():
        words = [re.sub(rf"(?<![\w-]){re.escape(placeholder)}(?![A-Z])", value, word) for word in words]
    deadline = time.monotonic() + 25
    while True:
        done = tegata(*words, *more)
        holds = done.returncode == 0 and "エラー：" not in done.stdout
        if holds or "publish current" not in command or time.monotonic() > deadline:
            return shlex.join(words), holds, done.stdout
        time.sleep(1)


def words_of(command):
    """What somebody typed: words of commands, and titles of notices."""
    paths = list(Path(".").glob("*.toml"))
    files = "\n".join(path.read_text() for path in paths)
    titles = re.findall(r'(?m)^(?:en|title) = (.*)$', files)
    return set(re.findall(r"[\w.-]+", " ".join([command, *titles, *(path.stem for path in paths)])))


def requests(address):
    """What tenants ask, so that there are access records."""
    for path in ["example", "grace", "stranger", "x"]:
        try:
            urllib.request.urlopen(f"{address}/v1/products/sheet/domains/{path}.cybozu.com/license?version=1.8.0").read()
        except urllib.error.HTTPError as error:
            error.close()


def refusals(typed):
    """How many of the commands with a mistake are not refused in Japanese."""
    failed = 0
    for number, (command, *texts) in enumerate(REFUSALS):
        file = f"mistake-{number}.{'csv' if command.startswith('import') else 'toml'}"
        for text in texts:
            Path(file).write_text(text)
        words = [word.replace("FILE", file).replace("INCIDENT", INCIDENT) for word in shlex.split(command)]
        done = tegata(*words)
        wrong_words = english(done.stdout, typed | words_of(" ".join([command, *texts])))
        if done.returncode == 0 or "エラー：" not in done.stdout or wrong_words:
            failed += 1
            print(f"  ✗ {done.returncode} tegata {command}\n{done.stdout}", *wrong_words, sep="\n")
    print(f"  {len(REFUSALS) - failed} of {len(REFUSALS)} commands with a mistake are refused in Japanese")
    return failed


def main():
    documents = [(ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS]
    if problems := wrong(documents):
        sys.exit("\n".join(problems))
    if not wrong([*documents, "`license suspend NOBODY sheet`"]) or not wrong(documents[:2] + documents[4:]):
        sys.exit("documented.py does not find a command that is new, or gone")
    if not english("3 new files", set()) or not english("次は3 件です: x", set()) or english("3 件（x）を `new` へ", set()):
        sys.exit("documented.py does not find English in Japanese")
    failed, start, typed = 0, time.monotonic(), set()
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        command = [TEGATA, "--local=place", "--language", "ja", "dev", "--port", "0"]
        dev = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            guide = []
            while not guide or "publish status" not in guide[-1]:
                guide.append(dev.stdout.readline())
                if not guide[-1]:
                    sys.exit("tegata dev ended")
            text = [re.sub(r"\b(curl|cargo) [^#]*", " ", line) for line in guide]
            if wrong_words := english("".join(text), set()):
                sys.exit("\n".join(wrong_words))
            requests(re.search(r"http://[\d.:]+", guide[0])[0])
            for step in STEPS:
                if callable(step[0]):
                    step[0]()
                    continue
                command, holds, output = run(*step)
                typed |= words_of(" ".join([command, *[word for more in step[2:] for word in more]]))
                # A ledger is a file.
                wrong_words = [] if "--output csv" in command else english(output, typed)
                holds &= not wrong_words
                print(f"  {'✓' if holds else '✗'} {time.monotonic() - start:5.1f} s  tegata {command}", flush=True)
                if not holds:
                    failed += 1
                    print("\n".join([output, *wrong_words]))
            for command in MORE:
                done = tegata(*shlex.split(command))
                typed |= words_of(command)
                wrong_words = english(done.stdout, typed)
                if done.returncode or wrong_words:
                    failed += 1
                    print(f"  ✗ {done.returncode} tegata {command}\n{done.stdout}", *wrong_words, sep="\n")
            failed += refusals(typed)
        finally:
            dev.send_signal(signal.SIGINT)
            dev.wait(timeout=20)
            os.chdir(ROOT)
    if failed:
        sys.exit(f"{failed} commands failed")


TEGATA = str(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/debug/tegata").resolve())

if __name__ == "__main__":
    main()
