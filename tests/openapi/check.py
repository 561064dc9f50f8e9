"""The licence API as docs/openapi.json describes it, against `tegata dev`.

1. The file is served as it is.
2. Known requests get the documented status, and an answer that the document allows.
3. schemathesis generates requests, valid ones and invalid ones, and holds every answer to the document.
4. Answers with one planted mistake each are found, by 2 and by schemathesis.
5. With ANSWERS, the file that the contract's tests wrote (tests/licensing/lookup.rs, TEGATA_ANSWERS): their answers
   are as the document allows, and one with a member renamed is not.

usage: python tests/openapi/check.py TEGATA [ANSWERS]
"""

import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests
import schemathesis

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = json.loads((ROOT / "docs/openapi.json").read_text())
GET = "/v1/products/{product}/domains/{domain}/license"
SERIAL = "SAMP-LEON-LYSA-MPLE-ONLY"
PLUGIN_ID = "abcdefghijklmnopabcdefghijklmnop"


def get(domain, product="sheet", query="", **headers):
    return "GET", GET.format(product=product, domain=domain) + query, headers, None


def post(body, **headers):
    text = body if isinstance(body, str) else json.dumps(body)
    return "POST", "/license", {"Content-Type": "application/json", **headers}, text


def sample(domain, plugin_id=PLUGIN_ID):
    return post({"domain": domain, "pluginId": plugin_id})


# What is asked, and the status.
CASES = [
    *((get(f"{name}.cybozu.com"), 200) for name in ("example", "grace", "expired", "suspended", "not-started")),
    (get("Example.s.Cybozu.com:443", query="?version=1.9.0"), 200),
    (get("example.cybozu.com", **{"X-License-Serial": SERIAL}), 200),
    (get("example.cybozu.com", "gantt", **{"X-License-Serial": SERIAL.lower()}), 200),
    (get("example.cybozu.com", Origin="https://example.cybozu.com"), 200),
    (get("example.cybozu.com", "gantt"), 404),
    (get("stranger.cybozu.com"), 404),
    (get("example.cybozu.com", **{"X-License-Serial": "WRONG-WRONG-WRONG-WRONG"}), 404),
    (get("example.cybozu.com", **{"X-License-Serial": "short"}), 400),
    (get("example.cybozu.com", query="?version=1%200"), 400),
    (get("example.cybozu.com", query="?serial=1"), 400),
    (get("example.com"), 400),
    (get("example.cybozu.com", "SHEET"), 400),
    (get("example.cybozu.com", Origin="https://other.cybozu.com"), 403),
    *((sample(f"{name}.cybozu.com"), 200) for name in ("example", "grace", "expired", "suspended", "not-started", "stranger")),
    (sample("example.cybozu.com", "no-id"), 400),
    (post("{"), 400),
    (post({}), 400),
    (post({"domain": "example.cybozu.com", "pluginId": PLUGIN_ID}, Origin="https://other.cybozu.com"), 403),
]

# Mistakes of a service: the name, and what it does to an answer's status, headers and body.
MISTAKES = {
    "a member is renamed": lambda status, headers, body: (status, headers, body.replace(b'"valid_until"', b'"expires"').replace(b'"message"', b'"text"')),
    "an instant without an offset": lambda status, headers, body: (status, headers, re.sub(rb'(T\d\d:\d\d:\d\d)[+-]\d\d:\d\d', rb"\1", body)),
    "a code that is not documented": lambda status, headers, body: (status, headers, body.replace(b'"code":"VALID"', b'"code":"ACTIVE"')),
    "something internal in an error": lambda status, headers, body: (status, headers, body.replace(b'"title"', b'"stack":"at main.rs","title"') if status >= 400 else body),
    "an error as a web page": lambda status, headers, body: (status, {**headers, "content-type": "text/html"} if status >= 400 else headers, body),
    "a denial that a cache may keep": lambda status, headers, body: (status, {**headers, "cache-control": "max-age=60"} if status >= 400 else headers, body),
    "a status that is not documented": lambda status, headers, body: (402 if status == 404 else status, headers, body),
    "users as a text": lambda status, headers, body: (status, headers, re.sub(rb'"users":(\d+)', rb'"users":"\1"', body)),
}


class Proxy(ThreadingHTTPServer):
    """`tegata dev`, with a mistake in each of its answers."""

    def __init__(self, address, mistake):
        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "content-length")}
                real = requests.request(self.command, address + self.path, headers=headers, data=self.rfile.read(length) or None)
                status, headers, body = mistake(real.status_code, dict(real.headers.lower_items()), real.content)
                self.send_response(status)
                for name, value in headers.items():
                    if name not in ("content-length", "transfer-encoding", "connection", "date"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


def deviations(address):
    """The cases whose answer is not as documented."""
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    found = []
    for (method, path, headers, body), status in CASES:
        operation = schema["/license" if method == "POST" else GET][method]
        response = requests.request(method, address + path, headers=headers, data=body)
        what = f"{method} {path} {headers} {body or ''}"
        try:
            assert response.status_code == status, f"{response.status_code} instead of {status}"
            # What was sent is in the response; the case only has to be complete.
            parameters = {"product": "sheet", "domain": "example.cybozu.com"} if method == "GET" else {}
            operation.Case(path_parameters=parameters, headers=headers).validate_response(response)
        except (Exception, BaseExceptionGroup) as error:
            found.append(f"{what}: {error}")
    return found


def validate_recorded(lines):
    """The recorded answers that are not as documented; preflights have no body and are not in the document."""
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    found, statuses = [], collections.Counter()
    for line in lines:
        answer = json.loads(line)
        method = answer["method"]
        if method == "OPTIONS":
            continue
        path = "/license" if method == "POST" else GET
        response = schemathesis.Response(
            status_code=answer["status"],
            headers={name: [value] for name, value in answer["headers"].items()},
            content=json.dumps(answer["body"]).encode(),
            request=requests.Request(method, "https://license-api.example.com/").prepare(),
            elapsed=0.0,
            verify=True,
        )
        try:
            assert str(answer["status"]) in DOCUMENT["paths"][path][method.lower()]["responses"], "an undocumented status"
            schema[path][method].validate_response(response)
        except (Exception, BaseExceptionGroup) as error:
            found.append(f"{line}: {error}")
        statuses[f"{method} {answer['status']}"] += 1
    return found, statuses


def check_recorded(path):
    lines = pathlib.Path(path).read_text().splitlines()
    found, statuses = validate_recorded(lines)
    assert not found, "\n".join(found)
    expected = {f"{method} {status}" for method in ("GET", "POST") for status in (200, 400, 403, 503)} | {"GET 404"}
    assert expected <= statuses.keys(), f"not among the answers: {expected - statuses.keys()}"
    renamed = [line.replace('"valid_until"', '"expires"') for line in lines]
    assert validate_recorded(renamed)[0], "a renamed member is not found"
    print(f"openapi: {statuses.total()} answers of the contract's tests are as documented")


def generate(address, count):
    """Runs schemathesis; its exit code and what it printed."""
    run = subprocess.run(
        [
            *(pathlib.Path(sys.executable).with_name("st"), "--config-file", pathlib.Path(__file__).resolve().with_name("schemathesis.toml")),
            *("run", ROOT / "docs/openapi.json", "--url", address),
            *("--max-examples", str(count), "--seed", os.environ.get("TEGATA_SEED", "1"), "--phases", "examples,coverage,fuzzing"),
        ],
        capture_output=True,
        text=True,
        cwd=tempfile.gettempdir(),
    )
    return run.returncode, run.stdout + run.stderr


def main(tegata, answers=None):
    if answers:
        check_recorded(answers)
    with tempfile.TemporaryDirectory() as place:
        dev = subprocess.Popen([tegata, f"--local={place}/place", "dev", "--port", "0"], stdout=subprocess.PIPE, text=True)
        try:
            address = next(found[1] for found in (re.search(r"(http://127\.0\.0\.1:\d+)", line) for line in dev.stdout) if found)
            # What it prints of each request.
            threading.Thread(target=dev.stdout.read, daemon=True).start()
            assert requests.get(f"{address}/openapi.json").json() == DOCUMENT, "the document is not served as it is"
            found = deviations(address)
            assert not found, "\n".join(found)
            print(f"openapi: {len(CASES)} known requests are answered as documented")

            code, text = generate(address, 100)
            assert code == 0, text
            generated = re.search(r"(\d+) generated", text)[1]
            print(f"openapi: {generated} generated requests, 0 failures, {re.search('Seed: .*', text)[0].lower()}")

            for name, mistake in MISTAKES.items():
                proxy = Proxy(address, mistake)
                found = deviations(proxy.address)
                proxy.shutdown()
                assert found, f"not found by known requests: {name}"
            for name in list(MISTAKES)[:1]:
                proxy = Proxy(address, MISTAKES[name])
                code, text = generate(proxy.address, 10)
                proxy.shutdown()
                assert code == 1, f"not found by schemathesis: {name}\n{text}"
            print(f"openapi: {len(MISTAKES)} planted mistakes are found")
        finally:
            dev.terminate()
            dev.wait()


main(*sys.argv[1:])
