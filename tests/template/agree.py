#!/usr/bin/env python3
"""Compares the templates with what the code and the documents say of them, and shows that each
comparison finds a difference.

usage: agree.py     in the repository's root, with cfn-lint
"""

import copy
import re
import subprocess
import sys
from pathlib import Path

from cfnlint.decode.cfn_yaml import load

try:
    from re import _parser as sre  # Python 3.11 and later
except ImportError:
    import sre_parse as sre


def read(path):
    return Path(path).read_text(encoding="utf-8")


def found(path, pattern):
    """What a source file names; nothing would mean that the pattern is out of date."""
    names = set(re.findall(pattern, read(path)))
    return names or sys.exit(f"{path}: {pattern} finds nothing")


def strings(value):
    """All strings in a part of a template."""
    if isinstance(value, dict):
        for of in value.values():
            yield from strings(of)
    elif isinstance(value, list):
        for of in value:
            yield from strings(of)
    elif isinstance(value, str):
        yield value


# ---- Outputs ----


def missing_outputs(template, names):
    return [f"`tegata --stack` looks for an output {name}" for name in sorted(names - set(template["Outputs"]))]


def takes_more_than_ascii(pattern):
    """Whether a regular expression lets a character through that is not ASCII."""

    def lets(parsed):
        for kind, of in parsed:
            if kind in (sre.ANY, sre.NOT_LITERAL):
                return True
            if kind is sre.LITERAL and of > 127:
                return True
            if kind is sre.IN and any(
                part is sre.NEGATE
                or part is sre.LITERAL and what > 127
                or part is sre.RANGE and what[1] > 127
                or part is sre.CATEGORY and "NOT" in str(what)
                for part, what in of
            ):
                return True
            if isinstance(of, (tuple, list, sre.SubPattern)) and any(lets(part) for part in subpatterns(of)):
                return True
        return False

    def subpatterns(of):
        if isinstance(of, sre.SubPattern):
            yield of
        elif isinstance(of, (tuple, list)):
            for part in of:
                yield from subpatterns(part)

    return lets(sre.parse(pattern, re.ASCII))


def free_text(template):
    """The parameters that may have any characters."""
    return {
        name
        for name, of in template["Parameters"].items()
        if of["Type"] == "String"
        and "AllowedValues" not in of
        and ("AllowedPattern" not in of or takes_more_than_ascii(of["AllowedPattern"]))
    }


def outputs_with_free_text(template):
    """DescribeStacks replaces what is not ASCII in an output, so none may have such a text."""
    texts = free_text(template)

    def outside_base64(value):
        if isinstance(value, dict):
            return {name: outside_base64(of) for name, of in value.items() if name != "Fn::Base64"}
        return [outside_base64(of) for of in value] if isinstance(value, list) else value

    wrong = []
    for name, output in template["Outputs"].items():
        for text in strings(outside_base64(output["Value"])):
            used = {text} | set(re.findall(r"\$\{([\w.:]+)\}", text))
            if used & texts:
                wrong.append(f"output {name} has the free text of {sorted(used & texts)}")
        if not all(text.isascii() for text in strings(output)):
            wrong.append(f"output {name} is not in ASCII")
    return wrong


# ---- What others read of the templates ----


def columns_that_differ(delivery, columns):
    fields = set(delivery["Resources"]["CdnLogDelivery"]["Properties"]["RecordFields"])
    return [f"the CDN's log and its reader differ in {sorted(columns ^ fields)}"] if columns != fields else []


# Which alarm tells that a source of the archive should have records and has none.
SILENT_SOURCES = {
    "gateway": "RecordsMissingAlarm",
    "lookup": "FunctionRecordsMissingAlarm",
    "cdn": "CdnRecordsMissingAlarm",
}


def sources_without_alarm(template):
    table = template["Resources"]["ArchiveTable"]["Properties"]["TableInput"]
    sources = table["Parameters"]["projection.source.values"].split(",")
    return [
        f"no alarm tells that records of {source} are missing"
        for source in sources
        if SILENT_SOURCES.get(source) not in template["Resources"]
    ]


def cdn_log_goes_elsewhere(template, delivery):
    """The bucket lets lines in below one path, which has to be a part of the destination's name."""
    policy = template["Resources"]["CdnLogBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    [let_in] = [of["Resource"]["Fn::Sub"] for of in policy if of["Sid"] == "AWSLogsDeliveryWrite"]
    path = let_in.removeprefix("${CdnLogBucket.Arn}").removesuffix("*")
    destination = delivery["Resources"]["CdnLogDestination"]["Properties"]["DestinationResourceArn"]["Fn::Sub"]
    written = (destination + "/").partition("${LogBucket}")[2]
    if path == "/" or not written.startswith(path):
        return [f"the CDN's log goes to {written}, and the bucket lets {path} in"]
    return []


def alarms_that_differ(template, operations):
    """Alarms that are not in the template, on the dashboard, and in OPERATIONS.md."""
    alarms = {name for name, of in template["Resources"].items() if of["Type"] == "AWS::CloudWatch::Alarm"}
    shown = set(re.findall(r"\$\{(\w+)\.Arn\}", dashboard(template)))
    explained = set(re.findall(r"`(\w+Alarm)`", operations))
    wrong = (alarms ^ shown) | (alarms ^ explained)
    return [f"not in the template, on the dashboard and in OPERATIONS.md: {name}" for name in sorted(wrong)]


def dashboard(template):
    return template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]


def unexplained_parameters(template, operations):
    unexplained = set(template["Parameters"]) - set(re.findall(r"`(\w+)`", operations))
    return [f"OPERATIONS.md does not explain the parameter {name}" for name in sorted(unexplained)]


def checks_that_are_not_there(promises):
    """What PROMISES.md calls a check has to be one: a test, or a rule."""
    checks = set(re.findall(r"`([a-z]+(?:_[a-z0-9]+)+)`", promises))
    tests = set()
    for source in subprocess.check_output(["git", "ls-files", "*.rs"], text=True).split():
        tests |= set(re.findall(r"fn (\w+)\(", read(source)))
    rules = found("tests/template/promises.guard", r"rule (\w+)")
    return [f"PROMISES.md names a check {name}" for name in sorted(checks - tests - rules - {"severity_floor"})]


# ---- The comparisons, and that they find differences ----

TEMPLATE, DELIVERY = load("template.yaml"), load("template-cdn-logs.yaml")
OPERATIONS, PROMISES = read("docs/OPERATIONS.md"), read("docs/PROMISES.md")
OUTPUTS_READ = found("cli/src/place.rs", r'_OUTPUT: &str = "(\w+)"')
COLUMNS_READ = found("functions/common/src/access/cdn.rs", r'"([^"]+)" => Column::')


def changed(template, change):
    template = copy.deepcopy(template)
    change(template)
    return template


def must_find(what, findings):
    if not findings:
        sys.exit(f"agree.py does not find {what}")


def prove():
    """Breaks one thing at a time."""

    def output(value):
        return changed(TEMPLATE, lambda of: of["Outputs"].update(Some={"Value": value}))

    must_find("an output that is gone", missing_outputs(TEMPLATE, OUTPUTS_READ | {"Gone"}))
    for value in [
        {"Ref": "SenderName"},
        {"Fn::Sub": "of ${SenderName}"},
        {"Fn::If": ["HasApiDomain", {"Ref": "SenderName"}, ""]},
        {"Fn::Join": ["", [{"Fn::Base64": {"Ref": "SenderName"}}, {"Ref": "SenderName"}]]},
        "株式会社サンプル",
    ]:
        must_find(f"free text in an output: {value}", outputs_with_free_text(output(value)))
    any_address = changed(TEMPLATE, lambda of: of["Parameters"]["MailFrom"].pop("AllowedPattern"))
    must_find("an output of a parameter without a pattern", outputs_with_free_text(any_address))
    must_find("a column that nobody reads", columns_that_differ(DELIVERY, COLUMNS_READ - {"c-ip"}))
    other = changed(TEMPLATE, lambda of: of["Resources"].pop("CdnRecordsMissingAlarm"))
    must_find("a source without an alarm", sources_without_alarm(other))
    for destination in ["arn:aws:s3:::${LogBucket}", "arn:aws:s3:::${LogBucket}/logs"]:
        properties = {"DestinationResourceArn": {"Fn::Sub": destination}}
        other = changed(DELIVERY, lambda of: of["Resources"]["CdnLogDestination"]["Properties"].update(properties))
        must_find("a path that the bucket refuses", cdn_log_goes_elsewhere(TEMPLATE, other))
    must_find("an alarm that is not explained", alarms_that_differ(TEMPLATE, OPERATIONS.replace("`OldestLeaseAlarm`", "")))
    must_find("a parameter that is not explained", unexplained_parameters(TEMPLATE, OPERATIONS.replace("`SendRate`", "")))
    must_find("a check that is not there", checks_that_are_not_there(PROMISES + " `not_a_check`"))


wrong = [
    *missing_outputs(TEMPLATE, OUTPUTS_READ),
    *outputs_with_free_text(TEMPLATE),
    *columns_that_differ(DELIVERY, COLUMNS_READ),
    *sources_without_alarm(TEMPLATE),
    *cdn_log_goes_elsewhere(TEMPLATE, DELIVERY),
    *alarms_that_differ(TEMPLATE, OPERATIONS),
    *unexplained_parameters(TEMPLATE, OPERATIONS),
    *checks_that_are_not_there(PROMISES),
]
if wrong:
    sys.exit("\n".join(wrong))
prove()
print("templates, code and documents agree")
