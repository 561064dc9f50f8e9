"""Starts the local AWS with its IAM in force, and notes what IAM decides about each call of a role.

It bridges from inside what differs from AWS and cannot be bridged from outside, as bridges.py does.

usage: cloud.py DECISIONS     a file that gets a line of JSON for each decision; with `ministack`'s Python
"""

import asyncio
import contextvars
import json
import sys

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import json_response, set_request_account_id, set_request_region
from ministack.services import athena, eventbridge, kms
from ministack.services.cloudformation import provisioners

DECISIONS = open(sys.argv[1], "a", encoding="utf-8", buffering=1)
ACCOUNT, REGION = "000000000000", "ap-northeast-1"


# ---- What IAM decides ----

enforce, evaluate = iam_evaluator.enforce, iam_evaluator.evaluate
asked = contextvars.ContextVar("asked")


def evaluate_and_keep(context, *policies):
    asked.get([]).append(context)
    return evaluate(context, *policies)


# Calls that AWS asks policies about under another name.
NAMES = {"sqs:SendMessageBatch": "sqs:SendMessage", "sqs:DeleteMessageBatch": "sqs:DeleteMessage"}


def enforce_and_note(key, action, *arguments, **named):
    """Of calls with a role's credentials. The test's own, as the account's root, ask no policy."""
    asked.set([])
    denied = enforce(key, NAMES.get(action, action), *arguments, **named)
    for context in asked.get():
        role = context.principal_arn.split("/")[1]
        line = {"role": role, "action": context.action, "resource": context.resource_arn, "allowed": denied is None}
        DECISIONS.write(json.dumps(line) + "\n")
    return denied


iam_evaluator.evaluate, iam_evaluator.enforce = evaluate_and_keep, enforce_and_note


# ---- Its IAM does not know what calls of SES and KMS tell policies ----

enforce_ses = app._enforce_ses_v2


def enforce_sending(method, path, headers, body, query, request_id):
    """SES asks for a message that is handed over whole twice, of the identity and of the configuration set."""
    if (method, path) != ("POST", "/v2/email/outbound-emails"):
        return enforce_ses(method, path, headers, body, query, request_id)
    mail = json.loads(body)
    sender = mail["FromEmailAddress"].rpartition("<")[2].rstrip(">")
    names = ["identity/" + sender.partition("@")[2]]
    if "ConfigurationSetName" in mail:
        names.append("configuration-set/" + mail["ConfigurationSetName"])
    for name in names:
        for action in ["ses:SendEmail", "ses:SendRawEmail"]:
            denied = app._enforce_data_plane(
                "sesv2", action, headers, query, request_id,
                resource_arn=f"arn:aws:ses:{REGION}:{ACCOUNT}:{name}",
                service_context={"ses:FromAddress": sender},
            )
            if denied:
                return denied
    return None


request_tag_context = iam_actions.request_tag_context


def with_kms_context(service, action, body, parameters):
    context = request_tag_context(service, action, body, parameters)
    if service == "kms":
        call = json.loads(body)
        key = kms._keys.get(call.get("KeyId", "").rpartition("/")[2], call)
        for name, value in [
            ("kms:KeySpec", key.get("KeySpec")),
            ("kms:KeyUsage", key.get("KeyUsage")),
            ("kms:SigningAlgorithm", call.get("SigningAlgorithm")),
        ]:
            if value:
                context[name] = value
    return context


app._enforce_ses_v2, iam_actions.request_tag_context = enforce_sending, with_kms_context


# ---- Its CloudFormation knows no saved queries ----


def create_query(logical_id, properties, stack):
    _, _, body = athena._create_named_query(properties)
    return json.loads(body)["NamedQueryId"], {}


provisioners._RESOURCE_HANDLERS["AWS::Athena::NamedQuery"] = {
    "create": create_query,
    "delete": lambda name, properties: athena._delete_named_query({"NamedQueryId": name}),
}


# ---- Its SES reports to nobody; and an SES that does not answer ----


def report(event):
    """An event of SES's on the default bus, where nobody else may put one of that source."""
    set_request_account_id(ACCOUNT)
    set_request_region(REGION)
    entry = {
        "Source": event["source"],
        "DetailType": event["detail-type"],
        "Detail": json.dumps(event["detail"]),
        "Resources": event["resources"],
    }
    return json.loads(eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)[2])


class Cloud:
    """The local AWS, behind the end of the callers' TLS: policies ask for that."""

    def __init__(self, behind):
        self.behind, self.holds, self.held = behind, False, 0

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.behind(scope, receive, send)
        if scope["path"].startswith("/_bridge/"):
            return await self.control(scope["path"], receive, send)
        if not any(name == b"x-forwarded-proto" for name, _ in scope["headers"]):
            scope = {**scope, "headers": [*scope["headers"], (b"x-forwarded-proto", b"https")]}
        if not (self.holds and scope["path"] == "/v2/email/outbound-emails"):
            return await self.behind(scope, receive, send)
        self.holds = False

        async def unsaid(message):
            pass

        # SES has taken the mail, and its sender does not get to know.
        await self.behind(scope, receive, unsaid)
        self.held += 1
        while (await receive())["type"] != "http.disconnect":
            pass

    async def control(self, path, receive, send):
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        answer = None
        if path == "/_bridge/report":
            answer = await asyncio.to_thread(report, json.loads(body))
        elif path == "/_bridge/hold":
            self.holds = True
        elif path == "/_bridge/held":
            answer = self.held
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


app.app = Cloud(app.app)
sys.argv[1:] = []
app.main()
