"""Every command of the command line as every role, allowed or refused as the table says.

The commands follow each other so that each has something to do: one that finds nothing to change would
not be refused to anybody. First those who may not run one try it, and change nothing; then those who may
run it.
"""

import concurrent.futures
import datetime
import json

import bridges
import roles
from stack import ROOT, TEGATA, deliveries, invoke, ledger, outputs, run_as, ses_event, tegata, until

# What changes something has one of these verbs.
CHANGING = ("Put", "Update", "Delete", "BatchWrite", "Create", "Sign", "Send", "Tag")

NOTICE = (ROOT / "examples/notices/2026-12-05-sheet-1.9.0.toml").read_text()
PRODUCTS = ROOT / "examples/products.toml"


def release(work, version, days):
    day = datetime.date.today() + datetime.timedelta(days=days)
    file = work / f"{day}-sheet-{version}.toml"
    file.write_text(NOTICE.replace("1.9.0", version).replace("2026-12-05", str(day)))
    return file.stem, file


def scenario(work):
    """The table's rows, each with arguments; `of` is given a role's name where they would collide."""
    trial, another, moved = "roles.cybozu.com", "roles-2.cybozu.com", "roles-3.cybozu.com"
    this, customer, address = [trial, "sheet"], "C-90", "roles@customer.example"
    # The catalogue, and what is in it of kintone's plug-in ids.
    yield "product apply", lambda of: [PRODUCTS]
    yield "license update-plugin-ids", lambda of: []
    yield "product list", lambda of: []
    # Customers.
    yield "customer add", lambda of: [customer, "--name", "ロール"]
    yield "customer change", lambda of: [customer, "--name", "Roles Inc."]
    yield "customer show", lambda of: [customer]
    yield "customer list", lambda of: []
    yield "contact add", lambda of: [customer, address, "--language", "en"]
    yield "contact list", lambda of: []
    # Contracts.
    yield "license issue", lambda of: [*this, "--trial", 30, "--users", 5, "--customer", customer]
    yield "license convert", lambda of: [*this, "--billing", "yearly"]
    yield "license show", lambda of: this
    yield "license list", lambda of: []
    yield "license expiring", lambda of: []
    yield "license explain", lambda of: this
    yield "license history", lambda of: this
    yield "license change", lambda of: [*this, "--users", 6]
    yield "license reissue-serial", lambda of: this
    yield "license suspend", lambda of: this
    yield "license resume", lambda of: this
    yield "license cancel", lambda of: this
    yield "license restore", lambda of: [*this, "--version", 2, "--rewrite"]
    yield "license re-sign", lambda of: this
    yield "license domains --add", lambda of: [*this, "--add", another]
    in_a_week = datetime.date.today() + datetime.timedelta(days=7)
    yield "license domains --remove", lambda of: [*this, "--remove", another, "--on", in_a_week]
    yield "license domains --keep", lambda of: [*this, "--keep", another]
    yield "license domains", lambda of: this
    yield "license move", lambda of: [*this, moved, "--overlap", 0]
    sheet = work / "roles.csv"
    sheet.write_text("customer_id,name,email,role,language\nC-91,Sheet Ltd.,sheet@customer.example,primary,en\n")
    yield "import", lambda of: [sheet]
    yield "export", lambda of: [work / f"customers-{of}.csv", work / f"licenses-{of}.csv"]
    # Notices.
    notice, file = release(work, "1.12.0", 12)
    later, later_file = release(work, "1.13.0", 13)
    tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    yield "notice new", lambda of: ["incident", "--to", work / f"incident-{of}.toml"]
    yield "notice check", lambda of: [file]
    yield "notice preview", lambda of: [file, "--to", work / f"preview-{of}"]
    yield "notice preview --test-to", lambda of: [file, "--to", work / f"test-{of}", "--test-to", "test@vendor.example"]
    yield "notice send", lambda of: [file, "--yes"]
    yield "notice schedule", lambda of: [later_file, "--at", f"{tomorrow:%Y-%m-%dT%H:%M:%SZ}", "--yes"]
    yield "notice cancel", lambda of: [later]
    invoke("AnnounceFunction")
    until(lambda: set(deliveries(notice)) == {"SENT"}, 75)
    one, two, three = sorted(row["delivery"] for row in ledger(notice).values())[:3]
    bridges.report(ses_event("reject", notice, one))
    bridges.report(ses_event("bounce-transient", notice, two))
    bridges.report(ses_event("bounce-permanent", notice, three))
    until(lambda: {"FAILED", "BOUNCED"} <= set(deliveries(notice)))
    yield "notice status", lambda of: [notice]
    yield "notice list", lambda of: []
    yield "notice pause", lambda of: [notice, "--reason", "a test"]
    yield "notice resume", lambda of: [notice]
    yield "notice resolve", lambda of: [notice, one, "--as", "sent"]
    yield "notice retry-failed", lambda of: [notice]
    [undelivered] = [row["email"] for row in ledger(notice).values() if row["delivery"] == three]
    [its] = [row["customer_id"] for row in tegata("contact", "list") if row["email"] == undelivered]
    yield "notice told-otherwise", lambda of: [notice, its, "by telephone"]
    yield "contact reinstate", lambda of: [its, undelivered]
    yield "contact remove", lambda of: [customer, address]
    # Files and releases.
    built = work / "roles-dist"
    built.mkdir()
    (built / "plugin.min.js").write_text("console.log(12)\n")
    yield "publish files", lambda of: ["sheet", "1.12.0", built]
    yield "publish current", lambda of: ["sheet", "1.12.0", "--emergency", "a test"]
    yield "publish news", lambda of: []
    yield "publish list", lambda of: ["sheet"]
    yield "publish status", lambda of: ["sheet"]
    # Usage, and the archive.
    yield "usage report", lambda of: ["--product", "sheet"]
    yield "usage domain", lambda of: ["tenant1.cybozu.com"]
    yield "access-log search", lambda of: ["--domain", "tenant1.cybozu.com"]
    # Of days before: doctor's step has left objects of today with a weaker lock.
    yield "access-log verify", lambda of: ["--from", "2026-01-01", "--to", "2026-01-02"]
    # Not today: this test writes past the tool, too, which the archive knows.
    yield "history verify", lambda of: ["--from", "2026-01-01", "--to", "2026-01-02"]
    # Keys.
    keys = [of for of in tegata("key", "list") if of["purpose"] == "lease"]
    [old] = [of["jwk"]["kid"] for of in keys if of["state"] == "active"]
    yield "key create", lambda of: []
    yield "key rotate", lambda of: []
    yield "key list", lambda of: []
    yield "key export", lambda of: []
    yield "key retire", lambda of: [old, "--force"]


def every_command_as_every_role(work, decisions):
    """Returns the rows as tested, and which lines of `decisions` are of runs that were refused."""
    rows, tested, starts = roles.table(), {}, {role: [] for role in roles.ROLES}
    listed = {name for name in roles.commands(TEGATA) if name not in roles.OF_NO_ROLE}
    known = {roles.row_of(name.split(), rows) for name in listed}
    without_options = {row for row in rows if "--" not in row}
    assert known == without_options == listed, (listed ^ without_options, known ^ listed)
    physical = {role: outputs()[output].rpartition("/")[2] for role, output in roles.ROLES.items()}

    def decided(role, start):
        """What IAM decided about a role's calls since then: number of the line, and the line."""
        lines = enumerate(map(json.loads, decisions.read_text().splitlines()))
        return {n: line for n, line in lines if n >= start and line["role"] == physical[role]}

    def attempt(role, name, arguments):
        start = len(decisions.read_text().splitlines())
        starts[role].append((start, role in rows[name]))
        words = [word for word in name.split() if not word.startswith("--")]
        ran = run_as(role, *words, *arguments(role))
        return ran, decided(role, start)

    def refused(role, name, arguments):
        ran, seen = attempt(role, name, arguments)
        about = (name, role, ran.returncode, ran.stdout, ran.stderr, seen)
        assert ran.returncode == 1, about
        assert not all(line["allowed"] for line in seen.values()), about
        done = [line["action"].partition(":")[2] for line in seen.values() if line["allowed"]]
        assert not any(action.startswith(CHANGING) for action in done), about
        # A command on many licences names each in a warning; the hint follows an error that ends a command.
        if any(line.startswith("error:") and "AccessDenied" in line for line in ran.stderr.splitlines()):
            assert "Who may run which command" in ran.stderr, about

    def of_refused():
        """The lines of refused runs. A run that ends at the first refusal may have other calls under way,
        which are decided after it: until the role's next run, its lines are of the last one."""
        for role, runs in starts.items():
            ends = [start for start, _ in runs[1:]] + [None]
            for (start, is_allowed), end in zip(runs, ends):
                if not is_allowed:
                    yield from (line for line in decided(role, start) if end is None or line < end)

    for name, arguments in scenario(work):
        may = rows[name]
        may_not = [role for role in roles.ROLES if role not in may]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(lambda role: refused(role, name, arguments), may_not))
        for role in may:
            ran, seen = attempt(role, name, arguments)
            assert ran.returncode == 0, (name, role, ran.returncode, ran.stdout, ran.stderr)
            assert all(line["allowed"] for line in seen.values()), (name, role, seen)
        tested[name] = may
    assert set(tested) == set(rows), set(tested) ^ set(rows)
    return tested, set(of_refused())
