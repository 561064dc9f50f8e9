#!/usr/bin/env python3
"""Holds a template against checkov, and checkov's findings against the reasons not to follow them.

usage: reasons.py REASONS.toml TEMPLATE COUNT     with checkov on PATH

COUNT is how many resources there are: checkov passes a file that it cannot read.
"""

import json
import subprocess
import sys
import tomllib
from pathlib import Path


def main(reasons, template, count):
    command = ["checkov", "--file", template, "--framework", "cloudformation", "--skip-download"]
    run = subprocess.run(command + ["--output", "json", "--quiet", "--compact"], capture_output=True, text=True)
    try:
        report = json.loads(run.stdout)
        summary, failed = report["summary"], report["results"]["failed_checks"]
    except (ValueError, KeyError, TypeError):
        sys.exit(f"checkov ended with {run.returncode}: {run.stdout[-500:]}{run.stderr[-500:]}")
    if summary["parsing_errors"] or summary["resource_count"] != int(count) or not summary["passed"]:
        sys.exit(f"checkov has read {summary['resource_count']} of {count} resources")
    found = {(check["check_id"], check["resource"].rsplit(".", 1)[-1]) for check in failed}
    skips = tomllib.loads(Path(reasons).read_text(encoding="utf-8"))
    known = {(check, name) for check, skip in skips.items() for name in skip["resources"] if skip["reason"]}
    names = {check["check_id"]: check["check_name"] for check in failed}
    for check, resource in sorted(found - known):
        print(f"{template}: {resource}: {check} {names[check]}", file=sys.stderr)
    for check, resource in sorted(known - found):
        print(f"{reasons}: {check} no longer concerns {resource}", file=sys.stderr)
    print(f"checkov: {count} resources, {summary['passed']} checks passed, {len(found & known)} not done for a reason")
    return 1 if found != known else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
