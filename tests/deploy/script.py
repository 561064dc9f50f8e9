"""`make build` and `make deploy`, with stand-ins for the AWS CLI and SAM that keep to what they take.

usage: script.py     with SAM's Python, whose parser of parameters is used
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[2]

# Both stand-ins keep the stacks in one file, `region/name` to the stack, and note their calls in another.
COMMON = f"""#!{sys.executable}
import json, os, pathlib, sys
work = pathlib.Path(os.environ["STAND_IN"])
stacks = json.loads((work / "stacks.json").read_text())
with open(work / "calls", "a") as calls:
    calls.write(json.dumps([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]) + "\\n")

def options(arguments):
    found, name = {{}}, None
    for argument in arguments:
        if argument.startswith("--"):
            name = argument[2:]
            found[name] = []
        else:
            found[name].append(argument)
    return found

def keep():
    (work / "stacks.json").write_text(json.dumps(stacks))
"""

SAM = COMMON + """
from samcli.cli.types import CfnParameterOverridesType
of = options(sys.argv[2:])
if sys.argv[1] == "--version":
    print("SAM CLI, version " + os.environ.get("SAM_VERSION", "1.170.0"))
    sys.exit()
given = CfnParameterOverridesType().convert(of.get("parameter-overrides", ("",)), None, None)
if sys.argv[1] == "build":
    # SAM takes the template's default unless it is told.
    machine = {"arm64": 183, "x86_64": 62}[os.environ.get("BUILDS", given.get("Architecture", "arm64"))]
    for number in range(FUNCTIONS):
        program = pathlib.Path(f".aws-sam/build/F{number}/bootstrap")
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_bytes(bytes([127, 69, 76, 70, 2, 1, 1, *[0] * 9, 3, 0, machine, 0]) + bytes(44))
elif sys.argv[1] == "deploy" and os.environ.get("ANSWER") == "n":
    stacks[f"{of['region'][0]}/{of['stack-name'][0]}"] = {
        "StackStatus": "REVIEW_IN_PROGRESS", "Parameters": [], "Outputs": []}
    keep()
elif sys.argv[1] == "deploy":
    [name], [region] = of.get("stack-name", ["tegata"]), of.get("region", ["ap-northeast-1"])
    stack = stacks.get(f"{region}/{name}", {"StackStatus": "REVIEW_IN_PROGRESS"})
    if stack["StackStatus"] == "REVIEW_IN_PROGRESS":
        stack = stacks[f"{region}/{name}"] = {
        "StackName": name, "StackStatus": "CREATE_COMPLETE", "Parameters": [], "EnableTerminationProtection": False,
        "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in [
            ("CdnDistribution", "E1" + region.upper().replace("-", "")), ("CdnLogBucket", name + "-logs"),
            ("AlarmTopic", "arn:aws:sns:" + region + ":123456789012:alarms")]],
        }
    # What is not named keeps its value.
    values = {of["ParameterKey"]: of["ParameterValue"] for of in stack["Parameters"]}
    values.update(given)
    stack["Parameters"] = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
    keep()
else:
    sys.exit(f"sam: {sys.argv}")
""".replace("FUNCTIONS", str((ROOT / "template.yaml").read_text().count("BuildMethod: ")))

AWS = COMMON + """
import jmespath
of = options(sys.argv[3:])

def say(answer):
    if of["output"] != ["text"]:
        sys.exit("aws: only text is read here")
    found = jmespath.search(of["query"][0], answer) if "query" in of else answer
    print("None" if found is None else found)

def stack():
    key = of["region"][0] + "/" + of["stack-name"][0]
    if key not in stacks:
        sys.exit(f"An error occurred (ValidationError) when calling the operation: Stack with id {key} does not exist")
    return stacks[key]

if sys.argv[1:3] == ["cloudformation", "describe-stacks"]:
    if os.environ.get("DENIED"):
        sys.exit("An error occurred (AccessDenied) when calling the DescribeStacks operation")
    say({"Stacks": [stack()]})
elif sys.argv[1:3] == ["cloudformation", "update-termination-protection"]:
    stack()["EnableTerminationProtection"] = "enable-termination-protection" in of
    keep()
elif sys.argv[1:3] == ["cloudformation", "deploy"]:
    values = dict(value.split("=", 1) for value in of["parameter-overrides"])
    stacks[of["region"][0] + "/" + of["stack-name"][0]] = {
        "StackName": of["stack-name"][0], "StackStatus": "CREATE_COMPLETE",
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]}
    keep()
elif sys.argv[1:3] == ["sns", "list-subscriptions-by-topic"]:
    say({"Subscriptions": stacks.get("subscriptions", [])})
elif sys.argv[1:3] == ["sns", "subscribe"]:
    stacks["subscriptions"] = [{"Protocol": "email", "Endpoint": of["notification-endpoint"][0],
                                "SubscriptionArn": "PendingConfirmation"}]
    keep()
else:
    sys.exit(f"aws: {sys.argv}")
"""


class Machine:
    """A clone of the repository on a machine with the stand-ins, and an account without stacks."""

    def __init__(self, work):
        self.work, self.root = work, work / "clone"
        for name in ["Makefile", "template.yaml", "template-cdn-logs.yaml", "scripts", "examples"]:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, self.root / name)
            elif (ROOT / name).exists():
                self.root.mkdir(exist_ok=True)
                shutil.copy(ROOT / name, self.root / name)
        (work / "bin").mkdir()
        for name, text in [("sam", SAM), ("aws", AWS), ("cargo-lambda", "#!/bin/sh\n")]:
            (work / "bin" / name).write_text(text)
            (work / "bin" / name).chmod(0o755)
        self.stacks = {}

    def __setattr__(self, name, value):
        if name == "stacks":
            (self.work / "stacks.json").write_text(json.dumps(value))
        else:
            super().__setattr__(name, value)

    def __getattr__(self, name):
        assert name == "stacks"
        return json.loads((self.work / "stacks.json").read_text())

    def file(self, name, text):
        (self.root / name).write_text(text, encoding="utf-8")

    def make(self, *arguments, refused=None, **environment):
        """Returns the calls that were made, as text; of what has to be refused, with the reason."""
        calls = self.work / "calls"
        calls.write_text("")
        shutil.rmtree(self.root / ".aws-sam", ignore_errors=True)
        environment = {**os.environ, **environment, "STAND_IN": str(self.work)}
        environment["PATH"] = f"{self.work / 'bin'}:{environment['PATH']}"
        ran = subprocess.run(["make", *arguments], cwd=self.root, env=environment, capture_output=True, text=True)
        said = ran.stdout + ran.stderr
        assert (ran.returncode != 0) == bool(refused), said
        assert not refused or re.search(refused, said), said
        self.said = said
        return [" ".join(json.loads(line)) for line in calls.read_text().splitlines()]

    def values(self, stack):
        return {of["ParameterKey"]: of["ParameterValue"] for of in self.stacks[stack]["Parameters"]}


def has(calls, start):
    return any(call.startswith(start) for call in calls)


def check(name):
    def decorate(function):
        with tempfile.TemporaryDirectory() as work:
            function(Machine(pathlib.Path(work)))
        print(f"{name}: ok")

    return decorate


STACK = "ap-northeast-1/tegata"


@check("the build follows the parameter, or the stack's value")
def _(machine):
    machine.file("x86.yaml", "Architecture: x86_64\nSenderName: Example Inc.\n")
    machine.file("other.yaml", "SenderName: Example Inc.\n")
    machine.make("deploy", "PARAMETERS=x86.yaml")
    assert "built for x86_64" in machine.said, machine.said
    assert machine.values(STACK)["Architecture"] == "x86_64"
    for arguments in [["PARAMETERS=other.yaml"], []]:
        calls = machine.make("deploy", *arguments)
        assert "built for x86_64" in machine.said, "an update changes the processor: " + machine.said
        assert has(calls, "sam deploy")
    machine.make("build")
    assert "built for x86_64" in machine.said, machine.said
    machine.make("build", "STACK=another")
    assert "built for arm64" in machine.said, machine.said
    for line in ["Architecture: 'arm64' # Graviton", 'Architecture : "arm64"']:
        machine.file("arm.yaml", line + "\n")
        machine.make("build", "PARAMETERS=arm.yaml")
        assert "built for arm64" in machine.said, machine.said


@check("what was built for another processor is not deployed")
def _(machine):
    machine.file("parameters.yaml", "Architecture: x86_64\n")
    calls = machine.make("deploy", BUILDS="arm64", refused="is not built for x86_64")
    assert not has(calls, "sam deploy") and STACK not in machine.stacks, calls
    # A file that hides its value from the script is no way around that.
    machine.file("parameters.yaml", "$include: file://more.yaml\n")
    machine.file("more.yaml", "Architecture: x86_64\n")
    calls = machine.make("deploy", refused="is not built for arm64")
    assert not has(calls, "sam deploy"), calls


@check("parameters arrive as they are in the file")
def _(machine):
    shutil.copy(ROOT / "examples/parameters.yaml", machine.root / "parameters.yaml")
    machine.make("deploy")
    assert machine.values(STACK)["SenderName"] == "株式会社サンプル", machine.values(STACK)
    assert machine.values(STACK)["StatusPage"] == ""
    # Another file, for the other stack.
    machine.file("parameters-staging.yaml", "Stage: staging\nSenderName: Example Inc. (staging)\n")
    machine.make("deploy-staging")
    assert machine.values(STACK + "-staging")["SenderName"] == "Example Inc. (staging)"


@check("parameters that are given in another way are refused")
def _(machine):
    for value, reason in [
        ('SenderName="Example Inc."', "in a file"),
        ("absent.yaml", "there is no file"),
        ("Makefile", "is not called .yaml"),
    ]:
        calls = machine.make("deploy", f"PARAMETERS={value}", refused=reason)
        assert not has(calls, "sam build") and not has(calls, "sam deploy"), calls
    machine.make("deploy", refused="is new and needs parameters")
    machine.make("build", "STACK=" + "x" * 37, refused="36 characters are accepted")


@check("the oldest version of SAM is known")
def _(machine):
    machine.file("parameters.yaml", "Stage: dev\n")
    for version in ["1.151.9", "1.9.0", "0.53.0"]:
        machine.make("build", SAM_VERSION=version, refused=f"SAM CLI {version} is too old: 1.152.0")
    for version in ["1.152.0", "1.160.1", "2.0.0"]:
        machine.make("build", SAM_VERSION=version)


@check("a failed first deployment is said to be one")
def _(machine):
    machine.file("parameters.yaml", "Stage: dev\n")
    machine.stacks = {STACK: {"StackStatus": "ROLLBACK_COMPLETE", "Parameters": [], "Outputs": []}}
    calls = machine.make("deploy", refused="delete-stack --region ap-northeast-1 --stack-name tegata")
    assert not has(calls, "sam build"), calls
    machine.make("deploy", DENIED="1", refused="cannot look at the stack tegata.*AccessDenied")


@check("a change set that is declined ends it")
def _(machine):
    machine.file("parameters.yaml", "Stage: dev\n")
    calls = machine.make("deploy", ANSWER="n", refused="the stack tegata was not deployed")
    assert not has(calls, "aws cloudformation deploy"), calls
    machine.make("deploy", "PARAMETERS=", refused="is new and needs parameters")


@check("the stack is protected, in two regions side by side")
def _(machine):
    machine.file("parameters.yaml", "Stage: dev\n")
    for region in ["ap-northeast-1", "ap-northeast-3"]:
        machine.make("deploy", f"REGION={region}")
        assert machine.stacks[f"{region}/tegata"]["EnableTerminationProtection"]
    delivered = {of["Parameters"][0]["ParameterValue"] for name, of in machine.stacks.items() if "cdn-logs" in name}
    assert len(delivered) == 2, "one has taken the other's log: " + str(machine.stacks)
    # The delivery of an earlier version, of the same distribution.
    stacks = machine.stacks
    stacks["us-east-1/tegata-cdn-logs"] = stacks.pop("us-east-1/tegata-ap-northeast-1-cdn-logs")
    machine.stacks = stacks
    machine.make("deploy", refused="delete-stack --region us-east-1 --stack-name tegata-cdn-logs")


@check("an alarm address is asked until it is confirmed")
def _(machine):
    machine.file("parameters.yaml", "AlarmAddress: alarms@example.com\n")
    for _ in range(2):
        calls = machine.make("deploy")
        assert has(calls, "aws sns subscribe"), calls
    stacks = machine.stacks
    stacks["subscriptions"][0]["SubscriptionArn"] = "arn:aws:sns:ap-northeast-1:123456789012:alarms:1"
    machine.stacks = stacks
    calls = machine.make("deploy")
    assert not has(calls, "aws sns subscribe") and "alarms go to alarms@example.com" in machine.said, machine.said
