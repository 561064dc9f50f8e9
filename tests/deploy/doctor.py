"""`tegata doctor` on the deployed stack: every check passes or is explained, and what is broken is named."""

import contextlib
import json
import os
import subprocess
import sys

import boto3
import bridges
from boto3.dynamodb.conditions import Attr
from stack import STACK, license_of, outputs, resources, s3, ses_event, tegata

ROUTE = "GET /v1/products/{product}/domains/{domain}/license"

# The deliveries that SES has reported.
reported = set()

# What a local AWS, called by its root user, cannot show.
OF_ROOT = {"identity": "the test is the account's root user"}
BEFORE = {**OF_ROOT, **{
    tool: "the test needs no build" for tool in ["Rust", "SAM CLI", "cargo-lambda", "zig", "AWS CLI", "make"]
}, "DKIM": "the local SES has no DNS", "MAIL FROM": "the local SES has no DNS"}
AFTER = {
    **OF_ROOT,
    "template": "the local CloudFormation gets it without what it does not know: bridges.py",
    "DKIM": "the local SES has no DNS",
    "MAIL FROM": "the local SES has no DNS",
    "delivery of its log": "the stack in us-east-1 is not deployed here",
    "address of the alarms": "nobody watches the test",
}


def run(*arguments, explained, code=0):
    """Runs `tegata doctor` as the account's admin. Returns the document."""
    command = [sys.argv[1], *map(str, arguments), "--output", "json"]
    for name, reason in explained.items():
        command += ["--explain", f"{name}={reason}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        while True:
            try:
                document, errors = running.communicate(timeout=1)
                break
            except subprocess.TimeoutExpired:
                # What the gateway has answered in the meantime gets its lines, and mails their reports.
                log_requests()
                if "--mail" in arguments:
                    report_mails()
    assert running.returncode == code, (command, running.returncode, document, errors)
    document = json.loads(document)
    assert document["caller"] and document["time"] and len(document["versions"]["template_sha256"]) == 64, document
    return document


def log_requests():
    for api, status, request_id in bridges.cloud("asked"):
        bridges.gateway_line(STACK, api, ROUTE, (status, {"apigw-requestid": request_id}, b""))
        # The local Lambda may keep what a function has just written until it is called again.
        license_of("tenant1.cybozu.com")


def report_mails():
    """What SES's simulator makes of the mails to its addresses."""
    becomes = {"success": "delivery", "bounce": "bounce-permanent", "complaint": "complaint"}
    sent = boto3.resource("dynamodb").Table(outputs()["NoticesTable"]).scan(
        FilterExpression=Attr("notice_id").begins_with("doctor-")
    )["Items"]
    for row in sent:
        delivery = row["item"].removeprefix("delivery#")
        # An address has the same delivery in each notice.
        if (row["notice_id"], delivery) not in reported:
            reported.add((row["notice_id"], delivery))
            event = becomes[row["email"].partition("@")[0]]
            bridges.report(ses_event(event, row["notice_id"], delivery))


def failed(document):
    return {check["name"] for check in document["checks"] if check["result"] == "failed"}


def skipped(document):
    return {check["name"]: check["seen"] for check in document["checks"] if check["result"] == "skipped"}


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


def on_stack(*arguments, code=0):
    names = AFTER if "--only" not in arguments else OF_ROOT
    return run("--stack", STACK, "doctor", "--within", 20, *arguments, explained=names, code=code)


@contextlib.contextmanager
def role_without_an_action():
    iam, role = boto3.client("iam"), resources("AWS::IAM::Role")["FeedbackRole"]
    policy = {"RoleName": role, "PolicyName": "record-feedback"}
    document = iam.get_role_policy(**policy)["PolicyDocument"]
    less = json.loads(json.dumps(document))
    less["Statement"][0]["Action"].remove("dynamodb:PutItem")
    iam.put_role_policy(**policy, PolicyDocument=json.dumps(less))
    yield
    iam.put_role_policy(**policy, PolicyDocument=json.dumps(document))


@contextlib.contextmanager
def log_group_without_its_subscription():
    logs, group = boto3.client("logs"), resources("AWS::Logs::LogGroup")["ApiLogGroup"]
    [filter] = logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
    logs.delete_subscription_filter(logGroupName=group, filterName=filter["filterName"])
    yield
    names = ["logGroupName", "filterName", "filterPattern", "destinationArn"]
    logs.put_subscription_filter(**{name: filter[name] for name in names})


@contextlib.contextmanager
def objects_with_another_lock():
    where = {"Bucket": outputs()["ArchiveBucket"]}
    lock = s3.get_object_lock_configuration(**where)["ObjectLockConfiguration"]
    other = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}
    s3.put_object_lock_configuration(**where, ObjectLockConfiguration=other)
    yield
    s3.put_object_lock_configuration(**where, ObjectLockConfiguration=lock)


@contextlib.contextmanager
def alarm_on_another_metric():
    cloudwatch, name = boto3.client("cloudwatch"), resources("AWS::CloudWatch::Alarm")["OldestLeaseAlarm"]
    [alarm] = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    names = [
        "AlarmName", "AlarmDescription", "ActionsEnabled", "OKActions", "AlarmActions", "MetricName", "Namespace",
        "Statistic", "Dimensions", "Period", "EvaluationPeriods", "DatapointsToAlarm", "Threshold",
        "ComparisonOperator", "TreatMissingData",
    ]
    alarm = {name: alarm[name] for name in names if name in alarm}
    cloudwatch.put_metric_alarm(**{**alarm, "MetricName": "OldestLeaseLef"})
    yield
    cloudwatch.put_metric_alarm(**alarm)


@contextlib.contextmanager
def other_published_keys():
    where = {"Bucket": outputs()["CdnBucket"], "Key": ".well-known/jwks.json"}
    content = s3.get_object(**where)["Body"].read()
    keys = json.loads(content)
    for key in keys["keys"]:
        key["x"], key["y"] = key["y"], key["x"]
    how = {"ContentType": "application/json", "CacheControl": "public, max-age=60"}
    s3.put_object(**where, Body=json.dumps(keys).encode(), **how)
    yield
    s3.put_object(**where, Body=content, **how)


@contextlib.contextmanager
def an_older_release():
    """A document that verifies, and is not the newest: what a frozen CDN serves."""
    where = {"Bucket": outputs()["CdnBucket"], "Key": "sheet/current.jwt"}
    how = {"ContentType": "application/jwt", "CacheControl": "public, max-age=60"}
    older = s3.get_object(**where)["Body"].read()
    version = tegata("publish", "list", "sheet")[0]["current"]["version"]
    tegata("publish", "current", "sheet", version, "--emergency", "another reason")
    newest = s3.get_object(**where)["Body"].read()
    s3.put_object(**where, Body=older, **how)
    yield
    s3.put_object(**where, Body=newest, **how)


# What is broken, which groups of checks are made then, and which of them have to fail.
BROKEN = [
    (role_without_an_action, "roles", {"roles"}),
    (log_group_without_its_subscription, "protection,request", {"subscriptions", "lines in the archive"}),
    (objects_with_another_lock, "protection,request", {"lock of the archive", "lock of the lines"}),
    (alarm_on_another_metric, "alarms", {"alarms"}),
    (other_published_keys, "cdn,request", {"published keys", "lease"}),
    (an_older_release, "cdn", {"release document"}),
]


def what_is_broken_is_named():
    """Breaks one thing after the other. Returns what was named."""
    named = []
    for breaking, groups, expected in BROKEN:
        with breaking():
            document = on_stack("--only", groups, code=1)
        found = failed(document) - set(AFTER)
        assert found == expected, (breaking.__name__, found, document)
        named.append(f"{breaking.__name__.replace('_', ' ')}:")
        checks = [check for check in document["checks"] if check["name"] in expected]
        named += [f"  ✗ {check['name']}: {check['seen']}" for check in checks]
    return named
