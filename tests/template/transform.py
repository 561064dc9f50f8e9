#!/usr/bin/env python3
"""Writes a SAM template as CloudFormation would get it.

usage: transform.py TEMPLATE TRANSFORMED.json     with aws-sam-translator and cfn-lint
"""

import json
import sys

import boto3
from cfnlint.decode.cfn_yaml import load
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator


def transform(path):
    """What the translator makes of a template; without parameters' values it takes the defaults."""
    template = load(path)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # `sam package` puts an address here; the translator takes nothing else.
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    session = boto3.Session(region_name="ap-northeast-1")
    translator = Translator({}, Parser(), None, session)
    return translator.translate(json.loads(json.dumps(template)), {})


if __name__ == "__main__":
    source, target = sys.argv[1:]
    with open(target, "w", encoding="utf-8") as file:
        json.dump(transform(source), file, indent=1, ensure_ascii=False)
