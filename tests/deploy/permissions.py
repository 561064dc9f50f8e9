"""Least privilege: what each role may do, against what it was seen to do.

A grant is an action on a resource that a role's policy allows. `check` finds calls without a grant,
grants without a call that `uncalled.toml` does not list with a reason, and reasons without need.
"""

import collections
import fnmatch
import json
import re

import boto3

Grant = collections.namedtuple("Grant", "role action resource")


def logical_names(stack):
    """Physical names of the stack's resources to their names in the template, the longest first."""
    listed = boto3.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    names = {of["PhysicalResourceId"].rpartition("/")[2]: of["LogicalResourceId"] for of in listed}
    return dict(sorted(names.items(), key=lambda item: -len(item[0])))


def short(resource, names):
    """A resource as people read it: `table/LicensesTable`, `ArchiveBucket/source=*`."""
    for physical, logical in names.items():
        if len(physical) > 12:
            resource = resource.replace(physical, logical)
    resource = re.sub(r"^arn:aws:[^:]*:[^:]*:[^:]*:", "", resource)
    return re.sub(r"^log-group:.*/(\w+):\*$", r"log-group:\1", resource)


def grants(stack):
    """What the policies of the stack's roles allow, as they are in the (local) IAM."""
    iam, found = boto3.client("iam"), {}
    listed = boto3.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    for role in (of for of in listed if of["ResourceType"] == "AWS::IAM::Role"):
        name = role["PhysicalResourceId"]
        attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        documents = [
            iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        ]
        assert not attached, (role["LogicalResourceId"], attached)
        for statement in (of for document in documents for of in listed_of(document["Statement"])):
            assert statement["Effect"] == "Allow" and not {"NotAction", "NotResource"} & set(statement), statement
            for action in listed_of(statement["Action"]):
                assert "*" not in action, (name, action)
                for resource in listed_of(statement["Resource"]):
                    found[Grant(name, action, resource)] = role["LogicalResourceId"]
    return found


def grants_by_keys(granted):
    """What the policies of signing keys allow roles that have no grant of their own for it: release keys."""
    kms, found = boto3.client("kms"), set()
    for key in kms.list_keys()["Keys"]:
        policy = json.loads(kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"])
        for statement in policy["Statement"]:
            patterns = statement.get("Condition", {}).get("ArnLike", {}).get("aws:PrincipalArn", [])
            for pattern in listed_of(patterns):
                for role in {grant.role for grant in granted}:
                    by_key = Grant(role, statement["Action"], key["KeyArn"])
                    has_own = any((of.role, of.action) == (role, by_key.action) for of in granted)
                    if fnmatch.fnmatchcase(role, pattern.rpartition("/")[2]) and not has_own:
                        found.add(by_key)
    return found


def listed_of(one_or_more):
    return one_or_more if isinstance(one_or_more, list) else [one_or_more]


def calls(file, but=frozenset()):
    """How often which role called what, and what of that was denied: of all lines but some."""
    made, denied = collections.Counter(), collections.Counter()
    for number, line in enumerate(file.read_text().splitlines()):
        if number in but:
            continue
        of = json.loads(line)
        (made if of["allowed"] else denied)[Grant(of["role"], of["action"], of["resource"])] += 1
    return made, denied


def is_covered(call, grant):
    return (call.role, call.action) == (grant.role, grant.action) and fnmatch.fnmatchcase(call.resource, grant.resource)


def check(grants, made, reasons, names, by_keys=frozenset()):
    """Returns the table's rows and what is wrong. `grants` maps to the roles' names in the template."""
    rows, wrong, needed = [], [], set()
    for call in made:
        if not any(is_covered(call, grant) for grant in [*grants, *by_keys]):
            wrong.append(f"not granted: {call.role} {call.action} on {short(call.resource, names)}")
    for grant, role in sorted(grants.items(), key=lambda item: (item[1], item[0])):
        count = sum(times for call, times in made.items() if is_covered(call, grant))
        resource = short(grant.resource, names)
        reason = None
        for number, entry in enumerate(reasons):
            if (
                fnmatch.fnmatchcase(role, entry["role"])
                and grant.action in entry["actions"]
                and fnmatch.fnmatchcase(resource, entry.get("resource", "*"))
            ):
                needed.add((number, grant.action))
                reason = entry["reason"]
        if count and reason:
            wrong.append(f"listed as uncalled, and called: {role} {grant.action} on {resource}")
        if not count and not reason:
            wrong.append(f"neither called nor listed: {role} {grant.action} on {resource}")
        rows.append((role, grant.action, resource, count, reason or ""))
    for number, entry in enumerate(reasons):
        for action in entry["actions"]:
            if (number, action) not in needed:
                wrong.append(f"listed as uncalled, and not granted: {entry['role']} {action}")
    return rows, wrong


def prove_check(granted, made, reasons, names, by_keys):
    """The check fails with any grant that was called taken away, and with one added or a reason too many."""

    def finds(what, granted, reasons):
        _, wrong = check(granted, made, reasons, names, by_keys)
        assert len(wrong) >= 1 and all(of.startswith(what) for of in wrong), (what, wrong)

    called = [grant for grant in granted if any(is_covered(call, grant) for call in made)]
    for grant in called:
        finds("not granted", {of: role for of, role in granted.items() if of != grant}, reasons)
    some = called[0]
    more = {**granted, some._replace(action="dynamodb:DeleteTable"): granted[some]}
    finds("neither called nor listed", more, reasons)
    for entry in reasons:
        for action in entry["actions"]:
            fewer = [{**of, "actions": [a for a in of["actions"] if of is not entry or a != action]} for of in reasons]
            finds("neither called nor listed", granted, fewer)
    of_called = {"role": granted[some], "actions": [some.action], "reason": "none"}
    finds("listed as uncalled, and called", granted, [*reasons, of_called])
    of_none = {"role": granted[some], "actions": ["dynamodb:DeleteTable"], "reason": "none"}
    finds("listed as uncalled, and not granted", granted, [*reasons, of_none])
    if by_keys:
        _, wrong = check(granted, made, reasons, names)
        assert wrong and all(of.startswith("not granted") for of in wrong), wrong
