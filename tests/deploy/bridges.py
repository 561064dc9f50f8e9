"""Where the local AWS differs from AWS. The template stays as AWS wants it; what it is given here is
its built form without what it does not know, and what it drops is made by hand after a deployment."""

import base64
import gzip
import json
import re

import boto3
from samcli.yamlhelper import yaml_dump, yaml_parse

# What its CloudFormation refuses to create. Nothing but people reads these.
UNKNOWN = {"AWS::Athena::NamedQuery", "AWS::CloudWatch::Dashboard"}


def template(source, target):
    """Leaves out what the local CloudFormation refuses; returns the names."""
    with open(source, encoding="utf-8") as file:
        built = yaml_parse(file.read())

    def is_refused(resource):
        # An alarm on an expression of metrics.
        is_expression = "Metrics" in resource.get("Properties", {})
        return resource["Type"] == "AWS::CloudWatch::Alarm" and is_expression

    refused = [name for name, of in built["Resources"].items() if is_refused(of)]
    for name in refused:
        del built["Resources"][name]
    with open(target, "w", encoding="utf-8") as file:
        file.write(yaml_dump(built))
    return refused


def routes(stack):
    """Makes the HTTP API's routes, which its CloudFormation drops. Returns how many."""
    cloudformation, gateway = boto3.client("cloudformation"), boto3.client("apigatewayv2")
    listed = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    names = {of["LogicalResourceId"]: of["PhysicalResourceId"] for of in listed}
    body = cloudformation.get_template(StackName=stack, TemplateStage="Processed")["TemplateBody"]
    processed = yaml_parse(body) if isinstance(body, str) else body
    made = 0
    for name, resource in processed["Resources"].items():
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
                gateway.create_route(
                    ApiId=names[name],
                    RouteKey=f"{method.upper()} {path}",
                    Target=f"integrations/{integration['IntegrationId']}",
                )
                made += 1
    return made


def verify_identity(domain):
    """What DNS records prove to SES."""
    boto3.client("sesv2").create_email_identity(EmailIdentity=domain)


def subscription(stack, group, function):
    """Hands a log group's lines to the function that subscribes to them, as CloudWatch Logs does.
    Returns how many."""
    client = boto3.client("cloudformation")
    listed = client.describe_stack_resources(StackName=stack)["StackResources"]
    names = {of["LogicalResourceId"]: of["PhysicalResourceId"] for of in listed}
    logs = boto3.client("logs").filter_log_events(logGroupName=names[group])["events"]
    events = [
        {"id": f"{number:056}", "timestamp": of["timestamp"], "message": of["message"]}
        for number, of in enumerate(logs)
        if '"type":"access"' in of["message"]
    ]
    data = {
        "messageType": "DATA_MESSAGE",
        "owner": "000000000000",
        "logGroup": names[group],
        "logStream": "local",
        "subscriptionFilters": ["access-log"],
        "logEvents": events,
    }
    payload = {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(data).encode())).decode()}}
    answer = boto3.client("lambda").invoke(
        FunctionName=names[function], Payload=json.dumps(payload).encode()
    )
    body = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, body
    return len(events)
