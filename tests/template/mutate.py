#!/usr/bin/env python3
"""Weakens the transformed template, one property at a time, and sees that a rule notices.

usage: mutate.py RULES TRANSFORMED.json [RULE…]     with cfn-guard on PATH; only the mutants of a RULE

A mutant has to be caught by the rule that is named beside it: another one's failure would be luck.
Fails if one survives, if the rules cannot be read, or if a rule has no mutant.
"""

import copy
import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PASSED, FAILED = 0, 19
GONE = object()

# The rule that has to notice, and the path and new value of what is changed; a path's last key `+`
# appends. A callable changes the template by itself.
ROLE = ("Properties", "Policies", 0, "PolicyDocument", "Statement", 0)
LOCK = ("Resources", "ArchiveBucket", "Properties", "ObjectLockConfiguration")
CDN = ("Resources", "CdnDistribution", "Properties", "DistributionConfig")
TAG_ANY_KEY = {
    "Effect": "Allow",
    "Action": "kms:TagResource",
    "Resource": {"Fn::Sub": "arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:key/*"},
    "Condition": {"StringEquals": {"aws:RequestTag/tegata:purpose": "lease-signing",
                                   "aws:RequestTag/tegata:stack": {"Ref": "AWS::StackName"}}},
}
ALLOW_ALL = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}


PEOPLE = ["SupportRole", "ContractsRole", "PublishingRole", "KeysRole"]


def resource(kind, **properties):
    return {"Type": kind, "Properties": properties}


def at(name, *path):
    return ("Resources", name, "Properties", *path)


def statement_of(name, action):
    """Where a role's statement with an action is."""

    def path(template):
        policies = template["Resources"][name]["Properties"]["Policies"]
        for number, policy in enumerate(policies):
            for index, statement in enumerate(policy["PolicyDocument"]["Statement"]):
                actions = statement["Action"]
                if action == actions or action in actions and isinstance(actions, list):
                    return at(name, "Policies", number, "PolicyDocument", "Statement", index)
        raise KeyError(f"{name} has no {action}")

    return path


def on_notices(name):
    """Where a role's statement that writes the table of notices is."""

    def path(template):
        for number, policy in enumerate(template["Resources"][name]["Properties"]["Policies"]):
            for index, statement in enumerate(policy["PolicyDocument"]["Statement"]):
                table = {"Fn::GetAtt": ["NoticesTable", "Arn"]}
                if statement["Resource"] == table and "dynamodb:PutItem" in statement["Action"]:
                    return at(name, "Policies", number, "PolicyDocument", "Statement", index)
        raise KeyError(f"{name} writes no notices")

    return path


def written_once(*path):
    return at("CdnBucketPolicy", "PolicyDocument", "Statement", 3, *path)


def also(action):
    """A statement that allows an action more."""

    def change(_, statement):
        actions = statement["Action"]
        statement["Action"] = [*(actions if isinstance(actions, list) else [actions]), action]

    return change


def add(more):
    """A statement more beside this one."""
    return lambda statements, _: statements.append(more)


def headers(name, *path):
    return at(name, "ResponseHeadersPolicyConfig", *path)


MUTANTS = [
    # No accounts, no privileged users, no network.
    ("no_accounts_and_no_network", ("Resources", "Somebody"), resource("AWS::IAM::User")),
    ("no_accounts_and_no_network", ("Resources", "Key"), resource("AWS::IAM::AccessKey")),
    ("no_accounts_and_no_network", ("Resources", "Pool"), resource("AWS::Cognito::UserPool")),
    ("no_accounts_and_no_network", ("Resources", "Vpc"), resource("AWS::EC2::VPC")),
    ("no_accounts_and_no_network", ("Resources", "Server"), resource("AWS::EC2::Instance")),
    ("no_accounts_and_no_network", ("Resources", "Container"), resource("AWS::ECS::Service")),
    ("no_accounts_and_no_network", ("Resources", "Vault"), resource("AWS::Backup::BackupVault")),
    ("no_accounts_and_no_network", at("LookupFunction", "VpcConfig"), {"SubnetIds": ["subnet-1"]}),
    ("no_other_door", ("Resources", "Url"), resource("AWS::Lambda::Url", AuthType="NONE")),
    ("no_other_door", at("LookupFunctionGetPermission", "Principal"), "*"),
    ("no_other_door", at("GatewaySubscriptionPermission", "SourceArn"),
     lambda at_, __: (at_.pop("SourceArn"), at_.pop("SourceAccount"))),
    ("two_public_routes", at("LicenseApi", "Body", "paths", "/admin"), {"get": {}}),
    ("two_public_routes",
     at("LicenseApi", "Body", "paths", "/v1/products/{product}/domains/{domain}/license", "post"), {}),
    ("two_public_routes", at("LicenseApi", "Body", "paths", "/license", "get"), {}),
    ("two_public_routes", at("LicenseApi", "Body", "x-amazon-apigateway-cors"), {"allowOrigins": ["*"]}),
    ("two_public_routes", ("Resources", "SecondApi"), resource("AWS::ApiGatewayV2::Api", CorsConfiguration={})),
    # Roles.
    ("roles_name_their_actions", ("Resources", "RenewalRole", *ROLE, "Action"), "dynamodb:*"),
    ("roles_name_their_actions", ("Resources", "AnnounceRole", *ROLE, "Action", 0), "dynamodb:Batch*"),
    ("roles_name_their_actions", ("Resources", "SupportRole", *ROLE, "Action"), "*"),
    ("roles_name_their_actions", ("Resources", "FeedbackRole", *ROLE, "NotAction"), ["iam:PassRole"]),
    ("roles_name_their_actions", at("DeliverRole", "ManagedPolicyArns"),
     ["arn:aws:iam::aws:policy/AmazonSESFullAccess"]),
    ("roles_name_their_actions",
     at("AccessLogReadsCdnLogs", "PolicyDocument", "Statement", 0, "Action"), "s3:*"),
    ("roles_name_their_actions",
     at("AccessLogReadsCdnLogs", "PolicyDocument", "Statement", 0, "Resource"), "*"),
    ("roles_name_their_resources", ("Resources", "RenewalRole", *ROLE, "Resource"), "*"),
    ("roles_name_their_resources", ("Resources", "UsageRollUpRole", *ROLE, "Resource"), "*"),
    ("roles_are_functions_or_the_operators",
     at("RenewalRole", "AssumeRolePolicyDocument", "Statement", 0, "Principal"), {"AWS": "*"}),
    *[("roles_are_functions_or_the_operators",
       at(role, "AssumeRolePolicyDocument", "Statement", 0, "Principal"), {"AWS": "*"}) for role in PEOPLE],
    *[("roles_are_functions_or_the_operators", ("Resources", role, "Condition"), GONE) for role in PEOPLE],
    ("roles_are_functions_or_the_operators",
     at("KeysRole", "AssumeRolePolicyDocument", "Statement", 0, "Principal"), {"AWS": {"Ref": "ContractsPrincipalArn"}}),
    ("roles_are_functions_or_the_operators", ("Parameters", "ContractsPrincipalArn", "Default"),
     "arn:aws:iam::123456789012:root"),
    ("roles_are_functions_or_the_operators", ("Parameters", "KeysPrincipalArn", "AllowedPattern"), ".*"),
    ("roles_are_apart", statement_of("SupportRole", "dynamodb:Scan"), also("dynamodb:PutItem")),
    ("roles_are_apart", statement_of("SupportRole", "ses:ListSuppressedDestinations"), also("ses:SendEmail")),
    ("roles_are_apart", statement_of("ContractsRole", "dynamodb:Query"), also("s3:PutObject")),
    ("roles_are_apart", on_notices("ContractsRole"), lambda _, of: of.pop("Condition")),
    ("roles_are_apart", on_notices("PublishingRole"), lambda _, of: of.pop("Condition")),
    ("roles_are_apart", on_notices("PublishingRole"),
     lambda _, of: of["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"].append("#sending")),
    ("roles_are_apart", statement_of("PublishingRole", "dynamodb:GetItem"), also("dynamodb:PutItem")),
    ("roles_are_apart", statement_of("KeysRole", "dynamodb:Scan"), also("s3:PutObject")),
    ("nobody_may_undo_evidence", ("Resources", "AccessLogRole", *ROLE, "Action"),
     ["s3:PutObject", "s3:DeleteObject"]),
    ("nobody_may_undo_evidence", ("Resources", "ContractsRole", *ROLE, "Action"),
     ["cloudformation:DescribeStacks", "kms:ScheduleKeyDeletion"]),
    ("nobody_may_undo_evidence", statement_of("SupportRole", "s3:GetObjectRetention"), also("s3:PutObject")),
    ("nobody_may_undo_evidence", (lambda template: (*statement_of("PublishingRole", "s3:PutObject")(template), "Resource")),
     {"Fn::Sub": "${ArchiveBucket.Arn}/source=*"}),
    ("the_lookup_reads_one_item_of_one_table", ("Resources", "LookupRole", *ROLE, "Action"), "dynamodb:Query"),
    ("the_lookup_reads_one_item_of_one_table", ("Resources", "LookupRole", *ROLE, "Action"),
     ["dynamodb:GetItem", "dynamodb:PutItem"]),
    ("the_lookup_reads_one_item_of_one_table", ("Resources", "LookupRole", *ROLE, "Resource"),
     {"Fn::GetAtt": ["CustomersTable", "Arn"]}),
    ("the_lookup_reads_one_item_of_one_table", ("Resources", "LookupRole", *ROLE, "Resource"),
     [{"Fn::GetAtt": ["LicensesTable", "Arn"]}, {"Fn::GetAtt": ["CustomersTable", "Arn"]}]),
    ("the_lookup_reads_one_item_of_one_table", at("LookupFunction", "Role"), {"Fn::GetAtt": ["RenewalRole", "Arn"]}),
    ("the_lookup_reads_one_item_of_one_table", at("AccessLogReadsCdnLogs", "Roles", "+"), {"Ref": "LookupRole"}),
    ("nobody_takes_a_key_of_the_account", statement_of("RenewalRole", "kms:Sign"), lambda _, of: of.pop("Condition")),
    ("nobody_takes_a_key_of_the_account", statement_of("ContractsRole", "kms:Sign"),
     lambda _, of: of["Condition"]["StringEquals"].pop("aws:ResourceTag/tegata:stack")),
    # As it was: who has this tags another's key as its own, whatever the tags are.
    ("nobody_takes_a_key_of_the_account", statement_of("ContractsRole", "kms:Sign"), add(TAG_ANY_KEY)),
    ("nobody_takes_a_key_of_the_account", statement_of("KeysRole", "kms:CreateKey"), add(TAG_ANY_KEY)),
    ("nobody_takes_a_key_of_the_account", statement_of("KeysRole", "kms:GetPublicKey"), also("kms:UntagResource")),
    ("nobody_takes_a_key_of_the_account", statement_of("KeysRole", "kms:GetPublicKey"), also("kms:PutKeyPolicy")),
    ("nobody_takes_a_key_of_the_account", statement_of("RenewalRole", "kms:Sign"), also("kms:CreateGrant")),
    ("nobody_takes_a_key_of_the_account", statement_of("KeysRole", "kms:CreateKey"), lambda _, of: of.pop("Condition")),
    ("nobody_takes_a_key_of_the_account", statement_of("KeysRole", "kms:GetPublicKey"), also("kms:Sign")),
    ("nobody_takes_a_key_of_the_account", ("Resources", "AnnounceRole", *ROLE, "Action", 0), "kms:Decrypt"),
    ("nobody_takes_a_key_of_the_account",
     at("AccessLogReadsCdnLogs", "PolicyDocument", "Statement", 0, "Action"), ["s3:GetObject", "kms:TagResource"]),
    ("only_one_role_writes_the_registers_of_keys", statement_of("ContractsRole", "dynamodb:PutItem"),
     lambda _, of: of.pop("Condition")),
    ("only_one_role_writes_the_registers_of_keys", statement_of("ContractsRole", "dynamodb:UpdateItem"),
     lambda _, of: of.pop("Condition")),
    ("only_one_role_writes_the_registers_of_keys", statement_of("ContractsRole", "dynamodb:PutItem"),
     lambda _, of: of["Condition"]["ForAllValues:StringNotEquals"]["dynamodb:LeadingKeys"].remove("#release-keys")),
    ("only_one_role_writes_the_registers_of_keys", statement_of("RenewalRole", "dynamodb:PutItem"),
     lambda _, of: of.pop("Condition")),
    ("only_one_role_writes_the_registers_of_keys", statement_of("KeysRole", "dynamodb:PutItem"),
     lambda _, of: of["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"].append("example.cybozu.com")),
    ("mails_come_from_one_address", statement_of("DeliverRole", "ses:SendEmail"), lambda _, of: of.pop("Condition")),
    ("mails_come_from_one_address", at("MailConfigurationSet", "DeliveryOptions", "TlsPolicy"), "OPTIONAL"),
    ("mails_come_from_one_address", at("MailEvents", "EventDestination", "MatchingEventTypes", "+"), "open"),
    # Evidence.
    ("logs_are_kept_a_year", ("Parameters", "LogRetentionDays", "Default"), 30),
    ("logs_are_kept_a_year", ("Parameters", "LogRetentionDays", "AllowedValues", "+"), 90),
    ("logs_are_kept_a_year", ("Parameters", "LogRetentionDays", "AllowedValues"), GONE),
    ("logs_are_kept_a_year", at("ApiLogGroup", "RetentionInDays"), 90),
    ("logs_are_kept_a_year", at("LookupLogGroup", "RetentionInDays"), GONE),
    ("logs_are_kept_a_year", ("Resources", "LookupLogGroup", "DeletionPolicy"), "Delete"),
    ("logs_are_kept_a_year", at("LookupFunction", "LoggingConfig"), GONE),
    ("the_archive_cannot_be_changed", (*LOCK, "Rule", "DefaultRetention", "Mode"), "GOVERNANCE"),
    ("the_archive_cannot_be_changed", (*LOCK, "Rule", "DefaultRetention", "Days"), 30),
    ("the_archive_cannot_be_changed", LOCK, GONE),
    ("the_archive_cannot_be_changed", at("ArchiveBucket", "LifecycleConfiguration", "Rules", 1, "ExpirationInDays"), 30),
    ("the_archive_cannot_be_changed", ("Resources", "ArchiveBucket", "DeletionPolicy"), "Delete"),
    ("every_access_is_logged", at("LicenseApiApiGatewayDefaultStage", "AccessLogSettings"), GONE),
    ("every_access_is_logged", at("LicenseApiApiGatewayDefaultStage", "AccessLogSettings", "Format"),
     "$context.requestId $context.identity.sourceIp"),
    ("every_access_is_logged", ("Resources", "GatewaySubscription"), GONE),
    ("every_access_is_logged", at("GatewaySubscription", "FilterPattern"), "{ $.status = 200 }"),
    ("every_change_is_archived", at("CustomersTable", "StreamSpecification"), GONE),
    ("every_change_is_archived", at("NoticesTable", "StreamSpecification", "StreamViewType"), "NEW_IMAGE"),
    ("every_change_is_archived", ("Resources", "ChangeLogFunctionNotices"), GONE),
    ("every_change_is_archived", at("ChangeLogFunctionLicenses", "StartingPosition"), "LATEST"),
    ("every_change_is_archived", at("ChangeLogFunctionLicenses", "MaximumRetryAttempts"), 3),
    ("every_change_is_archived", at("ChangeLogFunctionLicenses", "DestinationConfig"), GONE),
    ("every_change_is_archived", at("ChangeLogFunctionLicenses", "FilterCriteria"),
     {"Filters": [{"Pattern": '{"eventName":["INSERT"]}'}]}),
    ("every_change_is_archived", at("ChangeLogFunctionCustomers", "Enabled"), False),
    ("every_change_is_archived", statement_of("ChangeLogRole", "s3:PutObject"),
     lambda _, of: of.update(Resource={"Fn::Sub": "${ArchiveBucket.Arn}/*"})),
    ("every_change_is_archived", statement_of("AccessLogRole", "s3:PutObject"),
     lambda _, of: of.update(Resource={"Fn::Sub": "${ArchiveBucket.Arn}/source=*"})),
    ("every_change_is_archived", statement_of("ChangeLogRole", "dynamodb:GetRecords"),
     lambda _, of: of["Action"].append("dynamodb:PutItem")),
    ("the_trail_has_every_write", ("Parameters", "ChangeTrail", "Default"), "writes"),
    ("the_trail_has_every_write", at("WritesTrail", "IsLogging"), False),
    ("the_trail_has_every_write", at("WritesTrail", "EnableLogFileValidation"), GONE),
    ("the_trail_has_every_write",
     at("WritesTrail", "AdvancedEventSelectors", 0, "FieldSelectors", 3, "Equals", 2), GONE),
    ("the_trail_has_every_write", at("WritesTrail", "AdvancedEventSelectors", 0, "FieldSelectors", "+"),
     {"Field": "eventName", "Equals": ["PutItem"]}),
    ("the_trail_has_every_write", at("TrailBucket", "ObjectLockConfiguration"), GONE),
    ("the_trail_has_every_write",
     at("TrailBucket", "ObjectLockConfiguration", "Rule", "DefaultRetention", "Mode"), "GOVERNANCE"),
    ("the_trail_has_every_write", at("SupportReadsTrail", "PolicyDocument", "Statement", 1, "Action", "+"),
     "s3:PutObject"),
    # Data at rest.
    ("tables_are_kept_and_encrypted", at("LicensesTable", "PointInTimeRecoverySpecification"), GONE),
    ("tables_are_kept_and_encrypted",
     at("NoticesTable", "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"), False),
    ("tables_are_kept_and_encrypted", at("CustomersTable", "DeletionProtectionEnabled"), False),
    ("tables_are_kept_and_encrypted", ("Resources", "UsageTable", "DeletionPolicy"), GONE),
    ("tables_are_kept_and_encrypted", ("Resources", "LicensesTable", "UpdateReplacePolicy"), "Delete"),
    ("tables_are_kept_and_encrypted", at("CustomersTable", "SSESpecification", "KMSMasterKeyId"), GONE),
    ("tables_are_kept_and_encrypted", at("LicensesTable", "TimeToLiveSpecification"),
     {"AttributeName": "expires", "Enabled": True}),
    ("the_data_key_rotates_and_stays", at("DataKey", "EnableKeyRotation"), False),
    ("the_data_key_rotates_and_stays", at("DataKey", "KeyPolicy", "Statement", 1, "Condition"), GONE),
    ("the_data_key_rotates_and_stays", at("DataKey", "KeyPolicy", "Statement", 1, "Principal"), "*"),
    ("the_data_key_rotates_and_stays", ("Resources", "DataKey", "DeletionPolicy"), "Delete"),
    ("buckets_are_private", at("CdnBucket", "PublicAccessBlockConfiguration", "BlockPublicPolicy"), False),
    ("buckets_are_private", at("ArchiveBucket", "PublicAccessBlockConfiguration"), GONE),
    ("buckets_are_private", at("CdnLogBucket", "OwnershipControls"), GONE),
    ("buckets_are_private", at("CdnBucket", "WebsiteConfiguration"), {"IndexDocument": "index.html"}),
    ("buckets_are_private", at("QueryResultsBucket", "BucketEncryption"), GONE),
    ("buckets_are_private", ("Resources", "Second"), resource("AWS::S3::Bucket")),
    ("buckets_let_in_services_only", at("CdnBucketPolicy", "PolicyDocument", "Statement", "+"), ALLOW_ALL),
    ("copies_are_no_evidence", statement_of("UsageRollUpRole", "s3:PutObject"),
     lambda _, of: of.update(Resource={"Fn::Sub": "${ArchiveBucket.Arn}/source=*"})),
    ("copies_are_no_evidence", statement_of("UsageRollUpRole", "s3:PutObject"),
     lambda _, of: of.update(Resource={"Fn::Sub": "${QueryResultsBucket.Arn}/*"})),
    ("copies_are_no_evidence", statement_of("UsageRollUpRole", "s3:PutObject"), also("s3:DeleteObject")),
    ("copies_are_no_evidence", statement_of("AccessLogRole", "s3:PutObject"),
     lambda _, of: of["Resource"].append({"Fn::Sub": "${QueryResultsBucket.Arn}/access/*"})),
    ("copies_are_no_evidence", at("QueryResultsBucket", "LifecycleConfiguration", "Rules", 0, "ExpirationInDays"), 400),
    ("copies_are_no_evidence", at("QueryResultsBucket", "LifecycleConfiguration", "Rules", 1), GONE),
    ("copies_are_no_evidence",
     at("ArchiveWorkGroup", "WorkGroupConfiguration", "ResultConfiguration", "OutputLocation"),
     {"Fn::Sub": "s3://${QueryResultsBucket}/"}),
    ("buckets_let_in_services_only", at("ArchiveBucketPolicy", "PolicyDocument", "Statement", 0), GONE),
    ("buckets_let_in_services_only", at("CdnLogBucketPolicy", "PolicyDocument", "Statement", 1, "Effect"), "Allow"),
    ("buckets_let_in_services_only", at("CdnLogBucketPolicy", "PolicyDocument", "Statement", 2, "Condition"), GONE),
    ("buckets_let_in_services_only", at("TrailBucketPolicy", "PolicyDocument", "Statement", 3, "Condition"), GONE),
    # What is asked too much, comes twice, or fails.
    ("requests_are_throttled", at("LicenseApiApiGatewayDefaultStage", "DefaultRouteSettings"), GONE),
    ("requests_are_throttled",
     at("LicenseApiApiGatewayDefaultStage", "DefaultRouteSettings", "ThrottlingBurstLimit"), GONE),
    ("requests_are_throttled", ("Parameters", "ThrottleRate", "MaxValue"), GONE),
    ("what_fails_is_kept", at("DeliveryQueue", "RedrivePolicy"), GONE),
    ("what_fails_is_kept", at("AccessLogFunctionEventInvokeConfig", "DestinationConfig"), {}),
    ("what_fails_is_kept", at("FeedbackFunctionEventInvokeConfig", "DestinationConfig"), {}),
    ("what_fails_is_kept", at("RenewalFunctionEventInvokeConfig", "MaximumRetryAttempts"), 2),
    ("what_fails_is_kept", at("MailEventsRule", "Targets", 0, "DeadLetterConfig"), GONE),
    ("what_fails_is_kept", at("FeedbackFailures", "MessageRetentionPeriod"), 345600),
    ("what_fails_is_kept", at("AccessLogFailures", "SqsManagedSseEnabled"), False),
    ("what_fails_is_kept", at("ChangeLogFailures", "MessageRetentionPeriod"), 345600),
    ("no_function_feeds_its_own_queue", at("DeliverRole", "Policies", 0, "PolicyDocument", "Statement", 1, "Action", "+"),
     "sqs:SendMessage"),
    ("no_function_feeds_its_own_queue", at("DeliverRole", "Policies", 0, "PolicyDocument", "Statement", "+"),
     {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:ap-northeast-1:123456789012:q"}),
    ("queues_are_asked_over_tls", at("DeliveryQueuePolicy", "PolicyDocument", "Statement", 0, "Condition"), GONE),
    ("queues_are_asked_over_tls", at("FeedbackFailuresPolicy", "PolicyDocument", "Statement", 1, "Principal"),
     {"AWS": "*"}),
    ("a_batch_fails_in_parts", at("DeliverFunctionDeliveries", "FunctionResponseTypes"), GONE),
    ("a_batch_fails_in_parts", at("DeliverFunctionDeliveries", "ScalingConfig"), GONE),
    ("a_batch_fails_in_parts", at("ChangeLogFunctionLicenses", "FunctionResponseTypes"), GONE),
    ("who_works_alone_is_alone", at("AnnounceFunction", "ReservedConcurrentExecutions"), GONE),
    ("who_works_alone_is_alone", at("DeliverFunction", "ReservedConcurrentExecutions", "Fn::If", 1), 20),
    ("who_works_alone_is_alone", at("UsageRollUpFunction", "ReservedConcurrentExecutions"), GONE),
    ("who_works_alone_is_alone", ("Conditions", "ReservesConcurrency", "Fn::Equals", 1), "shared"),
    # The API's name, and the region.
    ("the_api_speaks_tls", at("ApiName", "DomainNameConfigurations", 0, "SecurityPolicy"), "TLS_1_0"),
    ("the_api_speaks_tls", at("ApiName", "DomainNameConfigurations", 0, "EndpointType"), "EDGE"),
    ("addresses_expire_with_the_records", at("AnnounceFunction", "Environment", "Variables", "RETENTION_DAYS"), GONE),
    ("addresses_expire_with_the_records", at("AnnounceFunction", "Environment", "Variables", "RETENTION_DAYS"), "36500"),
    ("nothing_is_replicated", at("ArchiveBucket", "ReplicationConfiguration"), {"Role": "arn", "Rules": []}),
    ("nothing_is_replicated", at("LicensesTable", "Replicas"), [{"Region": "us-east-1"}]),
    ("nothing_is_replicated", at("DataKey", "MultiRegion"), True),
    ("nothing_is_replicated", ("Resources", "Everywhere"), resource("AWS::DynamoDB::GlobalTable")),
    # Deployment.
    ("a_failed_creation_leaves_tables_and_key_only", ("Resources", "LookupLogGroup", "DeletionPolicy"), "Retain"),
    ("a_failed_creation_leaves_tables_and_key_only", ("Resources", "CdnBucketPolicy", "DeletionPolicy"), "Retain"),
    ("names_of_the_account_have_the_region", at("CdnAccessControl", "OriginAccessControlConfig", "Name"),
     {"Fn::Sub": "${AWS::StackName}-cdn"}),
    ("names_of_the_account_have_the_region", at("CdnIndexFunction", "Name"), {"Fn::Sub": "${AWS::StackName}-index"}),
    ("names_of_the_account_have_the_region", headers("NewsHeaders", "Name"), {"Fn::Sub": "${AWS::StackName}-news"}),
    ("names_of_the_account_have_the_region", at("Dashboard", "DashboardName"), {"Ref": "AWS::StackName"}),
    ("names_of_the_account_have_the_region", at("LookupRole", "RoleName"), {"Fn::Sub": "${AWS::StackName}-lookup"}),
    ("names_of_the_account_have_the_region", at("CdnBucket", "BucketName"), {"Fn::Sub": "${AWS::StackName}-cdn"}),
    ("the_gateways_log_needs_no_policy_of_its_own", at("ApiLogGroup", "LogGroupName"), GONE),
    ("the_gateways_log_needs_no_policy_of_its_own", at("ApiLogGroup", "LogGroupName", "Fn::Sub", 0),
     "/tegata/${AWS::StackName}/${Id}"),
    # The CDN.
    ("the_cdn_reads_a_private_bucket", (*CDN, "Origins", 0, "OriginAccessControlId"), GONE),
    ("the_cdn_reads_a_private_bucket", at("CdnAccessControl", "OriginAccessControlConfig", "SigningBehavior"), "never"),
    ("the_cdn_reads_a_private_bucket",
     at("CdnBucketPolicy", "PolicyDocument", "Statement", 2, "Condition", "StringEquals", "aws:SourceArn"), "*"),
    ("the_cdn_reads_a_private_bucket",
     at("CdnBucketPolicy", "PolicyDocument", "Statement", 2, "Action"), "s3:PutObject"),
    ("published_versions_are_written_once", written_once("Condition"), GONE),
    ("published_versions_are_written_once", written_once("Condition", "Null", "s3:if-none-match"), "false"),
    ("published_versions_are_written_once", written_once("Principal"), {"AWS": {"Fn::GetAtt": ["PublishingRole", "Arn"]}}),
    ("published_versions_are_written_once", written_once("Effect"), "Allow"),
    ("published_versions_are_written_once", written_once("NotResource", "+"), {"Fn::Sub": "${CdnBucket.Arn}/sheet/*"}),
    ("published_versions_are_written_once", at("CdnBucketPolicy", "PolicyDocument", "Statement", 3), GONE),
    ("published_versions_are_written_once", at("CdnBucketPolicy", "PolicyDocument", "Statement", 4), GONE),
    ("published_versions_are_written_once",
     at("CdnBucketPolicy", "PolicyDocument", "Statement", 4, "Resource"), {"Fn::Sub": "${CdnBucket.Arn}/sheet/*"}),
    ("the_cdn_speaks_tls", (*CDN, "ViewerCertificate", "Fn::If", 1, "MinimumProtocolVersion"), "TLSv1"),
    ("the_cdn_speaks_tls", (*CDN, "DefaultCacheBehavior", "ViewerProtocolPolicy"), "allow-all"),
    ("the_cdn_speaks_tls", (*CDN, "CacheBehaviors", 0, "ViewerProtocolPolicy"), "allow-all"),
    ("the_cdn_sends_headers", (*CDN, "DefaultCacheBehavior", "ResponseHeadersPolicyId"), GONE),
    ("the_cdn_sends_headers", (*CDN, "CacheBehaviors"), []),
    ("the_cdn_sends_headers", (*CDN, "DefaultCacheBehavior", "AllowedMethods", "+"), "PUT"),
    ("the_cdn_sends_headers", headers("PluginFileHeaders", "CorsConfig", "AccessControlAllowCredentials"), True),
    ("the_cdn_sends_headers", headers("PluginFileHeaders", "SecurityHeadersConfig", "ContentTypeOptions"), GONE),
    ("the_cdn_sends_headers",
     headers("NewsHeaders", "SecurityHeadersConfig", "StrictTransportSecurity", "AccessControlMaxAgeSec"), 60),
    ("the_cdn_sends_headers",
     headers("PluginFileHeaders", "SecurityHeadersConfig", "StrictTransportSecurity", "IncludeSubdomains"), False),
    ("the_cdn_sends_headers", headers("NewsHeaders", "SecurityHeadersConfig", "ContentSecurityPolicy"), GONE),
    ("the_cdn_sends_headers",
     headers("NewsHeaders", "SecurityHeadersConfig", "ContentSecurityPolicy", "ContentSecurityPolicy"),
     "default-src 'none'; style-src 'unsafe-inline'; script-src *; base-uri 'none'; form-action 'none'; "
     "frame-ancestors 'none'"),
    ("the_cdn_sends_headers",
     headers("NewsHeaders", "SecurityHeadersConfig", "ContentSecurityPolicy", "ContentSecurityPolicy"),
     "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'none'"),
    ("the_cdn_sends_headers",
     headers("NewsHeaders", "SecurityHeadersConfig", "ContentSecurityPolicy", "ContentSecurityPolicy"),
     "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"),
    # Secrets.
    ("no_secret_in_an_environment", at("DeliverFunction", "Environment", "Variables", "API_KEY"), "sk-0123456789abcdef"),
    ("no_secret_in_an_environment", at("DeliverFunction", "Environment", "Variables", "NOTE"), "sk-0123456789abcdef"),
    ("no_secret_in_an_environment", at("AnnounceFunction", "Environment", "Variables", "STATUS_PAGE_SECRET"),
     {"Ref": "StatusPage"}),
    ("no_secret_in_an_environment", ("Parameters", "StatusPageSecretArn", "AllowedPattern"), ".*"),
]


def mutant(template, path, value):
    """The template with one thing changed."""
    template = copy.deepcopy(template)
    if callable(path):
        path = path(template)
    *parents, last = path
    place = template
    for key in parents:
        place = place[key]
    if callable(value):
        value(place, place[last])
    elif value is GONE:
        del place[last]
    elif last == "+":
        place.append(value)
    else:
        place[last] = value
    return template


def broken(rules, template):
    """The names of the rules that a template breaks, and of those that found nothing to judge."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(template, file)
        file.flush()
        command = ["cfn-guard", "validate", "--rules", rules, "--data", file.name]
        options = ["--structured", "--output-format", "json", "--show-summary", "none"]
        run = subprocess.run(command + options, capture_output=True, text=True)
    if run.returncode not in (PASSED, FAILED):
        sys.exit(f"cfn-guard ended with {run.returncode}: {run.stdout[-500:]}{run.stderr[-500:]}")
    (report,) = json.loads(run.stdout)
    names = {rule["Rule"]["name"] for rule in report["not_compliant"]}
    if (run.returncode == FAILED) != bool(names):
        sys.exit(f"cfn-guard ended with {run.returncode} and names {sorted(names)}")
    judged = len(report["compliant"]) + len(names)
    return names, set(report["not_applicable"]), judged


def main(rules, path, *only):
    template = json.loads(Path(path).read_text(encoding="utf-8"))
    text = Path(rules).read_text(encoding="utf-8")
    names = set(re.findall(r"(?m)^rule (\w+)", text))
    if only:
        if unknown := set(only) - names:
            sys.exit(f"no rule {sorted(unknown)}")
        text = re.sub(r"(?ms)^rule (\w+) \{.*?^\}\n", lambda rule: rule[0] if rule[1] in only else "", text)
        names, rules = set(only), Path(path).with_suffix(".guard")
        rules.write_text(text, encoding="utf-8")
    failing, skipped, judged = broken(rules, template)
    if failing or skipped or judged != len(names):
        sys.exit(f"as it is, broken: {sorted(failing)}, skipped: {sorted(skipped)}, {judged} of {len(names)} judged")
    without = names - {rule for rule, *_ in MUTANTS}
    if without:
        sys.exit(f"no mutant for {sorted(without)}")

    mutants = [of for of in MUTANTS if not only or of[0] in only]

    def survives(of):
        rule, place, value = of
        changed = mutant(template, place, value)
        assert changed != template, place
        if rule in broken(rules, changed)[0]:
            return None
        return f"{rule} does not notice {'.'.join(map(str, place)) if isinstance(place, tuple) else place(template)}"

    with ThreadPoolExecutor(2) as pool:
        survivors = [of for of in pool.map(survives, mutants) if of]
    for survivor in survivors:
        print(survivor, file=sys.stderr)
    for rule in only:
        print(f"{rule} holds, and notices {sum(of[0] == rule for of in mutants)} changes that break it")
    print(f"{len(mutants)} mutants, {len(mutants) - len(survivors)} caught")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
