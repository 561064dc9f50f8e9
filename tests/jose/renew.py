"""The real `license-renewal` binary, under a Runtime API, against a stack in a local AWS: a lease
that is due is signed again by KMS, and an independent JOSE library verifies it.

usage: renew.py TEGATA LICENSE_RENEWAL STACK     with the stack's AWS in the environment
"""

import datetime
import json
import pathlib
import subprocess
import sys
import tempfile

import boto3
import jwt
from function import invoke

TEGATA, RENEWAL, STACK = sys.argv[1:]
DOMAIN, PRODUCT = "renewed.cybozu.com", "renewed"
EVENT = pathlib.Path(__file__).parents[2] / "events" / "renewal-schedule.json"


def tegata(*arguments):
    command = [TEGATA, "--stack", STACK, *arguments, "--output", "json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def run_renewal(table):
    environment = {
        "LICENSES_TABLE": table,
        "ROLE_ARN": "arn:aws:iam::000000000000:role/renewal",
        "STACK": STACK,
    }
    return invoke(RENEWAL, EVENT.read_bytes(), environment, name="renewal")


def main():
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as products:
        products.write(
            'issuer = "https://license.example.com"\n'
            f'[products.{PRODUCT}]\nname = {{ ja = "更新", en = "Renewed" }}\n'
        )
        products.flush()
        tegata("product", "apply", products.name)
    tegata("license", "issue", DOMAIN, PRODUCT, "--billing", "yearly", "--users", "5")
    before = tegata("license", "show", DOMAIN, PRODUCT, "--lease")

    # Ten days ago, for this item.
    stack = boto3.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    table = boto3.resource("dynamodb").Table(outputs["LicensesTable"])
    now = datetime.datetime.now(datetime.timezone.utc)
    past = lambda days: (now - datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    table.update_item(
        Key={"domain": DOMAIN, "product": PRODUCT},
        UpdateExpression="SET lease.issued_at = :issued, due_at = :due",
        ExpressionAttributeValues={":issued": past(10), ":due": past(3)},
    )

    report, lines = run_renewal(outputs["LicensesTable"])
    assert report["resigned"] >= 1 and report["failed"] == 0 and report["finished"], report
    metrics = [line for line in lines if line.get("type") == "renewal"]
    assert metrics and metrics[0]["LeasesResigned"] == report["resigned"], lines

    after = tegata("license", "show", DOMAIN, PRODUCT, "--lease")
    assert after["lease"]["jws"] != before["lease"]["jws"]
    assert after["revision"]["by"].endswith("role/renewal"), after["revision"]
    exported = subprocess.run(
        [TEGATA, "--stack", STACK, "key", "export"], check=True, capture_output=True, text=True
    )
    keys = jwt.PyJWKSet.from_json(exported.stdout)
    jws = after["lease"]["jws"]
    key = keys[jwt.get_unverified_header(jws)["kid"]]
    claims = jwt.decode(jws, key.key, algorithms=["ES256"], audience=PRODUCT)
    assert claims["sub"] == DOMAIN
    again, _ = run_renewal(outputs["LicensesTable"])
    assert again["resigned"] == 0, again
    print(f"license-renewal signed {report['resigned']} leases again with KMS, and then none")


main()
