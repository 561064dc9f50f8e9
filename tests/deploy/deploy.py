"""The deployment test: `sam deploy` of the built template into a local AWS, and then the system
through its outputs and the operators' command line.

usage: deploy.py TEGATA BUILT DECISIONS     with the local AWS in the environment, and `sam` on PATH
"""

import base64
import collections
import copy
import datetime
import gzip
import hashlib
import json
import pathlib
import re
import sys
import tempfile
import time
import tomllib

import boto3
import botocore.exceptions
import bridges
import commands
import doctor
import jwt
import permissions
import roles
import statuspal
from stack import (
    ROOT, STACK, api, as_role, asked, become_operators, cdn, cloudformation, deliveries, invoke,
    ledger, license_of, mails, outputs, resources, s3, sam_deploy, ses_event, session_of, sqs, step, table,
    tegata, until, with_session,
)

BUILT, DECISIONS = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
work = pathlib.Path(tempfile.mkdtemp())
KEY = "the-status-page's-key"
status_page = statuspal.StatusPage(KEY)
secret = boto3.client("secretsmanager").create_secret(Name="status-page", SecretString=KEY)["ARN"]
ACCOUNT = "arn:aws:iam::000000000000:root"
PARAMETERS = {
    "Architecture": "x86_64",
    "SupportPrincipalArn": ACCOUNT,
    "ContractsPrincipalArn": ACCOUNT,
    "PublishingPrincipalArn": ACCOUNT,
    "KeysPrincipalArn": ACCOUNT,
    # Here everybody asks from this machine.
    "KintoneRanges": ["127.0.0.0/8"],
    "MailFrom": "notice@vendor.example",
    "MailIdentity": "vendor.example",
    "SenderName": "株式会社サンプル",
    "SecurityContact": "security@vendor.example",
    "DevelopmentBaseDomains": ["kintone.test", "cybozu.test"],
    "AllowedSourceRanges": [],
    "CdnDomain": None,
    "ReserveConcurrency": "reserved",
    "StatusPage": "sample",
    "StatusPageServices": "7",
    "StatusPageSecretArn": secret,
}


def is_refused(code, call, **arguments):
    try:
        answer = call(**arguments)
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == code, error
    else:
        raise AssertionError(f"{arguments} was not refused: {answer}")


@step("a failed first deployment leaves little")
def _():
    failed = "tegata-failed"

    def all_there_is():
        logs, kms = boto3.client("logs"), boto3.client("kms")
        return {
            "table": set(boto3.client("dynamodb").list_tables()["TableNames"]),
            "bucket": {of["Name"] for of in s3.list_buckets()["Buckets"]},
            "queue": set(sqs.list_queues().get("QueueUrls", [])),
            "log group": {
                of["logGroupName"]
                for page in logs.get_paginator("describe_log_groups").paginate()
                for of in page["logGroups"]
                # Lambda's own, of functions that were there.
                if not of["logGroupName"].startswith("/aws/lambda/")
            },
            "key": {
                of["KeyId"]
                for of in kms.list_keys()["Keys"]
                if kms.describe_key(KeyId=of["KeyId"])["KeyMetadata"]["Enabled"]
            },
        }

    before = all_there_is()
    sam_deploy(BUILT, status_page.url, PARAMETERS, failed, fails=True)
    [stack] = cloudformation.describe_stacks(StackName=failed)["Stacks"]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE", stack
    left = {kind: sorted(of - before[kind]) for kind, of in all_there_is().items()}
    left["bucket"] = [name for name in left["bucket"] if "aws-sam-cli-managed" not in name]
    assert {kind: len(of) for kind, of in left.items() if of} == {"table": 4, "key": 1}, left
    # And the commands of docs/operations/admins.md find them.
    events = cloudformation.get_paginator("describe_stack_events").paginate(StackName=failed)
    listed = (of for page in events for of in page["StackEvents"])
    found = {of["PhysicalResourceId"] for of in listed if of["ResourceStatus"] == "DELETE_SKIPPED"}
    assert found == {*left["table"], *left["key"]}, (found, left)
    for name in left["table"]:
        boto3.client("dynamodb").update_table(TableName=name, DeletionProtectionEnabled=False)
        boto3.client("dynamodb").delete_table(TableName=name)
    cloudformation.delete_stack(StackName=failed)
    return ", ".join(f"{len(of)} {kind}" for kind, of in left.items() if of)


@step("doctor before the deployment")
def _():
    bridges.verify_identity(PARAMETERS["MailIdentity"])
    summary = doctor.before_deployment(work, PARAMETERS)["summary"]
    return ", ".join(f"{count} {name}" for name, count in summary.items())


@step("sam deploy")
def _():
    left_out = sam_deploy(BUILT, status_page.url, PARAMETERS)
    routes = bridges.routes(STACK)
    assert bridges.object_lock(STACK, s3) == ["ArchiveBucket"]
    assert len(bridges.kept_tables(STACK)) == 4
    become_operators()
    environment = {
        name: boto3.client("lambda").get_function_configuration(FunctionName=outputs()[name])["Environment"]["Variables"]
        for name in ["LookupFunction", "DeliverFunction"]
    }
    assert environment["DeliverFunction"]["SENDER_NAME"] == PARAMETERS["SenderName"], environment
    assert environment["LookupFunction"]["DEVELOPMENT_BASE_DOMAINS"] == "kintone.test,cybozu.test", environment
    assert environment["LookupFunction"]["ALLOWED_SOURCE_RANGES"] == "", environment
    return f"without {', '.join(left_out)}; {len(routes)} routes"


@step("customers and contacts from CSV, licences")
def _():
    tegata("key", "create")
    tegata("product", "apply", ROOT / "examples/products.toml")
    assert {of["slug"] for of in tegata("product", "list")} >= {"sheet"}
    customers, again, licenses = work / "customers.csv", work / "again.csv", work / "licenses.csv"
    customers.write_text("""customer_id,name,email,role,language,severity_floor,releases
C-1,株式会社サンプル,one@customer.example,primary,ja,,
C-2,Sample Ltd.,two@customer.example,primary,en,,
C-2,Sample Ltd.,wrong@customer.example,additional,en,major,yes
""")
    imported = tegata("import", customers)
    assert (imported["written"], imported["customers"]["added"]) == (2, 2), imported
    tegata("contact", "remove", "C-2", "wrong@customer.example")
    for number in [1, 2]:
        tegata("license", "issue", f"tenant{number}.cybozu.com", "sheet", "--billing", "yearly",
               "--users", 5, "--customer", f"C-{number}")
    assert {of["email"] for of in tegata("contact", "list")} == {"one@customer.example", "two@customer.example"}
    # What is exported says the same.
    tegata("export", again, licenses)
    unchanged = tegata("import", again, licenses)
    assert (unchanged["customers"]["unchanged"], unchanged["licenses"]["unchanged"]) == (2, 2), unchanged
    assert unchanged["written"] == 0, unchanged
    return "2 customers, 2 licences"


def release(version, days):
    """Announces a release; returns the notice's name."""
    planned = datetime.date.today() + datetime.timedelta(days=days)
    notice = f"{planned}-sheet-{version}"
    file = work / f"{notice}.toml"
    text = (ROOT / "examples/notices/2026-12-05-sheet-1.9.0.toml").read_text().replace("1.9.0", version)
    file.write_text(text.replace("2026-12-05", str(planned)))
    assert tegata("notice", "send", file, "--yes")["recipients"] == 2
    return notice, file


# The schedule announces it within a minute, while other things are done.
first, first_file = release("1.9.0", 10)


@step("the API answers with a lease that holds")
def _():
    page = {"Origin": "https://tenant1.cybozu.com"}
    status, headers, answer = license_of("tenant1.cybozu.com", **page)
    assert (status, answer["code"]) == (200, "VALID"), (status, answer)
    assert headers["Access-Control-Allow-Origin"] == page["Origin"], headers.items()
    keys = jwt.PyJWKSet.from_dict(tegata("key", "export"))
    kid = jwt.get_unverified_header(answer["lease"])["kid"]
    claims = jwt.decode(answer["lease"], keys[kid].key, ["ES256"], audience="sheet")
    assert claims["sub"] == "tenant1.cybozu.com"
    status, headers, _ = license_of("tenant1.cybozu.com", "OPTIONS", **page, **{"Access-Control-Request-Method": "GET"})
    assert (status, headers["Access-Control-Allow-Origin"]) == (204, page["Origin"]), (status, headers.items())
    for asked, page, expected in [
        ("stranger.cybozu.com", {}, (404, "NOT_FOUND")),
        ("tenant1.cybozu.com", {"Origin": "https://tenant2.cybozu.com"}, (403, "ORIGIN_NOT_ALLOWED")),
        ("not-a-tenant.example.com", {}, (400, "MALFORMED")),
    ]:
        status, headers, answer = license_of(asked, **page)
        assert (status, answer["code"]) == expected, (asked, status, answer)
        assert headers["Content-Type"] == "application/problem+json", headers.items()
    status, _, _ = api("GET $default", "/v1/products/sheet")
    assert status == 404, status


@step("POST /license, as of the official sample")
def _():
    def message(domain, plugin):
        body = json.dumps({"domain": domain, "pluginId": plugin}).encode()
        status, _, answer = api("POST /license", "/license", {"Content-Type": "application/json"}, body)
        return status, json.loads(answer)["message"]

    plugin, next_plugin = "abcdefghijklmnopabcdefghijklmnop", "bcdefghijklmnopabcdefghijklmnopa"
    assert message("tenant1.cybozu.com", plugin) == (200, "Valid")
    assert message("stranger.cybozu.com", plugin) == (200, "No item found.")
    assert message("tenant1.cybozu.com", "")[0] == 400
    products = work / "products.toml"
    products.write_text((ROOT / "examples/products.toml").read_text().replace(plugin, next_plugin))
    tegata("product", "apply", products)
    tegata("license", "update-plugin-ids")
    assert message("tenant1.cybozu.com", plugin) == (200, "No item found.")
    assert message("tenant1.cybozu.com", next_plugin) == (200, "Valid")


def long_ago(domain, change):
    """Changes a licence as if time had passed; the renewal is due."""
    licenses = boto3.resource("dynamodb").Table(outputs()["LicensesTable"])
    item = licenses.get_item(Key={"domain": domain, "product": "sheet"})["Item"]
    change(item)
    item["due_at"] = "2026-01-01T00:00:00Z"
    licenses.put_item(Item=item)


def changes():
    """The objects with changes in the archive."""
    found = s3.list_objects_v2(Bucket=outputs()["ArchiveBucket"], Prefix="source=change/")
    return [of["Key"] for of in found.get("Contents", [])]


def body(key):
    return s3.get_object(Bucket=outputs()["ArchiveBucket"], Key=key)["Body"].read()


def verify_history(code):
    answer = tegata("history", "verify", code=code, prints=True)
    assert answer["ok"] == (code == 0), answer
    return {(of["kind"], of["partition"], of["sort"]) for of in answer["findings"]}


@step("changes are archived, and a forged history item is named")
def _():
    """By what an operator's role allows, as `aws dynamodb put-item` does it."""
    # The last changes are in the archive when the newest one is.
    tegata("customer", "change", "C-2", "--name", "Sample Limited")
    until(lambda: any(b"Sample Limited" in gzip.decompress(body(key)) for key in changes()))
    assert verify_history(0) == set()
    for key in changes():
        head = s3.head_object(Bucket=outputs()["ArchiveBucket"], Key=key)
        assert head["ObjectLockMode"] == "COMPLIANCE", head
    licenses, database = outputs()["LicensesTable"], as_role("contracts", "dynamodb")
    key = {"domain": {"S": "tenant2.cybozu.com"}, "product": {"S": "sheet"}}
    item = database.get_item(TableName=licenses, Key=key)["Item"]
    at = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    forged = copy.deepcopy(item)
    forged["license"]["M"]["suspended_from"] = {"S": at[:19] + "Z"}
    forged["revision"]["M"] |= {
        "version": {"N": str(int(item["revision"]["M"]["version"]["N"]) + 1)},
        "at": {"S": at}, "change": {"S": "suspend"}, "by": {"S": "arn:aws:iam::000000000000:role/somebody-else"},
    }
    history = {name: of for name, of in forged.items() if name not in ["renewal_shard", "due_at"]}
    history["product"] = {"S": f"sheet@{at}"}
    for of in [forged, history]:
        database.put_item(TableName=licenses, Item=of)
    named = verify_history(1)
    assert {("contradiction", "tenant2.cybozu.com", of) for of in ["sheet", f"sheet@{at}"]} <= named, named
    # As it was, for what follows; the archive does not forget.
    database.put_item(TableName=licenses, Item=item)
    database.delete_item(TableName=licenses, Key={**key, "product": history["product"]})
    removed = f'"event":"remove","table":"licenses","partition":"tenant2.cybozu.com","sort":"sheet@{at}"'.encode()
    until(lambda: any(removed in gzip.decompress(body(of)) for of in changes()))
    named = verify_history(1)
    assert ("deleted", "tenant2.cybozu.com", f"sheet@{at}") in named, named
    return f"{len(changes())} objects with changes"


@step("contracts and keys live on")
def _():
    tegata("license", "suspend", "tenant2.cybozu.com", "sheet")
    assert license_of("tenant2.cybozu.com")[2]["code"] == "SUSPENDED"
    tegata("license", "resume", "tenant2.cybozu.com", "sheet")
    assert license_of("tenant2.cybozu.com")[2]["code"] == "VALID"
    # Issued, given the plug-in ids, suspended, resumed.
    assert len(tegata("license", "history", "tenant2.cybozu.com", "sheet")) == 4
    for change in ["--add", "--remove"]:
        tegata("license", "domains", "tenant2.cybozu.com", "sheet", change, "another.cybozu.com")
    contracts = work / "contracts.csv"
    contracts.write_text("domain,product,kind,users,usable_from,billing\n"
                         f"tenant3.cybozu.com,sheet,paid,5,{datetime.date.today()},monthly\n")
    assert tegata("import", contracts, "--serials", work / "serials.csv")["written"] == 1
    tegata("license", "move", "tenant3.cybozu.com", "sheet", "tenant4.cybozu.com", "--overlap", 0)
    [old] = [of["jwk"]["kid"] for of in tegata("key", "list")]
    tegata("key", "create")
    tegata("key", "rotate")

    def lease_is_old(item):
        item["lease"]["issued_at"] = "2026-01-01T00:00:00Z"

    def term_is_over(item):
        last = datetime.date.today().replace(day=1) - datetime.timedelta(days=1)
        item["license"]["first_term_on"] = item["license"]["term"]["starts_on"] = str(last.replace(day=1))
        item["license"]["term"]["ends_on"] = str(last)

    def left(item):
        item["license"]["names"][0]["until"] = "2026-01-02T00:00:00Z"

    long_ago("tenant1.cybozu.com", lease_is_old)
    long_ago("tenant4.cybozu.com", term_is_over)
    long_ago("tenant3.cybozu.com", left)
    report = invoke("RenewalFunction")
    counted = {name: report[name] for name in ["resigned", "renewed", "released", "failed"]}
    assert counted == {"resigned": 1, "renewed": 1, "released": 1, "failed": 0}, report
    kid = jwt.get_unverified_header(license_of("tenant1.cybozu.com")[2]["lease"])["kid"]
    assert kid != old, "signed with the key before"
    tegata("license", "re-sign", "--all", "--signed-with", old)
    tegata("key", "retire", old, "--force")
    return ", ".join(f"{count} {name}" for name, count in counted.items())


@step("access records in archive and usage")
def _():
    archive, logs = outputs()["ArchiveBucket"], outputs()["CdnLogBucket"]
    bridges.log(resources("AWS::Logs::LogGroup")["ApiLogGroup"], "not a line of the gateway's")
    file = f"AWSLogs/000000000000/CloudFront/{outputs()['CdnDistribution']}.2026-11-22-01.1.gz"
    lines = gzip.decompress((ROOT / "tests/data/access/cdn-json.log.gz").read_bytes())
    lines = re.sub(rb'("timestamp\(ms\)": )"\d+"', rb'\1"%d"' % (time.time() * 1000), lines)
    s3.put_object(Bucket=logs, Key=file, Body=gzip.compress(lines))

    def archived():
        found = s3.list_objects_v2(Bucket=archive, Prefix="source=").get("Contents", [])
        sources = (of["Key"].split("/")[0].removeprefix("source=") for of in found)
        return collections.Counter(source for source in sources if source != "change")

    # Each line came alone here. What has no route does not come to the function.
    lookups = sum("$default" not in route for route in asked)
    expected = {"gateway": len(asked), "lookup": lookups, "cdn": 1, "unreadable": 2}
    until(lambda: archived() == expected)
    assert invoke("UsageRollUpFunction")["waiting"] == 0
    usage = tegata("usage", "report", "--product", "sheet")
    codes = {of["code"]: of["requests"] for of in usage["codes"]}
    assert codes["NOT_FOUND"] >= 1 and codes["VALID"] >= 3 and codes["SUSPENDED"] == 1, codes
    assert tegata("usage", "domain", "tenant1.cybozu.com")
    found = tegata("access-log", "search", "--domain", "tenant1.cybozu.com")
    assert any(of.get("code") == "VALID" and of.get("gateway_latency_ms") == 14 for of in found), found
    verified = tegata("access-log", "verify")
    objects = sum(day["objects"] for day in verified["days"])
    assert verified["ok"] and {day["locked"] for day in verified["days"] if day["objects"]} == {"all"}, verified
    return f"{objects} objects, all locked"


@step("an upgrade in place keeps the data")
def _():
    """While the notice waits for its schedule, so that nothing else changes what is kept."""
    functions = boto3.client("lambda")

    def memory():
        return functions.get_function_configuration(FunctionName=outputs()["LookupFunction"])["MemorySize"]

    def rows(table):
        items = boto3.resource("dynamodb").Table(outputs()[table]).scan()["Items"]
        return sorted(items, key=str)

    def objects(bucket):
        found = s3.list_objects_v2(Bucket=outputs()[bucket])["Contents"]
        # Changes may still be on their way.
        return [(of["Key"], of["ETag"]) for of in found if not of["Key"].startswith("source=change/")]

    def kept():
        tables = {table: rows(table) for table in ["LicensesTable", "CustomersTable", "UsageTable"]}
        return outputs(), tables, objects("ArchiveBucket"), len(tegata("notice", "list"))

    before = kept()
    assert memory() == 128
    sam_deploy(BUILT, status_page.url, {**PARAMETERS, "LookupMemory": 256})
    assert memory() == 256
    assert kept() == before
    assert tegata("access-log", "verify")["ok"]
    status, _, answer = license_of("tenant1.cybozu.com")
    assert (status, answer["code"]) == (200, "VALID"), (status, answer)


@step("a release notice: each mail once")
def _():
    tegata("notice", "preview", first_file, "--to", work / first, "--test-to", "test@vendor.example")
    assert mails("1.9.0").pop("test@vendor.example") == 2, mails("1.9.0")
    until(lambda: set(deliveries(first)) == {"SENT"}, 75)
    sent = mails("1.9.0")
    sent.pop("test@vendor.example")
    assert sent == {"one@customer.example": 1, "two@customer.example": 1}, sent
    return "announced by its schedule"


@step("SES's events: delivered, bounced")
def _():
    rows = ledger(first)
    bridges.report(ses_event("delivery", first, rows["one@customer.example"]["delivery"]))
    bridges.report(ses_event("bounce-permanent", first, rows["two@customer.example"]["delivery"]))
    until(lambda: deliveries(first) == {"DELIVERED": 1, "BOUNCED": 1})
    [bounced] = [of["email"] for of in tegata("contact", "list") if of["undeliverable"]]
    assert bounced == "two@customer.example", bounced
    tegata("contact", "reinstate", "C-2", bounced)


def messages(queue):
    """How many are in the queue, or being worked on."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    return sum(map(int, sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"].values()))


@step("`deliver` killed half-way is settled")
def _():
    queue, once = outputs()["DeliveryQueueUrl"], {"one@customer.example": 1, "two@customer.example": 1}
    # Twelve minutes are too long to wait for a message to come again.
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "5"})
    bridges.cloud("hold")
    notice, _ = release("1.10.0", 11)
    invoke("AnnounceFunction")
    until(lambda: bridges.cloud("held") == 1)
    time.sleep(1)  # for the answer to the other mail, if it is under way
    assert bridges.kill(outputs()["DeliverFunction"]) >= 1
    assert messages(queue) >= 1, "the message does not come again"
    until(lambda: messages(queue) == 0)
    assert deliveries(notice) == {"SENDING": 1, "SENT": 1}, deliveries(notice)
    assert mails("1.10.0") == once, mails("1.10.0")
    [lost] = [row for row in ledger(notice).values() if row["state"] == "SENDING"]
    # Three minutes later its sender would have said what became of it.
    boto3.resource("dynamodb").Table(outputs()["NoticesTable"]).update_item(
        Key={"notice_id": notice, "item": f"delivery#{lost['delivery']}"},
        UpdateExpression="SET facts.attempts[0].#claim.#until = :past",
        ExpressionAttributeNames={"#claim": "claim", "#until": "until"},
        ExpressionAttributeValues={":past": "2026-01-01T00:00:00Z"},
    )
    assert deliveries(notice) == {"SENT": 1, "UNKNOWN": 1}, deliveries(notice)
    report = invoke("AnnounceFunction")
    assert (report["unknown_overdue"], report["resent"], messages(queue)) == (1, 0, 0), report
    bridges.report(ses_event("delivery", notice, lost["delivery"]))
    until(lambda: deliveries(notice) == {"SENT": 1, "DELIVERED": 1})
    assert mails("1.10.0") == once, mails("1.10.0")
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "720"})
    return "UNKNOWN, then settled by SES's event; no mail twice"


@step("an incident: mails, status page, news")
def _():
    file = work / "incident-1.toml"
    file.write_text("""
kind = "incident"
products = ["sheet"]
title = { ja = "障害", en = "Incident" }
[[updates]]
stage = "investigating"
severity = "major"
body = { ja = "調査しています。", en = "We are investigating." }
""")
    bridges.cloud("throttle")
    tegata("notice", "send", file, "--yes")
    invoke("AnnounceFunction")
    until(lambda: set(deliveries("incident-1")) == {"SENT"}, 75)
    assert mails("Incident") | mails("障害") == {"one@customer.example": 1, "two@customer.example": 1}
    until(lambda: status_page.incidents, 75)
    assert [of["title"] for of in status_page.incidents] == ["障害 / Incident"], status_page.incidents
    return "one throttled by SES, and queued again by the schedule"


@step("files through the CDN's address")
def _():
    built = work / "dist"
    built.mkdir()
    (built / "plugin.min.js").write_text("console.log(1)\n")
    manifest = tegata("publish", "files", "sheet", "1.9.0", built)["manifest"]
    refused = tegata("publish", "current", "sheet", "1.9.0", code=1)
    assert "2 customers have not been told" in refused and "C-2: the mail bounced" in refused, refused
    told = [
        "--told-otherwise", "C-2", "by telephone",
        "--told-otherwise", "tenant4.cybozu.com sheet", "by its own operator",
    ]
    refused = tegata("publish", "current", "sheet", "1.9.0", *told, code=1)
    assert "it was announced for" in refused, refused
    tegata("key", "create", "--purpose", "release")
    tegata("publish", "current", "sheet", "1.9.0", "--emergency", "the deployment test")
    assert tegata("publish", "list", "sheet")[0]["current"]["version"] == "1.9.0"
    # As docs/operations/admins.md says.
    published = {"lease": "jwks.json", "release": "release-keys.json"}

    def publish_keys(purpose):
        name = published[purpose]
        tegata("key", "export", "--purpose", purpose, "--file", work / name)
        as_role("publishing", "s3").put_object(
            Bucket=outputs()["CdnBucket"], Key=f".well-known/{name}", Body=(work / name).read_bytes(),
            ContentType="application/json", CacheControl="public, max-age=60",
        )

    for purpose in published:
        publish_keys(purpose)
    page = {"Origin": "https://tenant1.cybozu.com"}
    status, headers, script = cdn("/sheet/1.9.0/plugin.min.js", **page)
    assert status == 200, (status, script)
    integrity = "sha384-" + base64.b64encode(hashlib.sha384(script).digest()).decode()
    assert manifest["files"]["plugin.min.js"]["integrity"] == integrity, manifest
    for name, value in [
        ("Access-Control-Allow-Origin", "*"),
        ("Cross-Origin-Resource-Policy", "cross-origin"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "public, max-age=31536000, immutable"),
    ]:
        assert headers[name] == value, (name, headers.items())
    assert headers["Content-Type"].startswith("text/javascript"), headers.items()
    served = {}
    for name in published.values():
        status, _, keys = cdn(f"/.well-known/{name}")
        assert (status, json.loads(keys)) == (200, json.loads((work / name).read_text())), (status, keys)
        served[name] = {of["kid"]: of for of in json.loads(keys)["keys"]}
    assert not served["jwks.json"].keys() & served["release-keys.json"].keys(), served
    # By an independent JOSE library, with the release keys that are served.
    status, headers, document = cdn("/sheet/current.jwt", **page)
    assert status == 200, (status, document)
    assert "max-age=60" in headers["Cache-Control"], headers.items()
    assert headers["Content-Type"] == "application/jwt", headers.items()
    assert headers["Access-Control-Allow-Origin"] == "*", headers.items()
    header = jwt.get_unverified_header(document)
    key = jwt.PyJWK(served["release-keys.json"][header["kid"]]).key
    claims = jwt.decode(document, key, algorithms=["ES256"], audience="sheet")
    assert (header["typ"], claims["version"]) == ("release+jwt", "1.9.0"), (header, claims)
    assert claims["files"] == {"plugin.min.js": integrity}, claims
    status = tegata("publish", "status", "sheet")
    assert status["document"]["problem"] is None, status
    # The next key signs from now on, and the one before is retired when it signed no current release.
    tegata("key", "create", "--purpose", "release")
    tegata("key", "rotate", "--purpose", "release")
    refused = tegata("key", "retire", header["kid"], code=1)
    assert "the current release of sheet is signed with key" in refused, refused
    tegata("publish", "current", "sheet", "1.9.0", "--emergency", "the deployment test")
    assert tegata("publish", "status", "sheet")["document"]["key"] == "active"
    tegata("key", "retire", header["kid"])
    publish_keys("release")
    # The page as `announce` writes it, and as an operator does, who has the sender from an output.
    for write in [lambda: None, lambda: tegata("publish", "news")]:
        write()
        status, headers, news = cdn("/news/")
        assert status == 200 and "シート 1.9.0".encode() in news, (status, news)
        assert PARAMETERS["SenderName"].encode() in news, news.decode()
    assert "default-src 'none'" in headers["Content-Security-Policy"], headers.items()
    assert cdn("/sheet/1.9.0/none.js")[0] == 403
    # Without TLS files are refused, and people sent on.
    plain = {"X-Forwarded-Proto": "http"}
    assert cdn("/sheet/current.jwt", **plain)[0] == 403
    status, headers, _ = cdn("/news/", **plain)
    assert (status, headers["Location"].split(":")[0]) == (301, "https"), (status, headers.items())


def role_with(name, statements):
    """A session of a role of the account that is not the stack's."""
    iam = boto3.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    trusting, may = ({"Version": "2012-10-17", "Statement": of} for of in [[trust], statements])
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trusting))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps(may))
    return session_of(role)


def take_keys():
    """Nobody takes a signing key of the account: none is tagged as this stack's, and signed with."""
    kms, curve = boto3.client("kms"), {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}

    def tags(stack):
        of = {"tegata:purpose": "lease-signing", "tegata:stack": stack}
        return [{"TagKey": key, "TagValue": value} for key, value in of.items()]

    def is_out_of_reach(client, key):
        names = [of["TagKey"] for of in tags(STACK)]
        is_refused("AccessDeniedException", client.untag_resource, KeyId=key, TagKeys=names)
        is_refused("AccessDeniedException", client.tag_resource, KeyId=key, Tags=tags(STACK))
        is_refused("AccessDeniedException", client.sign, KeyId=key, **lease)

    lease = {"Message": bytes(32), "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}
    productions, others, of_before = (
        kms.create_key(**curve, **made)["KeyMetadata"]["Arn"]
        for made in [{"Tags": tags("production")}, {}, {"Tags": tags(STACK)}]
    )
    for role in roles.ROLES:
        for key in [productions, others]:
            is_out_of_reach(as_role(role, "kms"), key)
    # Keys of before have tags, which stay good for signing.
    assert as_role("contracts", "kms").sign(KeyId=of_before, **lease)["Signature"]
    for role in ["support", "publishing", "keys"]:
        is_refused("AccessDeniedException", as_role(role, "kms").sign, KeyId=of_before, **lease)
    # What is made now cannot be taken by a stack of before either, whose operators may tag keys.
    active = {of["purpose"]: of["location"]["kms"] for of in tegata("key", "list") if of["state"] == "active"}
    made_now = active["lease"]
    # A release key lets the publishing role sign, and nobody else; it does not sign leases either.
    assert as_role("publishing", "kms").sign(KeyId=active["release"], **lease)["Signature"]
    is_refused("AccessDeniedException", as_role("publishing", "kms").sign, KeyId=made_now, **lease)
    for role in ["support", "contracts", "keys"]:
        is_refused("AccessDeniedException", as_role(role, "kms").sign, KeyId=active["release"], **lease)
    every = "arn:aws:kms:*:*:key/*"
    session = role_with("before", [
        {"Effect": "Allow", "Action": ["kms:TagResource", "kms:UntagResource"], "Resource": every},
        {"Effect": "Allow", "Action": "kms:Sign", "Resource": every,
         "Condition": {"StringEquals": {"aws:ResourceTag/tegata:stack": STACK}}},
    ])
    before = with_session(session, "kms")
    is_out_of_reach(before, made_now)
    # It could take the others: that its attempt fails is the key's doing.
    before.tag_resource(KeyId=others, Tags=tags(STACK))
    assert before.sign(KeyId=others, **lease)["Signature"]


def overwrite_a_version():
    """What is published stays as it is, whoever writes; what changes stays writable."""
    admin = role_with("admin", [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}])
    bucket, script = outputs()["CdnBucket"], "sheet/1.9.0/plugin.min.js"
    before = s3.get_object(Bucket=bucket, Key=script)["Body"].read()
    for client in [as_role("publishing", "s3"), with_session(admin, "s3")]:
        for key in [script, "sheet/1.9.0/new.js", "sheet/1.9.0/current.jwt", "sheet/1.9.0/assets/current.jwt"]:
            is_refused("AccessDenied", client.put_object, Bucket=bucket, Key=key, Body=b"another")
        is_refused("PreconditionFailed", client.put_object, Bucket=bucket, Key=script, Body=b"another", IfNoneMatch="*")
        is_refused("AccessDenied", client.create_multipart_upload, Bucket=bucket, Key=script)
        is_refused("AccessDenied", client.copy_object, Bucket=bucket, Key=script,
                   CopySource={"Bucket": bucket, "Key": "sheet/current.jwt"}, IfNoneMatch="*")
    assert s3.get_object(Bucket=bucket, Key=script)["Body"].read() == before
    publishing = as_role("publishing", "s3")
    for key in ["sheet/current.jwt", ".well-known/jwks.json", "news/index.html", "news/en/index.html"]:
        publishing.put_object(Bucket=bucket, Key=key, Body=s3.get_object(Bucket=bucket, Key=key)["Body"].read())


of_refused = set()


@step("doctor on the stack")
def _():
    cloudformation.update_termination_protection(StackName=STACK, EnableTerminationProtection=True)
    document = doctor.on_stack("--mail")
    assert document["ok"] and document["stack"].startswith("arn:aws:cloudformation:"), document
    for name, seen in doctor.skipped(document).items():
        print(f"{name:30} – {seen}")
    for named in doctor.what_is_broken_is_named():
        print(named)
    assert doctor.on_stack("--only", "protection,request")["ok"], "what was broken is as it was"
    cloudformation.update_termination_protection(StackName=STACK, EnableTerminationProtection=False)
    return ", ".join(f"{count} {name}" for name, count in document["summary"].items())


@step("every command as every role")
def _():
    _, denied = permissions.calls(DECISIONS)
    assert not denied, denied
    tested, lines = commands.every_command_as_every_role(work, DECISIONS)
    of_refused.update(lines)
    print("{:26} {}".format("command", " ".join(f"{role:10}" for role in roles.ROLES)))
    for command, may in tested.items():
        cells = ("allowed" if role in may else "refused" for role in roles.ROLES)
        print("{:26} {}".format(command, " ".join(f"{cell:10}" for cell in cells)))
    allowed = sum(map(len, tested.values()))
    return f"{len(tested)} commands: {allowed} allowed, {len(tested) * len(roles.ROLES) - allowed} refused"


@step("least privilege")
def _():
    granted, names = permissions.grants(STACK), permissions.logical_names(STACK)
    reasons = tomllib.loads((pathlib.Path(__file__).parent / "uncalled.toml").read_text())["uncalled"]
    made, denied = permissions.calls(DECISIONS, of_refused)
    assert not denied, denied
    by_keys = permissions.grants_by_keys(granted)
    rows, wrong = permissions.check(granted, made, reasons, names, by_keys)
    print("{:16} {:29} {:31} {:>5}  {}".format("role", "action", "resource", "calls", "reason if it is none"))
    for row in rows:
        print("{:16} {:29} {:31} {:>5}  {}".format(*row))
    assert not wrong, "\n".join(["", *wrong])
    permissions.prove_check(granted, made, reasons, names, by_keys)
    # And the policies are in force.
    is_refused("AccessDeniedException", as_role("support", "dynamodb").scan, TableName=outputs()["UsageTable"])
    _, denied = permissions.calls(DECISIONS, of_refused)
    assert [(of.action, times) for of, times in denied.items()] == [("dynamodb:Scan", 1)], denied
    take_keys()
    overwrite_a_version()
    return f"{len(rows)} grants, {sum(row[3] > 0 for row in rows)} of them called; no other call"


@step("a deleted stack leaves the data")
def _():
    kept, made = {}, bridges.physical(STACK)
    for name, resource in bridges.processed(STACK)["Resources"].items():
        # A condition may leave a resource out.
        if name in made and resource.get("DeletionPolicy", "Delete") != "Delete":
            kept.setdefault(resource["Type"], []).append(made[name])
    queue, before = outputs()["DeliveryQueueUrl"], outputs()
    objects = s3.list_objects_v2(Bucket=before["ArchiveBucket"])["Contents"]
    cloudformation.delete_stack(StackName=STACK)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    buckets = {of["Name"] for of in s3.list_buckets()["Buckets"]}
    assert set(kept["AWS::S3::Bucket"]) <= buckets, (kept, buckets)
    pages = boto3.client("logs").get_paginator("describe_log_groups").paginate()
    groups = {of["logGroupName"] for page in pages for of in page["logGroups"]}
    assert set(kept["AWS::Logs::LogGroup"]) <= groups, (kept, groups)
    for name in kept["AWS::DynamoDB::Table"]:
        assert boto3.resource("dynamodb").Table(name).scan()["Count"] > 0, name
    [key] = kept["AWS::KMS::Key"]
    assert boto3.client("kms").describe_key(KeyId=key)["KeyMetadata"]["Enabled"]
    assert s3.get_object(Bucket=before["CdnBucket"], Key="sheet/current.jwt")["ContentLength"] > 0
    for item in objects:
        where = {"Bucket": before["ArchiveBucket"], "Key": item["Key"]}
        version = s3.get_object(**where)
        assert gzip.decompress(version["Body"].read()), item
        is_refused("AccessDenied", s3.delete_object, **where, VersionId=version["VersionId"])
    for url in kept["AWS::SQS::Queue"]:
        assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    is_refused("AWS.SimpleQueueService.NonExistentQueue", sqs.get_queue_attributes, QueueUrl=queue)
    return ", ".join(f"{len(names)} {kind.rpartition('::')[2]}" for kind, names in kept.items())


table()
