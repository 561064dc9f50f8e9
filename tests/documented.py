#!/usr/bin/env python3
"""Runs the commands that the operators' documents show against `tegata dev`, in Japanese, and prints each.

usage: documented.py [TEGATA]     in any directory; TEGATA is target/debug/tegata unless given

Every command with arguments that a document shows is in STEPS, with values for its placeholders, or in
EXCEPTIONS, with the reason why it is not run. Commands of a clone's own (`cargo run`) are run by other tests. A
command fails if it ends with another code than 0, or if it prints an error.
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
        holds = done.returncode == 0 and "エラー:" not in done.stdout
        if holds or "publish current" not in command or time.monotonic() > deadline:
            return shlex.join(words), holds, done.stdout
        time.sleep(1)


def main():
    documents = [(ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS]
    if problems := wrong(documents):
        sys.exit("\n".join(problems))
    if not wrong([*documents, "`license suspend NOBODY sheet`"]) or not wrong(documents[:2] + documents[4:]):
        sys.exit("documented.py does not find a command that is new, or gone")
    failed, start = 0, time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        dev = subprocess.Popen([TEGATA, "--local=place", "dev", "--port", "0"], stdout=subprocess.PIPE, text=True)
        try:
            while "license suspend" not in (line := dev.stdout.readline()):
                if not line:
                    sys.exit("tegata dev ended")
            for step in STEPS:
                if callable(step[0]):
                    step[0]()
                    continue
                command, holds, output = run(*step)
                print(f"  {'✓' if holds else '✗'} {time.monotonic() - start:5.1f} s  tegata {command}", flush=True)
                if not holds:
                    failed += 1
                    print(output)
        finally:
            dev.send_signal(signal.SIGINT)
            dev.wait(timeout=20)
            os.chdir(ROOT)
    if failed:
        sys.exit(f"{failed} commands failed")


TEGATA = str(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/debug/tegata").resolve())

if __name__ == "__main__":
    main()
