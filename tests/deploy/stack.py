"""The deployed stack, as its clients and operators see it."""

import csv
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

import boto3
import bridges
import roles
from botocore.config import Config

ROOT = pathlib.Path(__file__).parents[2]
ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
STACK, TEGATA = "tegata-test", sys.argv[1]

s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
cloudformation, sqs = boto3.client("cloudformation"), boto3.client("sqs")


class Unfollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Unfollowed())
done, sessions, asked = [], {}, []


def step(name):
    """Times a step, and names it if it fails."""

    def decorate(function):
        started = time.time()
        try:
            said = function()
        except BaseException:
            table()
            print(f"{name:44} FAILED", file=sys.stderr)
            decided = pathlib.Path(sys.argv[3]).read_text().splitlines()
            for line in [line for line in decided if not json.loads(line)["allowed"]][-20:]:
                print(f"IAM denied {line}", file=sys.stderr)
            raise
        done.append((name, time.time() - started, said or ""))

    return decorate


def table():
    for name, seconds, said in done:
        print(f"{name:44} {seconds:6.1f} s  ok  {said}")
    print(f"{'in all':44} {sum(seconds for _, seconds, _ in done):6.1f} s")


def until(holds, seconds=30):
    """Waits until something holds; returns it."""
    end = time.time() + seconds
    while not (found := holds()):
        assert time.time() < end, f"after {seconds} s: {found}"
        time.sleep(0.3)
    return found


# ---- Deployment ----


def sam_deploy(built, status_page, parameters, stack=STACK, fails=False):
    """Deploys with parameters from a file, as scripts/deploy does. Returns which resources the local
    cloud cannot have. `fails`: the last resource cannot be created."""
    bridged, file = built / "bridged.yaml", built / "parameters.yaml"
    left_out = bridges.template(built / "template.yaml", bridged, status_page, fails)
    # What is JSON is YAML, too.
    file.write_text(json.dumps(parameters, ensure_ascii=False), encoding="utf-8")
    ran = subprocess.run(
        ["sam", "deploy", "--template-file", bridged, "--stack-name", stack, "--resolve-s3",
         "--no-confirm-changeset", "--no-progressbar", "--region", os.environ["AWS_REGION"],
         "--capabilities", "CAPABILITY_IAM", "--parameter-overrides", f"file://{file}"],
        capture_output=True, text=True, cwd=ROOT,
    )
    assert (ran.returncode != 0) == fails, ran.stdout[-3000:] + ran.stderr[-3000:]
    return left_out


def outputs():
    [stack] = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    return {of["OutputKey"]: of["OutputValue"] for of in stack["Outputs"]}


def resources(kind):
    """The stack's resources of a kind: logical to physical names."""
    listed = cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
    return {of["LogicalResourceId"]: of["PhysicalResourceId"] for of in listed if of["ResourceType"] == kind}


# ---- Operators ----


def become_operators():
    """The command line gets what the operators' roles may do, and nothing else."""
    for role, output in roles.ROLES.items():
        sessions[role] = session_of(outputs()[output])


def session_of(arn):
    credentials = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
    }


def with_session(session, service):
    """A client with the rights of a role's session."""
    keys = {name.lower(): value for name, value in session.items()}
    return boto3.client(service, **keys, config=Config(s3={"addressing_style": "path"}))


def as_role(role, service):
    return with_session(sessions[role], service)


def run_as(role, *arguments, output="json"):
    command = [TEGATA, "--stack", STACK, *map(str, arguments), "--output", output]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **sessions[role]})


def tegata(*arguments, code=0, output="json", prints=False):
    """Runs a command as a role that may; returns what it says, or of one that has to fail, why, unless it `prints` before."""
    rows = roles.table()
    ran = run_as(rows[roles.row_of(arguments, rows)][0], *arguments, output=output)
    assert ran.returncode == code, (arguments, ran.returncode, ran.stdout, ran.stderr)
    if code and not prints:
        return ran.stderr
    return json.loads(ran.stdout or "null") if output == "json" else ran.stdout


# ---- Clients ----


def ask(host, path, method="GET", headers=None, body=None):
    """The local gateway and the local CDN are asked by their host names. Returns status, headers and body."""
    headers = {"Host": host, **(headers or {})}
    request = urllib.request.Request(ENDPOINT + path, method=method, data=body, headers=headers)
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def api(route, path, headers=None, body=None):
    """Asks the licence API, and gives its line to the gateway's access log."""
    identifier = outputs()["ApiUrl"].removeprefix("https://").split(".")[0]
    answer = ask(f"{identifier}.execute-api.localhost", path, route.split()[0], headers, body)
    bridges.gateway_line(STACK, identifier, route, answer)
    asked.append(route)
    return answer


def license_of(domain, method="GET", **headers):
    route = f"{method} /v1/products/{{product}}/domains/{{domain}}/license"
    status, headers, body = api(route, f"/v1/products/sheet/domains/{domain}/license?version=1.9.0", headers)
    return status, headers, json.loads(body or "{}")


def cdn(path, **headers):
    return ask(outputs()["CdnDomainName"], path, headers=headers)


# ---- What happens inside ----


def invoke(output):
    """Runs a function that time would run."""
    answer = boto3.client("lambda").invoke(FunctionName=outputs()[output], Payload=b"{}")
    body = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, body
    return body


def mails(words):
    """The mails with certain words in their subject that SES has taken: address to how many."""
    accounts = json.loads(opener.open(f"{ENDPOINT}/_ministack/ses/messages", timeout=10).read())["messages"]
    found = {}
    for mail in (mail for of in accounts.values() for mail in of if words in mail["Subject"]):
        [to] = mail["To"]
        found[to] = found.get(to, 0) + 1
    return found


def deliveries(notice):
    """How many deliveries of a notice's last update are in which state."""
    updates = tegata("notice", "status", notice)["updates"]
    return {state: count for state, count in updates[-1]["deliveries"].items() if count}


def ledger(notice):
    """The deliveries of a notice by their addresses."""
    rows = csv.DictReader(tegata("notice", "status", notice, output="csv").lstrip("\ufeff").splitlines())
    return {row["email"]: row for row in rows if row["email"]}


def ses_event(name, notice, delivery):
    """An event of SES's about a delivery."""
    event = json.loads((ROOT / "events" / f"ses-{name}.json").read_text())
    event["detail"]["mail"]["tags"].update({
        "ses:configuration-set": [outputs()["MailConfigurationSet"]],
        "notice": [notice.replace(".", "_")],
        "delivery": [delivery],
        "attempt": ["1"],
    })
    return event
