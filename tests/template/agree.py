#!/usr/bin/env python3
"""Compares the templates with what the code and the documents say of them, and the workflow with
.ci/run, and shows that each comparison finds a difference.

usage: agree.py     in the repository's root, with cfn-lint
"""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

from cfnlint.decode.cfn_yaml import load

import named

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


# ---- Tables ----

TABLE_SHAPE = ["AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "StreamSpecification"]


def shape(table):
    """What of a table's definition is the same wherever it is created."""
    return {name: table["Properties"][name] for name in TABLE_SHAPE if name in table["Properties"]}


def tables_that_differ(template, stack, storage):
    """The template is the source; compared are the stack of the local AWS and what `create.rs` is called with."""
    tables = {
        name: of for name, of in template["Resources"].items() if of["Type"] == "AWS::DynamoDB::Table"
    }
    wrong = [
        f"tests/local-cloud/stack.json: {name} has another {part} than template.yaml"
        for name, of in tables.items()
        for part in TABLE_SHAPE
        if shape(of).get(part) != shape(stack["Resources"][name]).get(part)
    ]
    texts = dict(re.findall(r'const (\w+): &str = "([\w-]+)";', storage))
    schemas = re.findall(r'static (\w+): Schema = Schema \{\s*partition: "(\w+)",\s*sort: "(\w+)"', storage)
    indexes = {
        schema: [texts[name], *(texts[of] for of in (first, second))]
        for name, first, second, schema in re.findall(
            r"let index = \((\w+), \[(\w+), (\w+)\]\);\s*self\.table\.create_if_missing\(&(\w+), Some\(index\)\)", storage)
    }
    keys = {name: [partition, sort] for name, partition, sort in schemas}
    for name, of in tables.items():
        schema = name.removesuffix("Table").upper()
        expected = [key["AttributeName"] for key in of["Properties"]["KeySchema"]]
        if keys.get(schema) != expected:
            wrong.append(f"crates/storage creates {name} with the keys {keys.get(schema)}, template.yaml with {expected}")
        expected = [
            [index["IndexName"], *(key["AttributeName"] for key in index["KeySchema"])]
            for index in of["Properties"].get("GlobalSecondaryIndexes", [])
        ]
        created = [indexes[schema]] if schema in indexes else []
        if created != expected:
            wrong.append(f"crates/storage creates {name} with the indexes {created}, template.yaml with {expected}")
    return wrong


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


# ---- Metrics ----


def metrics_defined(code):
    """Constant, kind, name and unit of each metric."""
    return re.findall(r'pub const (\w+): Metric = Metric::(heartbeat|fault)\("(\w+)", "(\w+)"\)', code["metrics.rs"])


def metrics_of_code(code):
    """The metrics that functions report: names to whether they are heartbeats; and what is wrong."""
    defined = metrics_defined(code)
    unused = [name for constant, _, name, _ in defined if not re.search(rf"\b{constant}\b", code["functions"])]
    return (
        {name: kind == "heartbeat" for _, kind, name, _ in defined},
        [f"no function reports the metric {name}" for name in unused],
    )


def rows_of(document, first, last):
    """The rows of the table whose header begins and ends with these columns, by column."""
    header = re.search(rf"(?m)^\| {first} \|.*\| {last} \|$", document)
    if not header:
        sys.exit(f"no table from {first} to {last}")
    lines = document[header.start() :].partition("\n\n")[0].splitlines()
    columns, _, *rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [dict(zip(columns, row, strict=True)) for row in rows]


def names_in(cell):
    return re.findall(r"`([^`]+)`", cell)


def metrics_of_alarms(template):
    """The metrics of `tegata` that alarms look at: names to the alarms, with dimensions and missing data."""
    found = {}
    for alarm, of in template["Resources"].items():
        if of["Type"] != "AWS::CloudWatch::Alarm":
            continue
        properties = of["Properties"]
        stats = [of["MetricStat"]["Metric"] for of in properties.get("Metrics", []) if "MetricStat" in of]
        for metric in stats or [properties]:
            if metric["Namespace"] == "tegata":
                name = metric["MetricName"]
                name = name["Fn::Sub"] if isinstance(name, dict) else name
                dimensions = [of["Name"] for of in metric.get("Dimensions", [])]
                found.setdefault(name, []).append((alarm, dimensions, properties["TreatMissingData"], not stats))
    return found


def metrics_that_differ(template, document, code):
    """Between code and metric filters, alarms, the dashboard, and METRICS.md."""
    reported, wrong = metrics_of_code(code)
    filters = {
        transformation["MetricName"]["Fn::Sub"]
        for of in template["Resources"].values()
        if of["Type"] == "AWS::Logs::MetricFilter"
        for transformation in of["Properties"]["MetricTransformations"]
    }
    alarms = metrics_of_alarms(template)
    for name in sorted((set(reported) | filters) ^ set(alarms)):
        wrong.append(f"the metric {name} is " + ("not sent" if name in alarms else "looked at by no alarm"))
    for name, looks in alarms.items():
        for alarm, dimensions, missing, is_direct in looks:
            if name in reported and "Stack" not in dimensions:
                wrong.append(f"{alarm} looks at {name} without its dimension Stack")
            expected = "breaching" if reported.get(name) else "notBreaching"
            if is_direct and missing != expected:
                wrong.append(f"{alarm}: without {name} it has to be {expected}")
    shown = set(re.findall(r'\["tegata", "([^"]+)"', dashboard(template)))
    wrong += [f"the dashboard shows a metric {name}" for name in sorted(shown - set(reported) - filters)]
    rows = {name.replace("NAME", "${AWS::StackName}"): row for row in rows_of(document, "metric", "alarm") for name in names_in(row["metric"])}
    explained = {(name, alarm) for name, row in rows.items() for alarm in names_in(row["alarm"])}
    for name, alarm in sorted(explained ^ {(name, look[0]) for name, looks in alarms.items() for look in looks}):
        wrong.append(f"METRICS.md and the template differ in the metric {name} of {alarm}")
    for _, kind, name, unit in metrics_defined(code):
        row = rows.get(name, {"unit": "", "sent": "", "dimensions": ""})
        sent = "always" if kind == "heartbeat" else "if not zero"
        if row["unit"] != unit or not row["sent"].startswith(sent):
            wrong.append(f"METRICS.md: {name} has the unit {unit} and is sent {sent}")
        dimensions = {of for _, dimensions, *_ in alarms.get(name, []) for of in dimensions}
        if set(names_in(row["dimensions"])) != dimensions:
            wrong.append(f"METRICS.md: {name} has the dimensions {sorted(dimensions)}")
    of_aws = {(*names_in(row["namespace"]), *names_in(row["metric"]), *names_in(row["alarm"])) for row in rows_of(document, "namespace", "alarm")}
    for difference in sorted(of_aws ^ metrics_of_aws(template)):
        wrong.append(f"METRICS.md and the template differ in {difference}")
    return wrong


def metrics_of_aws(template):
    """Namespace, metric and alarm of what alarms look at and AWS sends."""
    found = set()
    for alarm, of in template["Resources"].items():
        if of["Type"] == "AWS::CloudWatch::Alarm":
            properties = of["Properties"]
            stats = [of["MetricStat"]["Metric"] for of in properties.get("Metrics", []) if "MetricStat" in of]
            found |= {(metric["Namespace"], metric["MetricName"], alarm) for metric in stats or [properties] if metric["Namespace"] != "tegata"}
    return found


def figures_that_differ(template, documents, code):
    """What queries read of reports has to be in them."""
    figures = set(re.findall(r'\.figure\(\s*"(\w+)"', code["functions"])) | set(metrics_of_code(code)[0]) | {"Source"}
    queries = re.findall(r"""\| filter type = (.*?)"}""", dashboard(template))
    queries += re.findall(r'`filter type = "[^`]*`', documents)
    read = {name for query in queries for name in re.findall(r"\b[A-Z][a-z]+[A-Z]\w+", re.sub(r"\$\{\w+\}", "", query))}
    return [f"a query reads {name}, which no report has" for name in sorted(read - figures)]


def alarm_metrics(template):
    """For each alarm, how many metrics it looks at: that is what it costs."""
    return [
        sum("MetricStat" in metric for metric in of["Properties"].get("Metrics", [])) or 1
        for of in template["Resources"].values()
        if of["Type"] == "AWS::CloudWatch::Alarm"
    ]


def idle_cost_that_differs(template, admins, code):
    """The table of an idle stack in admins.md: what the template has, and the sum."""
    table = admins.partition("**An idle stack**")[2].partition("\n\n")[2].partition("\n\n")[0]
    rows = [[cell.strip(" *") for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]
    costs = {name: (what, round(float(cost) * 100)) for name, what, cost in rows}
    heartbeats, alarms = sum(metrics_of_code(code)[0].values()), alarm_metrics(template)
    expected = {
        "metrics": (f"{heartbeats} that are always sent × 0.30", heartbeats * 30),
        "alarms": (f"{len(alarms)} alarms on {sum(alarms)} metrics × 0.10", sum(alarms) * 10),
    }
    wrong = [f"idle stack: {name} is {costs[name]}, expected {of}" for name, of in expected.items() if costs[name] != of]
    total = costs.pop("sum")[1]
    if total != sum(cost for _, cost in costs.values()) or total >= 600:
        wrong.append(f"idle stack: the sum is {total} cents; it has to add up, and to be below USD 6")
    # A release key costs what every key of KMS does.
    key = re.search(r"× (\d\.\d\d)", costs["keys"][0])[1]
    if f"each release key is {key} a month" not in admins:
        wrong.append(f"idle stack: a release key costs {key} a month, like every key")
    return wrong


def dashboard_that_costs(template):
    """CloudWatch gives three dashboards of 50 metrics for nothing."""
    shown = len(re.findall(r'\["(?:tegata|AWS/\w+)", ', dashboard(template))) + sum(alarm_metrics(template))
    return [f"the dashboard and its alarms show {shown} metrics, and 50 are free"] if shown > 50 else []


def alarms_that_differ(template, emergencies):
    """Alarms that are not in the template, on the dashboard, and with a row in emergencies.md."""
    alarms = {name for name, of in template["Resources"].items() if of["Type"] == "AWS::CloudWatch::Alarm"}
    shown = set(re.findall(r"\$\{(\w+)\.Arn\}", dashboard(template)))
    explained = {name for row in rows_of(emergencies, "alarm", "do") for name in names_in(row["alarm"])}
    wrong = (alarms ^ shown) | (alarms ^ explained)
    return [f"not in the template, on the dashboard and in emergencies.md: {name}" for name in sorted(wrong)]


def dashboard(template):
    return template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]


def parameters_that_differ(template, admins):
    """Parameters that are not in the template and with a row in admins.md."""
    explained = {name for row in rows_of(admins, "parameter", "what to consider") for name in names_in(row["parameter"])}
    return [f"not in the template and in admins.md: the parameter {name}" for name in sorted(explained ^ set(template["Parameters"]))]


def variables_that_differ(template, configuration):
    """CONFIGURATION.md names each variable of the template, with the functions that have it."""
    explained, set_here = {}, {}
    for names, functions in re.findall(r"(?m)^\| (`[A-Z].*?`) \| ([^|]+) \|", configuration):
        for name in re.findall(r"`([A-Z_]+)`", names):
            if not functions.startswith("not set by the template"):
                explained[name] = set(functions.split(", "))
    for resource, of in template["Resources"].items():
        if of["Type"] == "AWS::Serverless::Function":
            function = re.sub(r"(?<!^)(?=[A-Z])", "-", resource.removesuffix("Function")).lower()
            for name in of["Properties"].get("Environment", {}).get("Variables", {}):
                set_here.setdefault(name, set()).add(function)
    return [
        f"{name}: CONFIGURATION.md says {sorted(explained.get(name, []))}, the template {sorted(set_here.get(name, []))}"
        for name in sorted({*explained, *set_here})
        if explained.get(name) != set_here.get(name)
    ]


def steps_that_differ(listed, workflow):
    """The workflow runs each step of .ci/run in one group."""
    groups = " ".join(group["steps"] for group in workflow["jobs"]["check"]["strategy"]["matrix"]["include"])
    steps, grouped = [line.split()[0] for line in listed.splitlines()], groups.split()
    return [
        f"the workflow has the step {name} in {grouped.count(name)} groups, .ci/run in {steps.count(name)}"
        for name in sorted({*steps, *grouped})
        if steps.count(name) != 1 or grouped.count(name) != 1
    ]


# ---- The comparisons, and that they find differences ----

TEMPLATE, DELIVERY = load("template.yaml"), load("template-cdn-logs.yaml")
ADMINS, EMERGENCIES = read("docs/operations/admins.md"), read("docs/operations/emergencies.md")
METRICS, PROMISES, ASVS = read("docs/METRICS.md"), read("docs/PROMISES.md"), read("docs/ASVS.md")
CHECK_SHEET = read("docs/ja/SECURITY-CHECKSHEET.md")
CONFIGURATION = read("docs/CONFIGURATION.md")
DOCUMENTS = "\n".join(read(path) for path in subprocess.check_output(["git", "ls-files", "docs/**.md"], text=True).split())
CODE = {
    "metrics.rs": read("crates/lambda/src/metrics.rs"),
    "functions": "\n".join(
        read(source)
        for source in subprocess.check_output(["git", "ls-files", "functions/*.rs"], text=True).split()
        if not source.endswith("metrics.rs")
    ),
}
WORKFLOW = load(".github/workflows/ci.yml")
STEPS = subprocess.check_output(["bash", ".ci/run", "--list"], text=True)
OUTPUTS_READ = found("cli/src/target/stack.rs", r'_OUTPUT: &str = "(\w+)"')
COLUMNS_READ = found("crates/common/src/access/cdn.rs", r'"([^"]+)" => Column::')


def changed(template, change):
    template = copy.deepcopy(template)
    change(template)
    return template


STACK = json.loads(read("tests/local-cloud/stack.json"))
STORAGE = "".join(read(path) for path in sorted(Path("crates/storage/src").glob("*.rs")))


def must_find(what, findings):
    if not findings:
        sys.exit(f"agree.py does not find {what}")


def prove():
    """Breaks one thing at a time."""

    def output(value):
        return changed(TEMPLATE, lambda of: of["Outputs"].update(Some={"Value": value}))

    for name in ["due_at", "renewals", "customer_id", "notice_id"]:
        must_find(f"{name} renamed in crates/storage", tables_that_differ(TEMPLATE, STACK, STORAGE.replace(f'"{name}"', '"other"')))
    for table in [name for name in STACK["Resources"] if name.endswith("Table")]:
        other = changed(STACK, lambda of: of["Resources"][table]["Properties"]["KeySchema"].reverse())
        must_find(f"another key of {table}", tables_that_differ(TEMPLATE, other, STORAGE))
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
    must_find("an alarm that is not explained", alarms_that_differ(TEMPLATE, EMERGENCIES.replace("| `OldestLeaseAlarm` |", "| |")))
    prove_metrics()
    must_find("a parameter that is not explained", parameters_that_differ(TEMPLATE, ADMINS.replace("| `SendRate` |", "| |")))
    named.prove("PROMISES.md", PROMISES, must_find)
    named.prove("ASVS.md", ASVS, must_find)
    named.prove("SECURITY-CHECKSHEET.md", CHECK_SHEET, must_find)
    named.prove_requirements(ASVS, must_find)
    must_find("a variable that is not explained", variables_that_differ(TEMPLATE, CONFIGURATION.replace("`SENDERS`", "")))
    must_find("a function that has no such variable", variables_that_differ(TEMPLATE, CONFIGURATION.replace("lookup, renewal", "lookup")))
    must_find("a step that the workflow leaves out", steps_that_differ(STEPS + "another-step\n", WORKFLOW))
    must_find("a step that is not there", steps_that_differ(STEPS.partition("\n")[2], WORKFLOW))


def prove_metrics():
    """Renames each metric in each place in turn."""

    def renamed(text, name):
        return re.sub(rf'"{re.escape(name)}"', f'"{name}Renamed"', text)

    def body(text):
        return changed(TEMPLATE, lambda of: of["Resources"]["Dashboard"]["Properties"]["DashboardBody"].update({"Fn::Sub": text}))

    for name in metrics_of_code(CODE)[0]:
        code = {of: renamed(text, name) for of, text in CODE.items()}
        must_find(f"{name} renamed in the code", metrics_that_differ(TEMPLATE, METRICS, code))
        [row] = re.findall(rf"(?m)^\| `{name}` \|.*$", METRICS)
        for what, other in [
            ("renamed", row.replace(f"`{name}`", f"`{name}Renamed`")),
            ("with another unit", re.sub(r"\| (Percent|Count) \|", "| Seconds |", row)),
            ("sent at another time", re.sub(r"\| (always|if not zero)", "| seldom", row)),
            ("without a dimension", row.replace("`Stack`", "")),
        ]:
            must_find(f"{name} {what} in METRICS.md", metrics_that_differ(TEMPLATE, METRICS.replace(row, other), CODE))
        for alarm, *_ in metrics_of_alarms(TEMPLATE)[name]:

            def rename(template):
                properties = template["Resources"][alarm]["Properties"]
                for metric in [of.get("MetricStat", {}).get("Metric", {}) for of in properties.get("Metrics", [])] + [properties]:
                    if metric.get("MetricName") == name:
                        metric["MetricName"] = name + "Renamed"

            must_find(f"{name} renamed in {alarm}", metrics_that_differ(changed(TEMPLATE, rename), METRICS, CODE))
    for name in ["OldestLeaseLeft", "MailsRefused"]:
        [(alarm, _, missing, _)] = metrics_of_alarms(TEMPLATE)[name]
        other = {"breaching": "notBreaching", "notBreaching": "breaching"}[missing]
        template = changed(TEMPLATE, lambda of: of["Resources"][alarm]["Properties"].update(TreatMissingData=other))
        must_find(f"what {alarm} makes of missing data", metrics_that_differ(template, METRICS, CODE))
    filters = changed(TEMPLATE, lambda of: of["Resources"].pop("LeaseEndedMetric"))
    must_find("a metric filter that is gone", metrics_that_differ(filters, METRICS, CODE))
    unused = {**CODE, "functions": re.sub(r"\bMAILS_REFUSED\b", "OTHER", CODE["functions"])}
    must_find("a metric that nothing reports", metrics_that_differ(TEMPLATE, METRICS, unused))
    must_find("a metric on the dashboard", metrics_that_differ(body(renamed(dashboard(TEMPLATE), "OldestLeaseLeft")), METRICS, CODE))
    for figure in ["MailsAccepted", "LicensesRenewed"]:
        code = {**CODE, "functions": renamed(CODE["functions"], figure)}
        must_find(f"a query of {figure}", figures_that_differ(TEMPLATE, "", code))
    must_find("a query of a document", figures_that_differ(TEMPLATE, DOCUMENTS.replace("LeasesResigned,", "LeasesSigned,"), CODE))
    must_find("a metric of AWS", metrics_that_differ(TEMPLATE, METRICS.replace("`IteratorAge`", "`Age`"), CODE))
    many = dashboard(TEMPLATE) + '["tegata", "OldestLeaseLeft", ""]' * 50
    fewer = changed(TEMPLATE, lambda of: of["Resources"].pop("DailyQuotaAlarm"))
    must_find("an alarm that is not in the cost", idle_cost_that_differs(fewer, ADMINS, CODE))
    must_find("a sum that does not add up", idle_cost_that_differs(TEMPLATE, ADMINS.replace("| 0.40 |", "| 0.50 |"), CODE))
    dearer = ADMINS.replace("each release key is 1.00", "each release key is 2.00")
    must_find("a release key of another price", idle_cost_that_differs(TEMPLATE, dearer, CODE))
    must_find("a dashboard that costs", dashboard_that_costs(body(many)))


wrong = [
    *tables_that_differ(TEMPLATE, STACK, STORAGE),
    *missing_outputs(TEMPLATE, OUTPUTS_READ),
    *outputs_with_free_text(TEMPLATE),
    *columns_that_differ(DELIVERY, COLUMNS_READ),
    *sources_without_alarm(TEMPLATE),
    *cdn_log_goes_elsewhere(TEMPLATE, DELIVERY),
    *alarms_that_differ(TEMPLATE, EMERGENCIES),
    *metrics_that_differ(TEMPLATE, METRICS, CODE),
    *figures_that_differ(TEMPLATE, DOCUMENTS, CODE),
    *dashboard_that_costs(TEMPLATE),
    *idle_cost_that_differs(TEMPLATE, ADMINS, CODE),
    *parameters_that_differ(TEMPLATE, ADMINS),
    *variables_that_differ(TEMPLATE, CONFIGURATION),
    *named.checks_that_are_not_there("PROMISES.md", PROMISES),
    *named.checks_that_are_not_there("ASVS.md", ASVS),
    *named.checks_that_are_not_there("SECURITY-CHECKSHEET.md", CHECK_SHEET),
    *named.requirements_that_differ(ASVS),
    *steps_that_differ(STEPS, WORKFLOW),
]
if wrong:
    sys.exit("\n".join(wrong))
prove()
print("templates, code and documents agree")
