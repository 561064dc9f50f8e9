"""Where the local AWS differs from AWS. The template stays as AWS wants it; what it is given here is
its built form without what it does not know, and what it drops is made by hand after a deployment.
What can only be bridged inside its process is in cloud.py."""

import json
import os
import pathlib
import re
import signal
import time
import urllib.request

import boto3
from samcli.yamlhelper import yaml_dump, yaml_parse

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


# ---- Around a deployment ----


def template(source, target, status_page, fails=False):
    """Writes the template as the local CloudFormation takes it; returns what it has to do without.
    `fails`: with a resource that waits for all others, and then for what never comes."""
    with open(source, encoding="utf-8") as file:
        built = yaml_parse(file.read())
    resources = built["Resources"]
    # It has no alarm on an expression of metrics.
    refused = [
        name
        for name, of in resources.items()
        if of["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in of["Properties"]
    ]
    for name in refused:
        del resources[name]
    # Its subscriptions know words, and no JSON: "access" as a value is a word like others.
    subscription = resources["LookupSubscription"]["Properties"]
    assert subscription["FilterPattern"] == '{ $.type = "access" }'
    subscription["FilterPattern"] = r'"\"type\":\"access\""'
    # And Statuspal is not here.
    resources["AnnounceFunction"]["Properties"]["Environment"]["Variables"]["STATUS_PAGE_API"] = status_page
    if fails:
        others = [name for name, of in resources.items() if "Condition" not in of]
        resources["NeverCalled"] = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
        resources["NeverReady"] = {
            "Type": "AWS::CloudFormation::WaitCondition",
            "DependsOn": others,
            "Properties": {"Handle": {"Ref": "NeverCalled"}, "Timeout": "1"},
        }
    with open(target, "w", encoding="utf-8") as file:
        file.write(yaml_dump(built))
    return refused


def processed(stack):
    """The template as CloudFormation has transformed it."""
    client = boto3.client("cloudformation")
    body = client.get_template(StackName=stack, TemplateStage="Processed")["TemplateBody"]
    return yaml_parse(body) if isinstance(body, str) else body


def physical(stack):
    listed = boto3.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    return {of["LogicalResourceId"]: of["PhysicalResourceId"] for of in listed}


def routes(stack):
    """Makes the HTTP API's routes, which its CloudFormation drops. Returns them."""
    gateway, names, made = boto3.client("apigatewayv2"), physical(stack), []
    for name, resource in processed(stack)["Resources"].items():
        if resource["Type"] != "AWS::ApiGatewayV2::Api":
            continue
        for path, methods in resource["Properties"]["Body"]["paths"].items():
            for method, operation in methods.items():
                uri = json.dumps(operation["x-amazon-apigateway-integration"]["uri"])
                function = names[re.search(r"\$\{(\w+)\.Arn\}", uri).group(1)]
                arn = boto3.client("lambda").get_function(FunctionName=function)
                integration = gateway.create_integration(
                    ApiId=names[name],
                    IntegrationType="AWS_PROXY",
                    IntegrationUri=arn["Configuration"]["FunctionArn"],
                    PayloadFormatVersion="2.0",
                )
                route = f"{method.upper()} {path}"
                gateway.create_route(
                    ApiId=names[name], RouteKey=route, Target=f"integrations/{integration['IntegrationId']}"
                )
                made.append(route)
    return made


def object_lock(stack, s3):
    """Its CloudFormation leaves buckets' Object Lock out; its S3 has it. Returns the buckets."""
    locked, names = [], physical(stack)
    for name, resource in processed(stack)["Resources"].items():
        # A condition may leave a bucket out.
        if name in names and resource["Type"] == "AWS::S3::Bucket" and resource["Properties"].get("ObjectLockEnabled"):
            lock = json.loads(json.dumps(resource["Properties"]["ObjectLockConfiguration"]))
            days = lock["Rule"]["DefaultRetention"]["Days"]
            [deployed] = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
            parameters = {of["ParameterKey"]: of["ParameterValue"] for of in deployed["Parameters"]}
            lock["Rule"]["DefaultRetention"]["Days"] = int(parameters[days["Ref"]])
            s3.put_object_lock_configuration(Bucket=names[name], ObjectLockConfiguration=lock)
            locked.append(name)
    return locked


def kept_tables(stack):
    """Its CloudFormation leaves tables' recovery and encryption out; its DynamoDB has both. Returns the tables."""
    dynamodb, names, kept = boto3.client("dynamodb"), physical(stack), []
    for name, resource in processed(stack)["Resources"].items():
        if name not in names or resource["Type"] != "AWS::DynamoDB::Table":
            continue
        properties, table = resource["Properties"], {"TableName": names[name]}
        recovery = properties["PointInTimeRecoverySpecification"]
        dynamodb.update_continuous_backups(**table, PointInTimeRecoverySpecification=recovery)
        encryption = properties["SSESpecification"]
        [key, _] = encryption["KMSMasterKeyId"]["Fn::GetAtt"]
        arn = boto3.client("kms").describe_key(KeyId=names[key])["KeyMetadata"]["Arn"]
        dynamodb.update_table(**table, SSESpecification={
            "Enabled": encryption["SSEEnabled"], "SSEType": encryption["SSEType"], "KMSMasterKeyId": arn,
        })
        kept.append(name)
    return kept


def verify_identity(domain):
    """What DNS records prove to SES."""
    boto3.client("sesv2").create_email_identity(EmailIdentity=domain)


# ---- What AWS does by itself ----


def gateway_line(stack, api, route, answer):
    """Its gateway keeps the format of an access log, and writes none."""
    [stage] = boto3.client("apigatewayv2").get_stages(ApiId=api)["Items"]
    status, headers, _ = answer
    line = stage["AccessLogSettings"]["Format"]
    for name, value in {
        "requestId": headers["apigw-requestid"],
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime()),
        "routeKey": route,
        "status": status,
        "responseLatency": 14,
        # No function is asked where there is no route.
        "integrationStatus": "-" if route == "$default" else 200,
    }.items():
        line = line.replace(f"$context.{name}", str(value))
    assert "$context" not in line, line
    log(physical(stack)["ApiLogGroup"], line)


def log(group, *lines):
    """Writes lines into a log group; who subscribes to it gets them."""
    client, stream = boto3.client("logs"), "bridge"
    if not client.describe_log_streams(logGroupName=group, logStreamNamePrefix=stream)["logStreams"]:
        client.create_log_stream(logGroupName=group, logStreamName=stream)
    events = [{"timestamp": int(time.time() * 1000), "message": line} for line in lines]
    client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def cloud(what, body=None):
    """Asks cloud.py for one of the things that it adds."""
    url = f"{os.environ['AWS_ENDPOINT_URL']}/_bridge/{what}"
    request = urllib.request.Request(url, method="POST", data=json.dumps(body).encode())
    return json.loads(OPENER.open(request, timeout=30).read())


def report(event):
    """An event of SES's: its SES reports to nobody."""
    answer = cloud("report", event)
    assert answer["FailedEntryCount"] == 0, answer


def kill(function):
    """Kills the function's processes, as Lambda does at a timeout or out of memory. Returns how many."""
    killed, network = 0, os.readlink("/proc/self/ns/net")
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            # Another run of this test beside this one has functions of the same names.
            is_here = os.readlink(process / "ns/net") == network
            environment = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if is_here and f"AWS_LAMBDA_FUNCTION_NAME={function}".encode() in environment:
            os.kill(int(process.name), signal.SIGKILL)
            killed += 1
    return killed
