"""Adds up a day of the archive with DuckDB: the records of the function and of the gateway joined by
request, counted by product, tenant, code and version.

It does less than the roll-up, which the benchmark `usage` compares it with: it neither checks the
objects nor removes records that were delivered twice, and makes no histogram of latencies.

usage: roll_up_by_duckdb.py ARCHIVE DATE THREADS

Prints a JSON object: seconds, peak_mb (resident memory) and rows ([product, domain, code, version,
requests]), sorted. Needs the package duckdb (pip install duckdb).
"""

import json
import resource
import sys
import time

import duckdb

archive, date, threads = sys.argv[1:]


def records(source, columns):
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
    files = f"{archive}/source={source}/dt={date}/*.ndjson.gz"
    return f"read_json('{files}', format = 'newline_delimited', columns = {{{columns}}})"


lookup = records("lookup", {
    "request_id": "VARCHAR", "product": "VARCHAR", "domain": "VARCHAR", "version": "VARCHAR", "code": "VARCHAR",
})
gateway = records("gateway", {"request_id": "VARCHAR", "time": "TIMESTAMP", "status": "USMALLINT"})

database = duckdb.connect()
database.execute(f"SET threads = {int(threads)}")
started = time.perf_counter()
rows = database.execute(f"""
    SELECT product, domain, code, version, count(*), min(time), max(time), count(*) FILTER (status >= 500)
    FROM {lookup} AS lookup FULL JOIN {gateway} AS gateway USING (request_id)
    GROUP BY product, domain, code, version
""").fetchall()
seconds = time.perf_counter() - started

json.dump({
    "seconds": seconds,
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    "rows": sorted(list(row[:5]) for row in rows),
}, sys.stdout)
