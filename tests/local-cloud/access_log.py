"""The real `access-log` and `usage-roll-up` binaries against a local S3 with Object Lock and a
local DynamoDB: from the sample events to the usage, the copies for queries, and the verification of
the archive.

usage: access_log.py TEGATA ACCESS_LOG USAGE_ROLL_UP STACK     with the stack's AWS in the environment
"""

import base64
import gzip
import hashlib
import json
import pathlib
import random
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
copies = outputs["QueryResultsBucket"]
s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
environment = {
    "ARCHIVE_BUCKET": archive,
    "COPIES_BUCKET": copies,
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



# The copies: per source and day one gzip file of all objects. The next run writes none again.
def copied():
    listed = s3.list_objects_v2(Bucket=copies).get("Contents", [])
    return {item["Key"]: item["LastModified"] for item in listed}


def body(bucket, key):
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def check_copies(keys):
    by_copy = {}
    for key in keys:
        copy = f"access/{key.rpartition('/')[0]}/copy.ndjson.gz"
        by_copy[copy] = by_copy.get(copy, b"") + gzip.decompress(body(archive, key))
    check(set(copied()) == set(by_copy), "copies", copied())
    for copy, lines in by_copy.items():
        found = gzip.decompress(body(copies, copy))
        check(sorted(found.splitlines()) == sorted(lines.splitlines()), copy)


check_copies(objects())
before = copied()
again, _ = invoke(ROLL_UP, event("roll-up-schedule.json"), environment)
check(again["waiting"] == 0 and copied() == before, "copied once", again)

# A day of before with two objects of more than one part of an upload, of which one came later.
for number in range(2):
    noise = base64.encodebytes(random.Random(number).randbytes(9_000_000))
    name = f"source=unreadable/dt=2026-11-21/{hashlib.sha256(noise).hexdigest()[:32]}.ndjson.gz"
    s3.put_object(Bucket=archive, Key=name, Body=gzip.compress(noise, mtime=0))
    boto3.client("dynamodb").put_item(
        TableName=environment["USAGE_TABLE"],
        Item={
            "product_day": {"S": "#days"},
            "domain": {"S": "2026-11-21"},
            "date": {"S": "2026-11-21"},
            "changes": {"N": str(number + 1)},
            "rolled_up": {"N": str(number + 1)},
        },
    )
    again, _ = invoke(ROLL_UP, event("roll-up-schedule.json"), environment)
    check(again["waiting"] == 0, "a day without copies is due", again)
    check_copies(objects())

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
