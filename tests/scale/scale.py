#!/usr/bin/env python3
"""What 1,000 to 1,000,000 tenants ask of a stack in the busiest minute of a month.

usage: scale.py          prints the table of docs/SCALE.md
       scale.py check    fails if docs/SCALE.md has another one

The arrivals come from a simulation: users of synthetic tenants work on the 21 working days of a month,
and their browsers ask as the plug-in's client does. Everything else is calculated from figures
that are measured or documented; each has its source beside it.
"""

import math
import random
import sys
from collections import Counter
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "SCALE.md"

# ---- The synthetic month ----

SEED = 20261128
SAMPLE = 20_000  # users
USERS_PER_TENANT = 20  # as in operations/admins.md, "Cost"
WORKING_DAYS = [day for day in range(30) if day % 7 not in (5, 6)][:21]  # day 0 is a Monday
AT_WORK = 0.9  # of the users, on a working day
REFRESH_HOURS = 24  # the catalogue's default


def first_opening(rng):
    """The hour at which somebody first opens kintone: half of them around nine."""
    if rng.random() < 0.5:
        return min(max(rng.gauss(9.0, 0.25), 7.0), 12.0)
    return rng.uniform(8.5, 17.5)


def month():
    """Requests by minute of the month of the sample's users. The browser keeps its lease, and asks at the
    first opening after `REFRESH_HOURS`."""
    rng = random.Random(SEED)
    minutes = Counter()
    for _ in range(SAMPLE):
        asked = -math.inf
        for day in WORKING_DAYS:
            if rng.random() > AT_WORK:
                continue
            first = first_opening(rng)
            openings = [first, *(rng.uniform(first, 18.0) for _ in range(7))]
            for hour in sorted(openings):
                at = 24 * day + hour
                if at - asked >= REFRESH_HOURS:
                    minutes[int(at * 60)] += 1
                    asked = at
    return minutes


# ---- What a request and a tenant cost ----

DURATION = 0.010  # seconds of the function per request; operations/admins.md assumes it, doctor shows it
LOG_BYTES = 921  # three log lines; operations/admins.md, measured
ITEM_UNITS = 1  # a strongly consistent read of at most 4 KB; an item has 1,953 bytes (PERFORMANCE.md)
# Of a million licences, on the day with the most (PERFORMANCE.md, "The renewal of a million licences").
SIGNATURES = 525_500 / 1_000_000
WRITE_UNITS = 4_376_000 / 1_000_000
CONTACTS_PER_TENANT = 1.3  # operations/admins.md: 130,000 contacts of 100,000 tenants

# ---- Limits of AWS's, before they are raised ----

API_RATE = 10_000  # requests a second of all HTTP APIs of an account and region
CONCURRENCY = 1_000  # of an account, once it is no longer new
TABLE_READS = 40_000  # units a second of an on-demand table
NEW_TABLE_READS = 12_000  # … that was just created; it doubles within half an hour
KMS_SIGNATURES = 1_000  # ECC signatures a second


def busiest_second(mean):
    """The number that the busiest of 60 seconds does not exceed with a probability of 99 %, where arrivals have a
    Poisson distribution with this mean a second."""
    wanted = 0.99 ** (1 / 60)
    number, sum_of = 0, math.exp(-mean)
    while sum_of < wanted:
        number += 1
        sum_of += math.exp(number * math.log(mean) - mean - math.lgamma(number + 1))
    return number


def rows():
    minutes = month()
    (busiest, most), = minutes.most_common(1)
    per_user = sum(minutes.values()) / SAMPLE
    table = []
    for tenants in (1_000, 10_000, 100_000, 1_000_000):
        users = tenants * USERS_PER_TENANT
        mean = most / SAMPLE * users / 60
        peak = busiest_second(mean)
        concurrent = busiest_second(peak * DURATION)
        table.append({
            "tenants": f"{tenants:,}",
            "requests a month, M": f"{per_user * users / 1e6:,.2f}",
            "busiest minute, requests a second": f"{mean:,.0f}",
            "its busiest second": f"{peak:,.0f}",
            "functions at work": f"{concurrent:,}",
            "read units a second": f"{peak * ITEM_UNITS:,.0f}",
            "log, MB in that minute": f"{mean * 60 * LOG_BYTES / 1e6:,.1f}",
            "KMS signatures, day with the most": f"{tenants * SIGNATURES:,.0f}",
            "write units of that day": f"{tenants * WRITE_UNITS:,.0f}",
            "hours of a notice at 10 mails a second": f"{tenants * CONTACTS_PER_TENANT / 10 / 3600:,.1f}",
        })
    return busiest, table


def text():
    busiest, table = rows()
    day, minute = divmod(busiest, 24 * 60)
    names = list(table[0])
    lines = ["| " + " | ".join([names[0]] + [row["tenants"] for row in table]) + " |", "| --- |" + " ---: |" * len(table)]
    lines += ["| " + " | ".join([name] + [row[name] for row in table]) + " |" for name in names[1:]]
    weekday = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"][day % 7]
    lines += ["", f"The busiest minute is {minute // 60}:{minute % 60:02} on a {weekday}, the {day + 1}. of the month."]
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        if text() not in DOCUMENT.read_text():
            sys.exit(f"docs/SCALE.md has another table than tests/scale/scale.py prints:\n{text()}")
        print("docs/SCALE.md has the table as it is calculated")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        print(text())
