"""`tegata doctor` before the deployment: every check passes or is explained, and every mistake is named."""

import json
import subprocess
import sys

# What a local AWS, called by its root user, cannot show.
OF_ROOT = {"identity": "the test is the account's root user"}
BEFORE = {**OF_ROOT, **{
    tool: "the test needs no build" for tool in ["Rust", "SAM CLI", "cargo-lambda", "zig", "AWS CLI", "make"]
}, "DKIM": "the local SES has no DNS", "MAIL FROM": "the local SES has no DNS"}


def run(*arguments, explained, code=0):
    """Runs `tegata doctor` as the account's admin. Returns the document."""
    command = [sys.argv[1], *map(str, arguments), "--output", "json"]
    for name, reason in explained.items():
        command += ["--explain", f"{name}={reason}"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == code, (command, ran.returncode, ran.stdout, ran.stderr)
    document = json.loads(ran.stdout)
    assert document["caller"] and document["time"] and len(document["versions"]["template_sha256"]) == 64, document
    return document


def failed(document):
    return {check["name"] for check in document["checks"] if check["result"] == "failed"}


def before_deployment(work, parameters):
    """The checks with a file of parameters; and with mistakes in it, which are all named."""

    def check(name, values, code):
        file = work / name
        # What is JSON is YAML, too.
        file.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
        return run("doctor", "--parameters", file, explained=BEFORE, code=code)

    document = check("well.yaml", parameters, 0)
    assert document["ok"] and not failed(document), document
    wrong = check("wrong.yaml", {**parameters, "Stag": "prod", "ThrottleRate": 0, "SenderName": ""}, 1)
    [parameters] = [check["seen"] for check in wrong["checks"] if check["result"] == "failed"]
    for mistake in ["Stag is no parameter", "ThrottleRate must be from 1", "SenderName must have 1 to 64"]:
        assert mistake in parameters, (mistake, parameters)
    return document
