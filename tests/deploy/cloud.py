"""Starts the local AWS with its IAM in force, and notes what IAM decides about each call of a role.

It bridges from inside what differs from AWS and cannot be bridged from outside, as bridges.py does.

usage: cloud.py DECISIONS     a file that gets a line of JSON for each decision; with `ministack`'s Python
"""

import asyncio
import contextvars
import json
import re
import sys

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import set_request_account_id, set_request_region
from ministack.services import apigateway, athena, dynamodb, eventbridge, kms
from ministack.services.cloudformation import handlers, provisioners

DECISIONS = open(sys.argv[1], "a", encoding="utf-8", buffering=1)
ACCOUNT, REGION = "000000000000", "ap-northeast-1"


# ---- What IAM decides ----

enforce, evaluate = iam_evaluator.enforce, iam_evaluator.evaluate
asked = contextvars.ContextVar("asked")


def evaluate_and_keep(context, *policies):
    asked.get([]).append(context)
    return evaluate(context, *policies)


# Of a call that makes a key with a policy, which whoever makes it has to be able to change.
KEPT_POLICY = "bridge:KeptPolicy"

# Calls that AWS asks policies about under another name.
NAMES = {"sqs:SendMessageBatch": "sqs:SendMessage", "sqs:DeleteMessageBatch": "sqs:DeleteMessage"}


def enforce_and_note(key, action, *arguments, **named):
    """Of calls with a role's credentials. The test's own, as the account's root, ask no policy."""
    asked.set([])
    denied = enforce(key, NAMES.get(action, action), *arguments, **named)
    if action == "kms:CreateKey":
        # A key with tags takes the permission to tag it, too; one with a policy the permission to
        # change that later, unless the call says that this is not wanted.
        for given, needed in [("aws:TagKeys", "kms:TagResource"), (KEPT_POLICY, "kms:PutKeyPolicy")]:
            if not denied and named["service_context"].get(given):
                of_key = {**named, "resource_arn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/new"}
                denied = enforce(key, needed, *arguments, **of_key)
    for context in asked.get():
        note(context.principal_arn.split("/")[1], context.action, context.resource_arn, denied is None)
    return denied


def note(role, action, resource, is_allowed):
    line = {"role": role, "action": action, "resource": resource, "allowed": is_allowed}
    DECISIONS.write(json.dumps(line) + "\n")


authenticate_only = app._authenticate_only


def authenticate_and_note(service, headers, query, request_id):
    """Of calls that it knows no action for: they must not go unseen."""
    key = app.extract_access_key_id(headers, query)
    if key and not iam_evaluator.is_root_access_key(key):
        note(key, f"{service}: no known action", "*", False)
    return authenticate_only(service, headers, query, request_id)


app._authenticate_only = authenticate_and_note
iam_evaluator.evaluate, iam_evaluator.enforce = evaluate_and_keep, enforce_and_note


# ---- Its IAM does not know what calls of SES and KMS tell policies ----

enforce_ses = app._enforce_ses_v2


def enforce_sending(method, path, headers, body, query, request_id):
    """SES asks about the identity and about the configuration set, and twice of a message that is
    handed over whole."""
    if (method, path) != ("POST", "/v2/email/outbound-emails"):
        return enforce_ses(method, path, headers, body, query, request_id)
    mail = json.loads(body)
    sender = mail["FromEmailAddress"].rpartition("<")[2].rstrip(">")
    actions = ["ses:SendEmail", "ses:SendRawEmail"] if "Raw" in mail["Content"] else ["ses:SendEmail"]
    names = ["identity/" + sender.partition("@")[2]]
    if "ConfigurationSetName" in mail:
        names.append("configuration-set/" + mail["ConfigurationSetName"])
    for name in names:
        for action in actions:
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
            ("kms:CallerAccount", ACCOUNT),
            ("kms:KeySpec", key.get("KeySpec")),
            ("kms:KeyUsage", key.get("KeyUsage")),
            ("kms:SigningAlgorithm", call.get("SigningAlgorithm")),
            (KEPT_POLICY, "Policy" in call and not call.get("BypassPolicyLockoutSafetyCheck")),
        ]:
            if value:
                context[name] = value
    return context


app._enforce_ses_v2, iam_actions.request_tag_context = enforce_sending, with_kms_context


# ---- Nor what S3 and DynamoDB tell, nor who a session's role is ----

s3_service_context = iam_actions.s3_service_context


def with_condition_of_write(action, query, path="", headers=None):
    """S3 takes no other value than `*` for a write, and none for a copy."""
    context = s3_service_context(action, query, path, headers)
    of = {name.lower(): value for name, value in (headers or {}).items()}
    if action == "s3:PutObject" and of.get("if-none-match") == "*" and "x-amz-copy-source" not in of:
        context = {**context, "s3:if-none-match": "*"}
    return context


dynamodb_service_context = iam_actions.dynamodb_service_context


def with_leading_keys(body):
    """The partition keys that a call is about. AWS asks about each item of a transaction with its own;
    here each is asked about with those of all, which is stricter."""
    call = json.loads(body)
    found = list(leading_keys(call))
    context = dynamodb_service_context(body)
    return {**context, "dynamodb:LeadingKeys": found} if found else context


def leading_keys(call):
    for table, of in call.get("RequestItems", {}).items():
        keys = of["Keys"] if isinstance(of, dict) else [part for write in of for part in write.values()]
        for key in keys:
            yield from leading_keys({"TableName": table, "Key": key.get("Item", key.get("Key", key))})
    for item in call.get("TransactItems", []):
        for part in item.values():
            yield from leading_keys(part)
    name = call.get("TableName", "").rpartition("/")[2]
    key = call.get("Item", call.get("Key"))
    if key:
        [value] = key[dynamodb._tables[name]["pk_name"]].values()
        yield value
    if "KeyConditionExpression" in call:
        # `#partition = :partition AND …`; of an index, its own partition key.
        value = re.search(r"=\s*(:\w+)", call["KeyConditionExpression"]).group(1)
        yield call["ExpressionAttributeValues"][value]["S"]


resolve_condition_key = iam_evaluator._resolve_condition_key


def with_role_as_principal(key, context):
    """Of a session, `aws:PrincipalArn` is the role's ARN."""
    value = resolve_condition_key(key, context)
    if key.lower() == "aws:principalarn" and ":assumed-role/" in value:
        return re.sub(r":sts::(\d+):assumed-role/([^/]+)/.*", r":iam::\1:role/\2", value)
    return value


iam_actions.s3_service_context, iam_actions.dynamodb_service_context = with_condition_of_write, with_leading_keys
iam_evaluator._resolve_condition_key = with_role_as_principal


# ---- Its gateway answers OPTIONS itself, where AWS's asks the route's function, without a CORS configuration ----

execute, match_route = apigateway._handle_execute_in_scope, apigateway._match_route
invoke = apigateway._invoke_lambda_proxy


async def execute_options(api, stage, path, method, *more):
    """The method in small letters is none that it answers."""
    return await execute(api, stage, path, "options" if method == "OPTIONS" else method, *more)


# The answer names the request as the function knows it.
new_uuid, request_id = apigateway.new_uuid, contextvars.ContextVar("request_id", default=None)


async def invoke_with_method(integration, api, stage, path, method, *more, **named):
    request_id.set(new_uuid())
    status, headers, body = await invoke(integration, api, stage, path, method.upper(), *more, **named)
    return status, {**headers, "apigw-requestid": request_id.get()}, body


apigateway._handle_execute_in_scope = execute_options
apigateway._match_route = lambda api, method, path: match_route(api, method.upper(), path)
apigateway._invoke_lambda_proxy = invoke_with_method
apigateway.new_uuid = lambda: request_id.get() or new_uuid()


# ---- Its CloudFormation answers in UTF-8; AWS's puts `?` for every character that is not ASCII ----
#
# aws-cloudformation/cloudformation-coverage-roadmap#814 and aws/aws-cdk#10523: outputs, descriptions
# and templates that are read back. What resources get is whole.


def in_ascii(action):
    answer = handlers._ACTION_HANDLERS[action]

    def answer_in_ascii(parameters):
        status, headers, body = answer(parameters)
        text = body if isinstance(body, str) else body.decode()
        return status, headers, text.encode("ascii", "replace")

    return answer_in_ascii


for action in ["DescribeStacks", "GetTemplate"]:
    handlers._ACTION_HANDLERS[action] = in_ascii(action)


# ---- Its CloudFormation knows no saved queries ----


def create_query(logical_id, properties, stack):
    _, _, body = athena._create_named_query(properties)
    return json.loads(body)["NamedQueryId"], {}


provisioners._RESOURCE_HANDLERS["AWS::Athena::NamedQuery"] = {
    "create": create_query,
    "delete": lambda name, properties: athena._delete_named_query({"NamedQueryId": name}),
}


# ---- Its SES reports to nobody, is never too slow to answer, and never too busy ----


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


# A plug-in knows the API by this name.
PUBLIC_API = re.compile(rb"(\w+)\.execute-api\.[a-z0-9-]+\.amazonaws\.com(?::\d+)?")


class Cloud:
    """The local AWS, behind the end of the callers' TLS: policies ask for that."""

    def __init__(self, behind):
        self.behind, self.next_mail, self.held, self.asked = behind, None, 0, []

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.behind(scope, receive, send)
        if scope["path"].startswith("/_bridge/"):
            return await self.control(scope["path"].rpartition("/")[2], receive, send)
        if not any(name == b"x-forwarded-proto" for name, _ in scope["headers"]):
            scope = {**scope, "headers": [*scope["headers"], (b"x-forwarded-proto", b"https")]}
        public = PUBLIC_API.fullmatch(dict(scope["headers"]).get(b"host", b""))
        if public:
            return await self.ask(public[1], scope, receive, send)
        if scope["path"] != "/v2/email/outbound-emails":
            return await self.behind(scope, receive, send)
        what, self.next_mail = self.next_mail, None
        if what == "throttle":
            await body_of(receive)
            return await answer(send, 429, {"message": "Too fast."}, b"TooManyRequestsException")
        if what != "hold":
            return await self.behind(scope, receive, send)

        async def unsaid(message):
            pass

        # SES has taken the mail, and its sender does not get to know.
        await self.behind(scope, receive, unsaid)
        self.held += 1
        while (await receive())["type"] != "http.disconnect":
            pass

    async def ask(self, api, scope, receive, send):
        """The API by its public name. The answer's line in the access log is the test's to write."""
        headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
        headers.append((b"host", api + b".execute-api.localhost"))

        async def noted(message):
            if message["type"] == "http.response.start":
                answered = {name.lower(): value for name, value in message["headers"]}
                request_id = answered.get(b"apigw-requestid", b"")
                self.asked.append((api.decode(), message["status"], request_id.decode()))
            await send(message)

        await self.behind({**scope, "headers": headers}, receive, noted)

    async def control(self, what, receive, send):
        body, said = await body_of(receive), None
        if what == "report":
            said = await asyncio.to_thread(report, json.loads(body))
        elif what in ("hold", "throttle"):
            self.next_mail = what
        elif what == "held":
            said = self.held
        elif what == "asked":
            said, self.asked = self.asked, []
        await answer(send, 200, said)


async def body_of(receive):
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


async def answer(send, status, body, error=b""):
    headers = [(b"content-type", b"application/json"), (b"x-amzn-errortype", error)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


app.app = Cloud(app.app)
sys.argv[1:] = []
app.main()
