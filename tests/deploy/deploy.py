"""The deployment test: `sam deploy` of the built template into a local AWS, and then the system
through its outputs and the operators' command line.

usage: deploy.py TEGATA BUILT     with the local AWS in the environment, and `sam` on PATH
"""

import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import boto3
import bridges
import jwt
from botocore.config import Config

TEGATA, BUILT, DECISIONS = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
ROOT = pathlib.Path(__file__).parents[2]
ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
STACK = "tegata-test"
PARAMETERS = {
    "Architecture": "x86_64",
    "MailFrom": "notice@vendor.example",
    "MailIdentity": "vendor.example",
    "SenderName": "Example",
    "SecurityContact": "security@vendor.example",
    "OperatorPrincipalArn": "arn:aws:iam::000000000000:root",
}
work = pathlib.Path(tempfile.mkdtemp())
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
done = []


def step(name):
    """Times a step, and names it if it fails."""

    def decorate(function):
        started = time.time()
        try:
            said = function()
        except BaseException:
            table()
            print(f"{name:44} FAILED", file=sys.stderr)
            raise
        done.append((name, time.time() - started, said or ""))

    return decorate


def table():
    for name, seconds, said in done:
        print(f"{name:44} {seconds:6.1f} s  ok  {said}")


def tegata(*arguments, code=0):
    command = [TEGATA, "--stack", STACK, *arguments, "--output", "json"]
    ran = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **operator})
    assert ran.returncode == code, (command, ran.returncode, ran.stderr)
    return json.loads(ran.stdout) if code == 0 and ran.stdout else ran.stderr


operator = {}


def become_operator():
    """The command line gets what the operators' role may do, and nothing else."""
    session = boto3.client("sts").assume_role(RoleArn=outputs()["OperatorRole"], RoleSessionName="test")
    operator.update(
        AWS_ACCESS_KEY_ID=session["Credentials"]["AccessKeyId"],
        AWS_SECRET_ACCESS_KEY=session["Credentials"]["SecretAccessKey"],
        AWS_SESSION_TOKEN=session["Credentials"]["SessionToken"],
    )


def sam_deploy(**parameters):
    values = [f"{name}={value}" for name, value in {**PARAMETERS, **parameters}.items()]
    bridged = BUILT / "bridged.yaml"
    left_out = bridges.template(BUILT / "template.yaml", bridged)
    ran = subprocess.run(
        ["sam", "deploy", "--template-file", bridged, "--stack-name", STACK, "--resolve-s3",
         "--no-confirm-changeset", "--no-progressbar", "--region", os.environ["AWS_REGION"],
         "--capabilities", "CAPABILITY_IAM", "--parameter-overrides", *values],
        capture_output=True, text=True, cwd=ROOT,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return left_out


def outputs():
    [stack] = boto3.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return {of["OutputKey"]: of["OutputValue"] for of in stack["Outputs"]}


def get(url, host=None, headers=None):
    request = urllib.request.Request(url, headers={**({"Host": host} if host else {}), **(headers or {})})
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def license_of(domain):
    api = outputs()["ApiUrl"].removeprefix("https://").split(".")[0]
    path = f"/v1/products/sheet/domains/{domain}/license?version=1.9.0"
    status, body = get(ENDPOINT + path, host=f"{api}.execute-api.localhost")
    return status, json.loads(body)


def invoke(output):
    answer = boto3.client("lambda").invoke(FunctionName=outputs()[output], Payload=b"{}")
    body = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, body
    return body


def mails():
    _, body = get(f"{ENDPOINT}/_ministack/ses/messages")
    return [mail for of in json.loads(body)["messages"].values() for mail in of]


@step("sam deploy")
def _():
    left_out = sam_deploy()
    assert bridges.routes(STACK) == 2
    bridges.verify_identity(PARAMETERS["MailIdentity"])
    become_operator()
    return f"without {', '.join(left_out)}"


@step("a licence, signed by KMS")
def _():
    tegata("key", "create")
    tegata("product", "apply", str(ROOT / "cli/src/dev/products.toml"))
    for number, language in [(1, "ja"), (2, "en")]:
        tegata("customer", "add", f"C-{number}", "--name", f"Customer {number}")
        tegata("contact", "add", f"C-{number}", f"c{number}@customer.example", "--language", language)
        tegata("license", "issue", f"tenant{number}.cybozu.com", "sheet", "--billing", "yearly",
               "--users", "5", "--customer", f"C-{number}")


@step("the API answers with a lease that holds")
def _():
    status, answer = license_of("tenant1.cybozu.com")
    assert (status, answer["code"]) == (200, "VALID"), (status, answer)
    keys = jwt.PyJWKSet.from_dict(tegata("key", "export"))
    kid = jwt.get_unverified_header(answer["lease"])["kid"]
    claims = jwt.decode(answer["lease"], keys[kid].key, ["ES256"], audience="sheet")
    assert claims["sub"] == "tenant1.cybozu.com"
    status, answer = license_of("stranger.cybozu.com")
    assert (status, answer["code"]) == (404, "NOT_FOUND"), (status, answer)


@step("access records in archive and usage")
def _():
    s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
    archive = outputs()["ArchiveBucket"]

    def archived():
        return s3.list_objects_v2(Bucket=archive, Prefix="source=lookup/").get("Contents", [])

    for _ in range(5):
        if archived():
            break
        time.sleep(1)
    by_itself = bool(archived())
    if not by_itself:
        assert bridges.subscription(STACK, "LookupLogGroup", "AccessLogFunction") == 2
    assert archived(), "nothing is in the archive"
    assert invoke("UsageRollUpFunction")["waiting"] == 0
    codes = {of["code"]: of["requests"] for of in tegata("usage", "report", "--product", "sheet")["codes"]}
    assert codes["VALID"] == 1 and codes["NOT_FOUND"] == 1, codes
    return "by the subscription" if by_itself else "its lines handed over"


planned = datetime.date.today() + datetime.timedelta(days=10)
notice = f"{planned}-sheet-1.9.0"


@step("a release notice: each mail once")
def _():
    file = work / f"{notice}.toml"
    file.write_text((ROOT / "cli/src/dev/notice.toml").read_text().replace("DAY", str(planned)))
    assert tegata("notice", "send", str(file), "--yes")["recipients"] == 2
    # The schedule would do it within a minute.
    assert invoke("AnnounceFunction")["queued"] == 2
    for _ in range(60):
        time.sleep(1)
        state = tegata("notice", "status", notice)
        if state["updates"][0]["deliveries"]["PENDING"] + state["updates"][0]["deliveries"]["SENDING"] == 0:
            break
    deliveries = state["updates"][0]["deliveries"]
    assert deliveries["SENT"] + deliveries["DELIVERED"] == 2, state
    invoke("AnnounceFunction")
    time.sleep(3)
    to = sorted(address for mail in mails() for address in mail["To"])
    assert to == ["c1@customer.example", "c2@customer.example"], to
    return ", ".join(f"{count} {name}" for name, count in deliveries.items() if count)


@step("plug-in files, and a version current")
def _():
    built = work / "dist"
    built.mkdir()
    (built / "plugin.min.js").write_text("console.log(1)\n")
    tegata("publish", "files", "sheet", "1.9.0", str(built))
    refused = tegata("publish", "current", "sheet", "1.9.0", code=1)
    assert "it was announced for" in refused, refused
    tegata("publish", "current", "sheet", "1.9.0", "--emergency", "the deployment test")
    # The local CloudFront is asked by its host name.
    status, body = get(f"{ENDPOINT}/sheet/latest.json", host=outputs()["CdnDomainName"])
    if status == 200:
        assert json.loads(body)["version"] == "1.9.0"
        return "through the CDN's address"
    s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
    latest = s3.get_object(Bucket=outputs()["CdnBucket"], Key="sheet/latest.json")
    assert json.loads(latest["Body"].read())["version"] == "1.9.0"
    return f"from the bucket: the CDN answers {status}"


@step("the other functions start and run")
def _():
    assert invoke("RenewalFunction")["failed"] == 0
    assert invoke("UsageRollUpFunction")["waiting"] == 0


@step("an upgrade in place keeps the data")
def _():
    before = outputs()["LicensesTable"]
    sam_deploy(ThrottleRate=100)
    assert outputs()["LicensesTable"] == before
    assert len(tegata("license", "list")) == 2
    assert tegata("notice", "status", notice)["state"] == "sent"


@step("a deleted stack leaves the data")
def _():
    kept = outputs()
    cloudformation = boto3.client("cloudformation")
    cloudformation.delete_stack(StackName=STACK)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    tables = boto3.client("dynamodb").list_tables()["TableNames"]
    for name in ["LicensesTable", "CustomersTable", "NoticesTable", "UsageTable"]:
        assert kept[name] in tables, (name, tables)
    buckets = [of["Name"] for of in boto3.client("s3").list_buckets()["Buckets"]]
    for name in ["ArchiveBucket", "CdnBucket"]:
        assert kept[name] in buckets, (name, buckets)


table()
