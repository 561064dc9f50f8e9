"""The operators' CLI and the real `announce`, `deliver` and `feedback` binaries against a local
DynamoDB, SQS, SES, S3 and Secrets Manager, and a status page of ours: from a notice's file to each
contact's mailbox, once, also when messages come twice and processes are killed.

usage: notices.py TEGATA ANNOUNCE DELIVER FEEDBACK STACK     with the stack's AWS in the environment
"""

import base64
import collections
import concurrent.futures
import csv
import datetime
import email
import email.policy
import hashlib
import http.server
import io
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import xml.etree.ElementTree

import boto3
from botocore.config import Config
from function import invoke, kill
from statuspal import StatusPage

TEGATA, ANNOUNCE, DELIVER, FEEDBACK, STACK = sys.argv[1:]
ROOT = pathlib.Path(__file__).parents[2]
WORK = tempfile.TemporaryDirectory()
FILES = pathlib.Path(WORK.name)
JAPAN = datetime.timezone(datetime.timedelta(hours=9))
KEY = "the-status-page's-key"
passed = 0


def check(holds, what, found=None):
    global passed
    assert holds, (what, found)
    passed += 1


def run(*arguments, output="json"):
    command = [TEGATA, "--stack", STACK, *arguments, "--output", output]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def tegata(*arguments):
    done = run(*arguments)
    assert done.returncode == 0, (arguments, done.returncode, done.stderr)
    return json.loads(done.stdout) if done.stdout else None


def refused(*arguments, code=1):
    """What a command says that has to fail."""
    done = run(*arguments)
    check(done.returncode == code, arguments, (done.returncode, done.stdout, done.stderr))
    return done.stderr


stack = boto3.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
sqs, sesv2 = boto3.client("sqs"), boto3.client("sesv2")
table = boto3.resource("dynamodb").Table(outputs["NoticesTable"])
queue, bucket = outputs["DeliveryQueueUrl"], outputs["CdnBucket"]
sender = base64.b64decode(outputs["SenderNameBase64"]).decode()


# What stands in for others: Statuspal (statuspal.py), and an SES that does not answer.


class SilentSes:
    """Takes requests, and never answers."""

    def __init__(self):
        self.requests, self.connections = [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            self.connections.append(connection)
            threading.Thread(target=self.read, args=[connection], daemon=True).start()

    def read(self, connection):
        with connection.makefile("rb") as request:
            line, length = request.readline(), 0
            while (header := request.readline().strip().lower()) != b"":
                if header.startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            self.requests.append((line.decode(), json.loads(request.read(length))))


class ThrottlingSes:
    """Says to every request that there are too many."""

    def __init__(self):
        class Api(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                body = json.dumps({"message": "Maximum sending rate exceeded."}).encode()
                self.send_response(429)
                self.send_header("x-amzn-ErrorType", "TooManyRequestsException")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}"


page, silent, throttling = StatusPage(KEY), SilentSes(), ThrottlingSes()
secret = boto3.client("secretsmanager").create_secret(Name="status-page", SecretString=f"{KEY}\n")
sesv2.create_email_identity(EmailIdentity=outputs["MailFrom"].split("@")[1])
sesv2.create_configuration_set(ConfigurationSetName=outputs["MailConfigurationSet"])


# The functions, with the environment that the template gives them.


def role(name):
    return f"arn:aws:iam::000000000000:role/{name}"


common = {
    "NOTICES_TABLE": outputs["NoticesTable"],
    "CDN_URL": outputs["CdnUrl"],
    "SEND_RATE": outputs["SendRate"],
    "SENDER_NAME": sender,
    "SECURITY_CONTACT": outputs["SecurityContact"],
    "STACK": STACK,
}
of_announce = {
    **common,
    "CUSTOMERS_TABLE": outputs["CustomersTable"],
    "LICENSES_TABLE": outputs["LicensesTable"],
    "CDN_BUCKET": bucket,
    "DELIVERY_QUEUE_URL": queue,
    "EVIDENCE_WINDOW_MINUTES": "30",
    "RETENTION_DAYS": "400",
    "STATUS_PAGE": "sample",
    "STATUS_PAGE_SERVICES": "7,8",
    "STATUS_PAGE_SECRET": secret["ARN"],
    "STATUS_PAGE_API": page.url,
    "ROLE_ARN": role("announce"),
}
of_deliver = {
    **common,
    "CONFIGURATION_SET": outputs["MailConfigurationSet"],
    "MAIL_FROM": outputs["MailFrom"],
    "SENDERS": "2",
    "ROLE_ARN": role("deliver"),
}
of_feedback = {
    "NOTICES_TABLE": outputs["NoticesTable"],
    "ROLE_ARN": role("feedback"),
    "STACK": STACK,
}


def announce():
    report, lines = invoke(ANNOUNCE, b"{}", of_announce, name="announce")
    check(report["failed"] == 0, "announced without failure", (report, lines))
    return report


def received(expected):
    """The messages that are in the queue now."""
    messages, more = [], True
    while more and (not messages or len(messages) < expected):
        more = sqs.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1, AttributeNames=["All"]
        ).get("Messages", [])
        messages += more
    rest = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])
    rest = rest["Attributes"]["ApproximateNumberOfMessages"]
    check((len(messages), rest) == (expected, "0"), "messages in the queue", (messages, rest))
    return messages


def sqs_event(messages):
    """The event that Lambda makes of messages."""
    return json.dumps({"Records": [
        {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": {"ApproximateReceiveCount": message["Attributes"]["ApproximateReceiveCount"]},
            "messageAttributes": {},
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:ap-northeast-1:000000000000:deliveries",
            "awsRegion": "ap-northeast-1",
        }
        for message in messages
    ]}).encode()


def deliver(messages, **environment):
    """Gives messages to `deliver`; returns those that come again, and what it counted."""
    environment = {**of_deliver, **environment}
    answer, lines = invoke(DELIVER, sqs_event(messages), environment, name="deliver")
    again = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    return again, lines[-1]


def delete(messages):
    """What Lambda does with messages that were worked on."""
    for message in messages:
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


def come_again(message):
    sqs.change_message_visibility(
        QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
    )


def mails():
    """The mails that SES has taken."""
    url = os.environ["AWS_ENDPOINT_URL"] + "/_ministack/ses/messages"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    accounts = json.load(opener.open(url, timeout=10))["messages"]
    return [mail for mails in accounts.values() for mail in mails]


def inbox(words):
    """How often which subject went to which address, of the mails with certain words in it."""
    found = [mail for mail in mails() if words in mail["Subject"]]
    alone = all(len(mail["To"]) == 1 and not mail["CC"] + mail["BCC"] for mail in found)
    check(alone, "to one address", found)
    return collections.Counter((mail["To"][0], mail["Subject"]) for mail in found)


def ledger(notice):
    done = run("notice", "status", notice, output="csv")
    assert done.returncode == 0, done.stderr
    return {row["email"]: row for row in csv.DictReader(io.StringIO(done.stdout.lstrip("\ufeff"))) if row["email"]}


def counts(notice):
    """How many deliveries are in which state."""
    updates = tegata("notice", "status", notice)["updates"]
    return {state: count for state, count in updates[-1]["deliveries"].items() if count}


def ses_event(name, notice, delivery):
    """An event of SES's about a real delivery."""
    event = json.loads((ROOT / "events" / f"ses-{name}.json").read_text())
    tags = event["detail"]["mail"]["tags"]
    tags["notice"], tags["delivery"], tags["attempt"] = [notice.replace(".", "_")], [delivery], ["1"]
    return json.dumps(event).encode()


def feedback(name, notice, delivery):
    return invoke(FEEDBACK, ses_event(name, notice, delivery), of_feedback, name="feedback")[0]


def stored(key):
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()


def released():
    """The claims of the release document on the CDN. Its signature is the deployment test's to verify."""
    payload = stored("sheet/current.jwt").split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def release(version, planned_at, name=None):
    """Writes the file of a release notice; returns its name and path."""
    name = name or f"{planned_at:%Y-%m-%d}-sheet-{version}"
    file = FILES / f"{name}.toml"
    file.write_text(f"""
kind = "release"
products = ["sheet"]
version = "{version}"
planned_at = {planned_at:%Y-%m-%dT%H:%M:%S%z}
title = {{ ja = "シート {version} のリリース", en = "Release of Sheet {version}" }}
body = {{ ja = "**集計**が速くなります。", en = "Totals are **faster**." }}
""".replace("+0900", "+09:00"))
    return name, str(file)


def incident(name, number):
    file = FILES / f"{name}.toml"
    file.write_text(f"""
kind = "incident"
products = ["sheet"]
title = {{ ja = "障害 {number}", en = "Incident {number}" }}
[[updates]]
stage = "investigating"
severity = "major"
body = {{ ja = "調査しています。", en = "We are investigating." }}
""")
    return str(file)


now = datetime.datetime.now(JAPAN).replace(microsecond=0)


def in_days(days):
    return now.replace(second=0) + datetime.timedelta(days=days)


# Customers and what they bought.
tegata("key", "create")
products = FILES / "products.toml"
products.write_text("""
issuer = "https://license.example.com"
[products.sheet]
name = { ja = "シート", en = "Sheet" }
notice_days = 7
[products.gantt]
name = { ja = "ガント", en = "Gantt" }
""")
tegata("product", "apply", str(products))
for customer, name, product in [
    ("C-1", "株式会社サンプル", "sheet"),
    ("C-2", "Sample Ltd.", "sheet"),
    ("C-3", "Other Ltd.", "gantt"),
]:
    tegata("customer", "add", customer, "--name", name)
    domain = f"{customer.lower()}.cybozu.com"
    terms = ["--customer", customer, "--billing", "yearly", "--users", "5"]
    tegata("license", "issue", domain, product, *terms)
for customer, address, *more in [
    ("C-1", "ja@one.example"),
    ("C-1", "shared@partner.example"),
    ("C-2", "shared@partner.example"),
    ("C-2", "en@two.example", "--language", "en"),
    ("C-2", "releases@two.example", "--role", "additional", "--releases"),
    ("C-2", "incidents@two.example", "--role", "additional", "--severity-floor=major", "--language=en"),
    ("C-3", "gantt@three.example"),
]:
    tegata("contact", "add", customer, address, *more)


def expected(japanese, english, ja=(), en=()):
    """One mail to each, in the contact's language."""
    mails = [(to, f"【{sender}】{japanese}") for to in ja] + [(to, f"[{sender}] {english}") for to in en]
    return collections.Counter(mails)


# A release ten days ahead, and others too late for the seven days that are promised.
R190, file = release("1.9.0", in_days(10))
said = refused("notice", "check", release("1.9.0", in_days(3), "too-late")[1])
check("7 days" in said, "the lead time", said)
checked = tegata("notice", "check", file)
check(checked["notice_id"] == R190 and checked["update"] == 1, "in order", checked)
by = datetime.datetime.fromisoformat(checked["announce_by"])
check(in_days(2) < by <= in_days(3), "to be announced by", checked)

# Nothing becomes current that has not been announced.
built = FILES / "built"
(built / "js").mkdir(parents=True)
(built / "js" / "sheet.js").write_text("console.log('1.9.0');\n")
(built / "sheet.css").write_text("body {}\n")
said = refused("publish", "current", "sheet", "1.9.0", code=3)
check("not on the CDN" in said, "its files are not there", said)
published = tegata("publish", "files", "sheet", "1.9.0", str(built))
check(published["new"] == 2, "files", published)
script = (built / "js" / "sheet.js").read_bytes()
integrity = "sha384-" + base64.b64encode(hashlib.sha384(script).digest()).decode()
check(published["manifest"]["files"]["js/sheet.js"]["integrity"] == integrity, "SRI", published)
check(json.loads(stored("sheet/1.9.0/manifest.json")) == published["manifest"], "the manifest")
head = s3.head_object(Bucket=bucket, Key="sheet/1.9.0/js/sheet.js")
check("immutable" in head["CacheControl"], "kept for ever", head)
check(tegata("publish", "files", "sheet", "1.9.0", str(built))["new"] == 0, "nothing new")
(built / "sheet.css").write_text("body { margin: 0 }\n")
said = refused("publish", "files", "sheet", "1.9.0", str(built))
check("stays as it is" in said, "a version stays as it is", said)
said = refused("publish", "current", "sheet", "1.9.0")
check("has not been announced" in said, "not announced", said)

said = refused("notice", "send", file, code=2)
check("--yes" in said, "it asks", said)
sent = tegata("notice", "send", file, "--yes")
check(sent["recipients"] == 4 and sent["unreachable"] == 0, "the audience", sent)
refused("publish", "current", "sheet", "1.9.0")

report = announce()
check((report["announced"], report["queued"]) == (1, 4), "announced", report)
check(report["daily_quota_percent"] is not None, "SES tells the quota", report)
report = announce()
check((report["announced"], report["queued"], report["open"]) == (0, 0, 4), "once", report)
check(counts(R190) == {"PENDING": 4}, "to be sent", counts(R190))
said = refused("publish", "current", "sheet", "1.9.0")
check("4 of 4" in said, "its mails have not been sent", said)

# Every message twice, as SQS may deliver it.
messages = received(4)
check(not any("@" in message["Body"] for message in messages), "no address in the queue", messages)
again, counted = deliver(messages)
check(not again and counted["MailsAccepted"] == 4, "delivered", counted)
again, counted = deliver(messages)
check(not again and (counted["MailsAccepted"], counted["MessagesRepeated"]) == (0, 4), "repeated", counted)
delete(messages)
to_japan = ["ja@one.example", "shared@partner.example", "releases@two.example"]
of_190 = expected("シート 1.9.0 のリリース", "Release of Sheet 1.9.0", to_japan, ["en@two.example"])
check(inbox("1.9.0") == of_190, "each mail once", inbox("1.9.0"))
texts = {mail["To"][0]: mail["BodyText"] for mail in mails()}
check("Totals are" in texts["en@two.example"] and "Sample Ltd." in texts["en@two.example"], "English", texts)
check("株式会社サンプル 様" in texts["ja@one.example"], "Japanese", texts)
shared = texts["shared@partner.example"]
check("株式会社サンプル" in shared and "Sample Ltd." in shared, "of both customers", shared)
check(all(mail["Source"] == outputs["MailFrom"] for mail in mails()), "from", mails())
check(counts(R190) == {"SENT": 4}, "sent", counts(R190))

# What became of them.
rows = ledger(R190)
bounced = "en@two.example"
for address, seen in [(to_japan[0], "recorded"), (to_japan[1], "recorded"), (to_japan[0], "known")]:
    found = feedback("delivery", R190, rows[address]["delivery"])
    check(found == seen, "a delivery", found)
check(feedback("bounce-permanent", R190, rows[bounced]["delivery"]) == "recorded", "a bounce")
nobody = "001-" + 32 * "0"
check(feedback("delivery", R190, nobody) == "no_delivery", "of no delivery")
check(counts(R190) == {"DELIVERED": 2, "BOUNCED": 1, "SENT": 1}, "what became of them", counts(R190))

rows = ledger(R190)
check(set(rows) == {*to_japan, bounced}, "the ledger names everybody", rows)
check({address: row["state"] for address, row in rows.items()} == {
    "ja@one.example": "DELIVERED",
    "shared@partner.example": "DELIVERED",
    "releases@two.example": "SENT",
    bounced: "BOUNCED",
}, "the ledger's states", rows)
check(all(row["attempts"] == "1" and row["sent_at"] for row in rows.values()), "one attempt each", rows)
known = {mail["To"][0]: mail["MessageId"] for mail in mails()}
check({address: row["message_id"] for address, row in rows.items()} == known, "SES's names", rows)
check(rows["shared@partner.example"]["customers"] == "C-1 C-2", "both customers", rows)
check(rows["releases@two.example"]["role"] == "additional", "roles", rows)
check("Permanent" in rows[bounced]["reason"], "why it bounced", rows)

# The news page and the feeds.
for directory, title in [("news/", "シート 1.9.0 のリリース"), ("news/en/", "Release of Sheet 1.9.0")]:
    check(title in stored(f"{directory}{R190}.html"), "the notice's page", directory)
    check(f"{R190}.html" in stored(f"{directory}index.html"), "the list", directory)
    feed = xml.etree.ElementTree.fromstring(stored(f"{directory}feed.xml"))
    atom = "{http://www.w3.org/2005/Atom}"
    entries = feed.findall(f"{atom}entry")
    check([entry.find(f"{atom}title").text for entry in entries] == [title], "the feed", directory)
    link = entries[0].find(f"{atom}link").get("href")
    check(link == f"{outputs['CdnUrl']}/{directory}{R190}.html", "the feed's link", link)
head = s3.head_object(Bucket=bucket, Key="news/index.html")
check("max-age=60" in head["CacheControl"], "kept for a minute", head)
check(not page.posts, "a release is none of the status page's", page.posts)

# Announced, and its instant has not come. That of two primary contacts one has bounced is no matter, as
# soon as `announce` knows.
said = refused("publish", "current", "sheet", "1.9.0")
check("C-2: the mail bounced" in said, "a bounced mail does not count", said)
announce()
said = refused("publish", "current", "sheet", "1.9.0")
check("it was announced for" in said, "too early", said)
refused("publish", "current", "sheet", "1.9.0", "--emergency", " ", code=2)
keys = [of["Key"] for of in s3.list_objects_v2(Bucket=bucket)["Contents"]]
check("sheet/current.jwt" not in keys, "none is current", keys)
tegata("key", "create", "--purpose", "release")
made = tegata("publish", "current", "sheet", "1.9.0", "--emergency", "a hole is closed")
check(made["current"]["emergency"] == "a hole is closed", "an emergency", made)
document = released()
check((document["aud"], document["version"]) == ("sheet", "1.9.0"), "current", document)
check(document["files"]["js/sheet.js"] == integrity, "SRI", document)
check("notice" not in document, "no notice announced it", document)
head = s3.head_object(Bucket=bucket, Key="sheet/current.jwt")
check("max-age=60" in head["CacheControl"], "kept for a minute", head)
check(head["ContentType"] == "application/jwt", "its media type", head)

# `deliver` killed after its request, before SES has answered.
R110, file = release("1.10.0", in_days(11))
check(tegata("notice", "send", file, "--yes")["recipients"] == 3, "without whom mail does not reach")
check(announce()["queued"] == 3, "queued")
messages = received(3)
of_delivery = {row["delivery"]: address for address, row in ledger(R110).items()}
check(set(of_delivery.values()) == set(to_japan), "the audience", of_delivery)
lost = messages[0]
lost_delivery = json.loads(lost["Body"])["delivery"]
environment = {**of_deliver, "AWS_ENDPOINT_URL_SESV2": silent.url}
kill(DELIVER, sqs_event([lost]), environment, lambda: silent.requests, name="deliver")
[(line, request)] = silent.requests
check(line.startswith("POST /v2/email/outbound-emails"), "its request", line)
check(request["Destination"]["ToAddresses"] == [of_delivery[lost_delivery]], "to one", request)
check(request["ConfigurationSetName"] == outputs["MailConfigurationSet"], "with events", request)
tags = {tag["Name"]: tag["Value"] for tag in request["EmailTags"]}
check(tags == {"notice": R110.replace(".", "_"), "delivery": lost_delivery, "attempt": "1"}, "tags", tags)
raw = base64.b64decode(request["Content"]["Raw"]["Data"])
raw = email.message_from_bytes(raw, policy=email.policy.default)
check(raw["To"] == of_delivery[lost_delivery], "to the same", raw.items())
check(raw["Auto-Submitted"] == "auto-generated", "no automatic replies", raw.items())
check("OOF" in raw["X-Auto-Response-Suppress"].split(", "), "no absence notes of Exchange", raw.items())
check(counts(R110) == {"SENDING": 1, "PENDING": 2}, "being sent", counts(R110))

# Its message comes again, and with it those of the others.
come_again(lost)
[lost] = received(1)
check(lost["Attributes"]["ApproximateReceiveCount"] == "2", "again", lost)
again, counted = deliver([lost, *messages[1:]])
check(not again and (counted["MailsAccepted"], counted["MessagesRepeated"]) == (2, 1), "no second mail", counted)
others = [address for address in to_japan if address != of_delivery[lost_delivery]]
of_110 = expected("シート 1.10.0 のリリース", "", others)
check(inbox("1.10.0") == of_110, "the others' mails", inbox("1.10.0"))
check(counts(R110) == {"SENDING": 1, "SENT": 2}, "still being sent", counts(R110))

# Three minutes later nobody knows; and a release is not sent again on its own.
table.update_item(
    Key={"notice_id": R110, "item": f"delivery#{lost_delivery}"},
    UpdateExpression="SET facts.attempts[0].#claim.#until = :past",
    ExpressionAttributeNames={"#claim": "claim", "#until": "until"},
    ExpressionAttributeValues={":past": "2026-01-01T00:00:00Z"},
)
check(counts(R110) == {"UNKNOWN": 1, "SENT": 2}, "unknown", counts(R110))
report = announce()
check((report["queued"], report["resent"], report["unknown_overdue"]) == (0, 0, 1), "overdue", report)
_, counted = deliver([lost])
check(counted["MessagesRepeated"] == 1 and inbox("1.10.0") == of_110, "no second mail", counted)
delete([lost, *messages[1:]])
check(feedback("send", R110, lost_delivery) == "recorded", "SES had it")
check(counts(R110) == {"SENT": 3}, "evidence settles it", counts(R110))

# On short notice, and current when the instant has come.
soon = datetime.datetime.now(JAPAN).replace(microsecond=0) + datetime.timedelta(seconds=20)
R191, file = release("1.9.1", soon)
refused("notice", "send", file, "--yes")
tegata("notice", "send", file, "--yes", "--short-notice", "a hole is closed")
check(announce()["queued"] == 3, "queued")
messages = received(3)
_, counted = deliver(messages)
delete(messages)
check(counted["MailsAccepted"] == 3, "delivered", counted)
status = tegata("notice", "status", R191)
check(status["updates"][0]["short_notice"] == "a hole is closed", "recorded", status)
tegata("publish", "files", "sheet", "1.9.1", str(built))

# An incident: two processes are given the same messages at once. On the status page it is once.
file = incident("incident-1", 1)
check(tegata("notice", "send", file, "--yes")["recipients"] == 3, "whom an incident concerns")
report = announce()
check(report["queued"] == 3 and report["channels_failing"] == 0, "announced", report)
messages = received(3)
with concurrent.futures.ThreadPoolExecutor() as pool:
    both = [line for again, line in pool.map(deliver, [messages, messages]) if not again]
delete(messages)
check(sum(line["MailsAccepted"] for line in both) == 3, "each by one of them", both)
primary, additional = to_japan[:2], ["incidents@two.example"]
first = expected("障害 1", "Incident 1", primary, additional)
check(inbox("障害 1") + inbox("Incident 1") == first, "each mail once", mails())
[shown] = page.incidents
check(shown["title"] == "障害 1 / Incident 1" and shown["type"] == "major", "on the status page", shown)
check(shown["service_ids"] == [7, 8], "its services", shown)
check(shown["notify"] is False and [of["notify"] for of in shown["updates"]] == [False], "it tells nobody", shown)
check("調査しています。" in shown["updates"][0]["description"], "what it says", shown)
announce()
check(len(page.posts) == 1, "once", page.posts)

# The status page answers with 500 twice: the second time it has kept what it was given. Mails go
# out all the same.
page.fails = [False, True]
file = incident("incident-2", 2)
tegata("notice", "send", file, "--yes")
report = announce()
check((report["queued"], report["channels_failing"]) == (3, 1), "announced all the same", report)
messages = received(3)
_, counted = deliver(messages)
delete(messages)
second = expected("障害 2", "Incident 2", primary, additional)
check(inbox("障害 2") + inbox("Incident 2") == second, "delivered all the same", counted)
status = tegata("notice", "status", "incident-2")
failed = status["status_page"]["failed"]
check(failed["times"] == 1 and "500" in failed["reason"], "the failure is shown", status)
said = run("notice", "status", "incident-2", output="text").stdout
check("status page: failed 1 times" in said, "to people too", said)
check("障害 2" in stored("news/incident-2.html"), "the news page is written")
announce()
check(len(page.posts) == 2, "not again at once", page.posts)


def minutes_later():
    """The status page's last failure is long ago now."""
    table.update_item(
        Key={"notice_id": "incident-2", "item": "notice"},
        UpdateExpression="SET status_page.failed.#at = :past",
        ExpressionAttributeNames={"#at": "at"},
        ExpressionAttributeValues={":past": "2026-01-01T00:00:00Z"},
    )


minutes_later()
report = announce()
failed = tegata("notice", "status", "incident-2")["status_page"]["failed"]
check((report["channels_failing"], failed["times"]) == (1, 2), "tried again, and failed again", report)
check(len(page.posts) == 3 and len(page.incidents) == 2, "kept", page.posts)
minutes_later()
report = announce()
check((report["queued"], report["channels_failing"]) == (0, 0), "up to date", report)
check(len(page.posts) == 3, "what was kept is found", page.posts)
status = tegata("notice", "status", "incident-2")
check(status["status_page"]["failed"] is None and status["status_page"]["done"] == 1, "up to date", status)
titles = [of["title"] for of in page.incidents]
check(titles == ["障害 1 / Incident 1", "障害 2 / Incident 2"], "each once", page.incidents)

# The same happens again: it is an entry of its own, though it has the same title.
again_file = incident("incident-3", 1)
tegata("notice", "send", again_file, "--yes")
report = announce()
check(report["channels_failing"] == 0 and len(page.incidents) == 3, "an entry of its own", page.incidents)
check(page.incidents[2]["title"] == page.incidents[0]["title"], "with the same title", page.incidents)
messages = received(3)
_, counted = deliver(messages)
delete(messages)
check(counted["MailsAccepted"] == 3, "delivered", counted)
check(inbox("障害 1") + inbox("Incident 1") == first + first, "once for each of the two", mails())

# The end of the second: one more update, to those who were told, and on the same entry of the status page.
with open(file, "a") as more:
    more.write("""
[[updates]]
stage = "resolved"
body = { ja = "復旧しました。", en = "It works again." }
""")
check(tegata("notice", "send", file, "--yes")["update"] == 2, "an update")
check(announce()["queued"] == 3, "queued")
messages = received(3)
deliver(messages)
delete(messages)
third = expected("障害 2（第2報）", "Incident 2 (bulletin 2)", primary, additional)
check(inbox("2報") + inbox("bulletin 2") == third, "the update's mails", mails())
stages = [of["type"] for of in page.incidents[1]["updates"]]
check(stages == ["investigating", "resolved"] and len(page.posts) == 5, "on the same entry", page.posts)
check(not any(of["notify"] for of in page.incidents[1]["updates"]), "it tells nobody", page.incidents)
check(page.incidents[1]["ends_at"] is not None and len(page.puts) == 1, "it has ended", page.incidents)
check(page.incidents[0]["ends_at"] is None, "the first goes on", page.incidents)

# An operator posted the next one by hand. It is found, and gets the notice's severity.
hand_started = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=20)
hand_made = page.by_hand(
    title="接続できません", type="minor", service_ids=[8],
    starts_at=hand_started.strftime("%Y-%m-%dT%H:%M:%S"),
    updates=[{"type": "investigating", "description": "調査しています。", "notify": False}],
)
# What tegata posted before is not taken for it, also if it goes on.
number = len(page.incidents)
file = incident("incident-8", 8)
tegata("notice", "send", file, "--yes")
page.fails = [False]
check(announce()["channels_failing"] == 1, "the first change is refused")
failed_at = {":past": "2026-01-01T00:00:00Z"}
table.update_item(
    Key={"notice_id": "incident-8", "item": "notice"},
    UpdateExpression="SET status_page.failed.#at = :past",
    ExpressionAttributeNames={"#at": "at"},
    ExpressionAttributeValues=failed_at,
)
check(announce()["channels_failing"] == 0, "and repeated")
check(len(page.incidents) == number, "no second entry", page.incidents)
check(hand_made["type"] == "major" and hand_made["title"] == "接続できません", "raised", hand_made)
check(len(hand_made["updates"]) == 1, "what it says already is not said again", hand_made)
messages = received(3)
deliver(messages)
delete(messages)

# SES is asked too fast: the mails wait in the table, and the queue is empty until their time has
# come. No attempt is used up.
file = incident("incident-9", 9)
tegata("notice", "send", file, "--yes")
check(announce()["queued"] == 3, "queued")
messages = received(3)
for _ in range(2):
    again, counted = deliver(messages, AWS_ENDPOINT_URL_SESV2=throttling.url)
    check(not again and counted["MailsAccepted"] == 0, "throttled", counted)
delete(messages)
received(0)
check(counts("incident-9") == {"PENDING": 3}, "to be sent", counts("incident-9"))
check(announce()["queued"] == 0, "its time has not come")
time.sleep(5)
check(announce()["queued"] == 3, "queued again")
messages = received(3)
_, counted = deliver(messages)
delete(messages)
check(counted["MailsAccepted"] == 3, "delivered", counted)
of_throttled = expected("障害 9", "Incident 9", primary, additional)
check(inbox("障害 9") + inbox("Incident 9") == of_throttled, "each mail once", mails())
check(all(row["attempts"] == "1" for row in ledger("incident-9").values()), "one attempt", ledger("incident-9"))
check(announce()["queued"] == 0, "once")

# A message that is none comes again, five times, and is then put aside.
sqs.send_message(QueueUrl=queue, MessageBody="{}")
for attempt in range(5):
    [message] = received(1)
    again, counted = deliver([message])
    check(again == {message["MessageId"]} and counted["MessagesFailed"] == 1, "it comes again", counted)
    come_again(message)
received(0)
redrive = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["RedrivePolicy"])["Attributes"]
dead = json.loads(redrive["RedrivePolicy"])["deadLetterTargetArn"].split(":")[-1]
dead = sqs.receive_message(QueueUrl=sqs.get_queue_url(QueueName=dead)["QueueUrl"])
check([of["Body"] for of in dead["Messages"]] == ["{}"], "put aside", dead)

# The instant that 1.9.1 was announced for. A slow machine has passed it before the last run.
wait = (soon - datetime.datetime.now(JAPAN)).total_seconds()
if wait > 0:
    time.sleep(wait)
    said = refused("publish", "current", "sheet", "1.9.1")
    check("was last calculated at" in said, "it is not known yet who joined last", said)
announce()
made = tegata("publish", "current", "sheet", "1.9.1")
check(made["before"] == "1.9.0" and made["current"]["announced_by"] == R191, "as announced", made)
newest = released()
check((newest["version"], newest["notice"]) == ("1.9.1", R191), "current", newest)
check(newest["iat"] > document["iat"], "newer", newest)
versions = [of["current"]["version"] for of in tegata("publish", "list", "sheet")]
check(versions == ["1.9.1", "1.9.0"], "what was current", versions)

# In the end everybody has been told, and nobody twice.
report = announce()
check((report["announced"], report["queued"], report["open"], report["behind"]) == (0, 0, 0, 0), "done", report)
# (The first incident happened again, under its own title.)
twice = [of for of, times in inbox("").items() if times > (2 if of in first else 1)]
check(not twice and len(mails()) == 4 + 2 + 7 * 3, "no mail twice", inbox(""))
check(len(silent.requests) == 1, "nor to the SES that did not answer", silent.requests)
check(not any(to == "gantt@three.example" for to, _ in inbox("")), "nobody else", inbox(""))
print(f"{passed} passed, 0 failed")
