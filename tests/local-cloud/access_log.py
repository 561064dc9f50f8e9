"""The real `access-log` and `usage-roll-up` binaries against a local S3 with Object Lock and a
local DynamoDB: from the sample events to the usage, and the verification of the archive.

usage: access_log.py TEGATA ACCESS_LOG USAGE_ROLL_UP STACK     with the stack's AWS in the environment
"""

import json
import pathlib
import subprocess
import sys

import boto3
from botocore.config import Config
from function import invoke

TEGATA, ACCESS_LOG, ROLL_UP, STACK = sys.argv[1:]
ROOT = pathlib.Path(__file__).parents[2]
DAYS = ["--from", "2026-11-22", "--to", "2026-11-22"]
passed = 0


def check(holds, what, found=None):
    global passed
    assert holds, (what, found)
    passed += 1


def tegata(*arguments, code=0):
    command = [TEGATA, "--stack", STACK, *arguments, "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code, (command, done.returncode, done.stderr)
    return json.loads(done.stdout)


def event(name):
    return (ROOT / "events" / name).read_bytes()


stack = boto3.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
archive, cdn_logs = outputs["ArchiveBucket"], outputs["CdnLogBucket"]
s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
environment = {
    "ARCHIVE_BUCKET": archive,
    "USAGE_TABLE": outputs["UsageTable"],
    "STACK": STACK,
    "TIME_ZONE": outputs["TimeZone"],
}


# The local CloudFormation leaves a bucket's Object Lock out; S3 itself has it.
bucket = json.loads((ROOT / "tests/local-cloud/stack.json").read_text())["Resources"]["ArchiveBucket"]
s3.put_object_lock_configuration(
    Bucket=archive, ObjectLockConfiguration=bucket["Properties"]["ObjectLockConfiguration"]
)


def objects():
    listed = s3.list_objects_v2(Bucket=archive).get("Contents", [])
    return [item["Key"] for item in listed]


def versions():
    return len(s3.list_object_versions(Bucket=archive).get("Versions", []))


# Batches of the two log groups, and each again.
for name, source, records in [
    ("subscription-gateway.json", "gateway", 5),
    ("subscription-lookup.json", "lookup", 3),
]:
    report, lines = invoke(ACCESS_LOG, event(name), environment)
    check(report["archived"] == {source: records}, "archived", report)
    check(report["objects"] == 1, "one object", report)
    metrics = [line for line in lines if line.get("RecordsArchived") == records]
    check(metrics and metrics[0]["Source"] == source, "its metric", lines)
    report, _ = invoke(ACCESS_LOG, event(name), environment)
    check(report["repeated"] == 1 and report["objects"] == 0, "the same object again", report)
check(len(objects()) == 2 and versions() == 2, "two objects of one version each", objects())

# A file of the CDN's log, told of by S3.
log = (ROOT / "tests/data/access/cdn-json.log.gz").read_bytes()
notification = json.loads(event("s3-cdn-log.json"))
record = notification["Records"][0]["s3"]
record["bucket"]["name"] = cdn_logs
s3.put_object(Bucket=cdn_logs, Key=record["object"]["key"], Body=log)
report, _ = invoke(ACCESS_LOG, json.dumps(notification).encode(), environment)
check(report["archived"] == {"cdn": 5, "unreadable": 1}, "the CDN's records", report)

# Every object is locked for 400 days.
for key in objects():
    head = s3.head_object(Bucket=archive, Key=key)
    locked = (head["ObjectLockRetainUntilDate"] - head["LastModified"]).days
    check(head["ObjectLockMode"] == "COMPLIANCE" and locked >= 399, "the lock", head)

report, lines = invoke(ROLL_UP, event("roll-up-schedule.json"), environment)
check(report["waiting"] == 0 and report["damaged"] == 0 and report["records"] == 13, "rolled up", report)
check(lines[-1]["DaysWaiting"] == 0, "its metric", lines)

usage = tegata("usage", "report", "--product", "sheet", *DAYS)
codes = {code["code"]: code["requests"] for code in usage["codes"]}
check(codes == {"VALID": 1}, "codes", codes)
check(usage["totals"]["unconfirmed"] == 2, "not from kintone's addresses", usage["totals"])
check(usage["totals"]["files"] == 3, "files", usage["totals"])
gateway = usage["gateway"]["codes"]
check(gateway == {"THROTTLED": 1, "NO_ROUTE": 1, "GATEWAY_ERROR": 1}, "the gateway's own", gateway)
found = tegata("access-log", "search", "--domain", "example.cybozu.com", *DAYS)
valid = [item for item in found if item.get("code") == "VALID"]
check(len(valid) == 1 and valid[0]["gateway_latency_ms"] == 14, "found, joined", found)

verified = tegata("access-log", "verify", *DAYS)
day = verified["days"][0]
check(verified["ok"] and day["objects"] == 4 and day["locked"] == "all", "verified", verified)
check(verified["verified_by"].startswith("arn:aws:"), "by whom", verified)

# A locked version stays. Deleted without naming it: a marker hides the object, whose version stays locked. The verification tells.
hidden = next(key for key in objects() if key.startswith("source=lookup/"))
version = s3.head_object(Bucket=archive, Key=hidden)["VersionId"]
try:
    s3.delete_object(Bucket=archive, Key=hidden, VersionId=version)
    check(False, "a locked version can be deleted")
except s3.exceptions.ClientError as error:
    check(error.response["Error"]["Code"] == "AccessDenied", "locked", error.response)
s3.delete_object(Bucket=archive, Key=hidden)
verified = tegata("access-log", "verify", *DAYS, code=1)
problems = verified["days"][0]["problems"]
check(len(problems) == 1 and problems[0].startswith(f"missing: {hidden}"), "missing", problems)
print(f"{passed} passed, 0 failed")
