#!/usr/bin/env python3
"""Compares the templates with what the code reads of them.

usage: agree.py     in the repository's root, with cfn-lint
"""

import re
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
explained = set(re.findall(r"`(\w+Alarm)`", Path("docs/OPERATIONS.md").read_text(encoding="utf-8")))
if alarms != shown or alarms - explained:
    sys.exit(f"alarms that are not on the dashboard or in OPERATIONS.md: {sorted((alarms ^ shown) | (alarms - explained))}")
print("templates and code agree")
