"""The real `change-log` binary against the streams of a local DynamoDB and a local S3 with Object
Lock; then a licence that is suspended past the tool, with a forged history item.

usage: change_log.py TEGATA CHANGE_LOG STACK     with the stack's AWS in the environment
"""

import copy
import datetime
import json
import pathlib
import subprocess
import sys

import boto3
from botocore.config import Config
from function import invoke

TEGATA, CHANGE_LOG, STACK = sys.argv[1:]
ROOT = pathlib.Path(__file__).parents[2]
TENANT = "example.cybozu.com"
passed = 0


def check(holds, what, found=None):
    global passed
    assert holds, (what, found)
    passed += 1


def tegata(*arguments, code=0):
    command = [TEGATA, "--stack", STACK, *map(str, arguments), "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code, (command, done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout or "null")


stack = boto3.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
archive = outputs["ArchiveBucket"]
s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
dynamodb, streams = boto3.client("dynamodb"), boto3.client("dynamodbstreams")
environment = {"ARCHIVE_BUCKET": archive, "TIME_ZONE": outputs["TimeZone"]}

# The local CloudFormation leaves a bucket's Object Lock out; S3 itself has it.
bucket = json.loads((ROOT / "tests/local-cloud/stack.json").read_text())["Resources"]["ArchiveBucket"]
s3.put_object_lock_configuration(
    Bucket=archive, ObjectLockConfiguration=bucket["Properties"]["ObjectLockConfiguration"]
)


def as_json(value):
    """A record as Lambda delivers it: boto3 makes instants of numbers, and bytes of text."""
    if isinstance(value, datetime.datetime):
        return int(value.timestamp())
    raise TypeError(value)


def records(table):
    """All that a table's stream has, in Lambda's form."""
    arn = dynamodb.describe_table(TableName=outputs[table])["Table"]["LatestStreamArn"]
    found = []
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while iterator:
            read = streams.get_records(ShardIterator=iterator)
            found += read["Records"]
            iterator = read["Records"] and read.get("NextShardIterator")
    return found


def archive_changes():
    reports = []
    for table in ["LicensesTable", "CustomersTable", "NoticesTable"]:
        found = records(table)
        if found:
            event = json.dumps({"Records": found}, default=as_json).encode()
            report, _ = invoke(CHANGE_LOG, event, environment)
            assert report["batchItemFailures"] == [] and report["unreadable"] == 0, report
            reports.append(report)
    return reports


def objects():
    return [of["Key"] for of in s3.list_objects_v2(Bucket=archive, Prefix="source=change/").get("Contents", [])]


tegata("key", "create")
tegata("product", "apply", ROOT / "examples/products.toml")
tegata("customer", "add", "C-1", "--name", "Sample")
tegata("contact", "add", "C-1", "one@customer.example", "--language", "en")
tegata("license", "issue", TENANT, "sheet", "--billing", "yearly", "--users", 5, "--customer", "C-1")
tegata("license", "suspend", TENANT, "sheet")
tegata("license", "resume", TENANT, "sheet")

first = archive_changes()
check(sum(of["objects"] for of in first) == len(objects()) > 0, "archived", first)
again = archive_changes()
check(sum(of["objects"] for of in again) == 0, "a batch that comes again writes nothing new", again)
check(sum(of["repeated"] for of in again) == len(objects()), "the same objects", again)
for key in objects():
    head = s3.head_object(Bucket=archive, Key=key)
    locked = (head["ObjectLockRetainUntilDate"] - head["LastModified"]).days
    check(head["ObjectLockMode"] == "COMPLIANCE" and locked >= 399, "the lock", head)
    versions = s3.list_object_versions(Bucket=archive, Prefix=key)["Versions"]
    check(len(versions) == 1, "one version", versions)

verified = tegata("history", "verify")
check(verified["ok"] and verified["findings"] == [], "what the tool did", verified)
check(verified["archived_changes"] == sum(of["archived"] for of in first), "all changes", verified)

# Past the tool: `aws dynamodb put-item`, twice, as an operator's role allows it.
key = {"domain": {"S": TENANT}, "product": {"S": "sheet"}}
item = dynamodb.get_item(TableName=outputs["LicensesTable"], Key=key)["Item"]
at = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
forger = "arn:aws:sts::000000000000:assumed-role/contracts/somebody.else"
item["license"]["M"]["suspended_from"] = {"S": at[:19] + "Z"}
item["revision"] = {"M": {
    "version": {"N": "4"}, "at": {"S": at}, "by": {"S": forger}, "change": {"S": "suspend"},
}}
history = copy.deepcopy(item)
history["product"] = {"S": f"sheet@{at}"}
for of_the_index in ["renewal_shard", "due_at"]:
    del history[of_the_index]
for of in [item, history]:
    dynamodb.put_item(TableName=outputs["LicensesTable"], Item=of)
archive_changes()
verified = tegata("history", "verify", code=1)
found = {(of["kind"], of["partition"], of["sort"]) for of in verified["findings"]}
# The copy under the plug-in id still says that the licence is not suspended.
(alias,) = {of["sort"] for of in verified["findings"] if of["sort"].startswith("plugin#")}
expected = {("contradiction", TENANT, sort) for sort in ["sheet", f"sheet@{at}", alias]}
check(found == expected, "the forged suspension", verified)
check({of["claimed_by"] for of in verified["findings"]} == {forger}, "what it claims", verified)

# A history item that is removed.
history = [of for of in records("LicensesTable") if "@" in of["dynamodb"]["Keys"]["product"]["S"]
           and of["dynamodb"]["Keys"]["domain"]["S"] == TENANT]
oldest = history[0]["dynamodb"]["Keys"]
dynamodb.delete_item(TableName=outputs["LicensesTable"], Key=oldest)
archive_changes()
verified = tegata("history", "verify", code=1)
deleted = {of["sort"] for of in verified["findings"] if of["kind"] == "deleted"}
check(oldest["product"]["S"] in deleted, "the removed history item", verified)
print(f"{passed} passed, 0 failed")
