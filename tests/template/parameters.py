#!/usr/bin/env python3
"""Shows that SAM's own parser takes parameters from a file as they are written there.

usage: parameters.py     in the repository's root, with SAM's Python
"""

import re
import sys
import tempfile
from pathlib import Path

from samcli.cli.types import CfnParameterOverridesType
from samcli.yamlhelper import yaml_parse

EXAMPLE = "examples/parameters.yaml"
parameters = yaml_parse(Path("template.yaml").read_text(encoding="utf-8"))["Parameters"]


def as_sam_reads(path):
    return CfnParameterOverridesType().convert((f"file://{path}",), None, None)


def written(text):
    """What SAM makes of a file with a text."""
    with tempfile.TemporaryDirectory() as work:
        file = Path(work) / "parameters.yaml"
        file.write_text(text, encoding="utf-8")
        return as_sam_reads(file)


def refused(name, value):
    """Why CloudFormation would refuse a value; nothing if it takes it."""
    of = parameters[name]
    if "AllowedValues" in of and value not in map(str, of["AllowedValues"]):
        return f"is not one of {of['AllowedValues']}"
    if "AllowedPattern" in of and not re.fullmatch(of["AllowedPattern"], value):
        return f"does not match {of['AllowedPattern']}"
    if len(value) > of.get("MaxLength", len(value)):
        return "is too long"
    if of["Type"] == "Number" and not of.get("MinValue", 0) <= int(value) <= of.get("MaxValue", int(value)):
        return "is out of range"
    return None


def check(is_so, *said):
    if not is_so:
        sys.exit(" ".join(map(str, said)))


# A Japanese name with a blank, blanks in Latin, empty values in each form, lists, numbers.
check(
    written("""
SenderName: 株式会社 サンプル
SecurityContact: "security@example.com" # with a comment
MailIdentity: 'example.com'
StatusPage:
StatusPageSecretArn: ""
StatusPageServices: [1234, 1235]
DevelopmentBaseDomains: []
AllowedSourceRanges:
  - 103.79.14.0/24
  - 2001:db8::/32
ContractsPrincipalArn: arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Ops_0123456789abcdef
SendRate: 14
""") == {
        "SenderName": "株式会社 サンプル",
        "SecurityContact": "security@example.com",
        "MailIdentity": "example.com",
        "StatusPage": "",
        "StatusPageSecretArn": "",
        "StatusPageServices": "1234,1235",
        "DevelopmentBaseDomains": "",
        "AllowedSourceRanges": "103.79.14.0/24,2001:db8::/32",
        "ContractsPrincipalArn": "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/"
        "AWSReservedSSO_Ops_0123456789abcdef",
        "SendRate": "14",
    },
    "SAM changes parameters that are in a file",
)

# No value that a parameter accepts, or has by default, is changed by YAML when it stands there bare.
for name, of in parameters.items():
    for value in [*of.get("AllowedValues", []), *([of["Default"]] if "Default" in of else [])]:
        made = written(f"{name}: {value}\n")
        check(made == {name: str(value)}, f"{name}: {value} becomes {made}")

# The file to copy.
example = as_sam_reads(EXAMPLE)
check(set(example) == set(parameters), f"{EXAMPLE} and the template differ in", set(example) ^ set(parameters))
for name, value in example.items():
    check(not refused(name, value), f"{EXAMPLE}: {name}: {value!r}", refused(name, value))
changed = {name for name, value in example.items() if value != str(parameters[name].get("Default", value + "?"))}
marked = set(re.findall(r"^(\w+):", Path(EXAMPLE).read_text(encoding="utf-8").partition("# ---- Names")[0], re.M))
check(changed == marked, f"{EXAMPLE}: what is to be changed, and what differs from the defaults:", changed ^ marked)
check(example["SenderName"] == "株式会社サンプル", "the sender", example["SenderName"])

# As it was documented once: SAM reads the first word, and says nothing.
words = CfnParameterOverridesType().convert(("SenderName=Example Inc.",), None, None)
check(words != {"SenderName": "Example Inc."}, "SAM takes a name with a blank outside of a file:", words)
print(f"SAM reads {len(example)} parameters of {EXAMPLE} as they are written")
