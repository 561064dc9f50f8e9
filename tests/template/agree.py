#!/usr/bin/env python3
"""Compares the templates with what the code reads of them.

usage: agree.py     in the repository's root, with cfn-lint
"""

import re
import subprocess
import sys
from pathlib import Path

from cfnlint.decode.cfn_yaml import load


def found(path, pattern):
    """What a source file names; nothing would mean that the pattern is out of date."""
    names = set(re.findall(pattern, Path(path).read_text(encoding="utf-8")))
    return names or sys.exit(f"{path}: {pattern} finds nothing")


template = load("template.yaml")
missing = found("cli/src/place.rs", r'_OUTPUT: &str = "(\w+)"') - set(template["Outputs"])
if missing:
    sys.exit(f"`tegata --stack` looks for outputs that are not there: {sorted(missing)}")

delivery = load("template-cdn-logs.yaml")["Resources"]["CdnLogDelivery"]["Properties"]
read = found("functions/common/src/access/cdn.rs", r'"([^"]+)" => Column::')
if read != set(delivery["RecordFields"]):
    sys.exit(f"the CDN's log and its reader differ in {sorted(read ^ set(delivery['RecordFields']))}")

alarms = {name for name, of in template["Resources"].items() if of["Type"] == "AWS::CloudWatch::Alarm"}
shown = set(re.findall(r"\$\{(\w+)\.Arn\}", template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]))
operations = Path("docs/OPERATIONS.md").read_text(encoding="utf-8")
explained = set(re.findall(r"`(\w+Alarm)`", operations))
if alarms != shown or alarms != explained:
    sys.exit(f"alarms that are not in the template, on the dashboard and in OPERATIONS.md: {sorted((alarms ^ shown) | (alarms ^ explained))}")

decided = set(re.findall(r"`(\w+)`", operations))
if set(template["Parameters"]) - decided:
    sys.exit(f"parameters that OPERATIONS.md does not explain: {sorted(set(template['Parameters']) - decided)}")

# What PROMISES.md calls a check has to be one: a test, or a rule.
checks = set(re.findall(r"`([a-z]+(?:_[a-z0-9]+)+)`", Path("docs/PROMISES.md").read_text(encoding="utf-8")))
tests = set()
for source in subprocess.check_output(["git", "ls-files", "*.rs"], text=True).split():
    tests |= set(re.findall(r"fn (\w+)\(", Path(source).read_text(encoding="utf-8")))
rules = found("tests/template/promises.guard", r"rule (\w+)")
if checks - tests - rules - {"severity_floor"}:
    sys.exit(f"PROMISES.md names checks that are not there: {sorted(checks - tests - rules)}")
print("templates and code agree")
