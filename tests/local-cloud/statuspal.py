"""Statuspal's API (v2), as far as incidents need it: it refuses what Statuspal refuses, and what it is
not known to take. Where that is known from: tests/data/README.md."""

import http.server
import json
import re
import threading
import urllib.parse

SUBDOMAIN = "sample"

# Kinds of updates that both Statuspal's own first data and its documentation or accounts have.
# "identified" is in neither.
UPDATE_TYPES = {"issue", "investigating", "monitoring", "resolved", "scheduled"}
INCIDENT_TYPES = {"major", "minor", "scheduled"}

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


class Refused(Exception):
    """The status of an answer, and what it says."""


class StatusPage:
    """A page. `posts` and `puts` are what was asked for, `incidents` what it has become; `fails` says of the
    next of them that are answered with 500 whether they are kept all the same."""

    def __init__(self, key):
        page = self
        self.incidents, self.posts, self.puts, self.fails = [], [], [], []

        class Api(http.server.BaseHTTPRequestHandler):
            def answer(self, status, body):
                body = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def handle_with(self, handler, *arguments):
                try:
                    if self.headers["Authorization"] != key:
                        raise Refused(401, "the key as it is, without a scheme")
                    url = urllib.parse.urlsplit(self.path)
                    parts = url.path.split("/")[1:]
                    if parts[:3] != ["status_pages", SUBDOMAIN, "incidents"]:
                        raise Refused(404, url.path)
                    self.answer(*handler(parts[3:], urllib.parse.parse_qs(url.query), *arguments))
                except Refused as refused:
                    status, reason = refused.args
                    self.answer(status, {"errors": reason})

            def do_GET(self):
                self.handle_with(page.get)

            def do_POST(self):
                self.write(page.post)

            def do_PUT(self):
                self.write(page.put)

            def write(self, handler):
                content = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers["Content-Type"] != "application/json":
                    return self.answer(415, {})
                self.handle_with(handler, json.loads(content))

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}"

    def get(self, path, query):
        if not path:
            require(set(query) <= {"limit", "type", "before", "after"}, "query", query)
            [limit] = query.get("limit", ["20"])
            require(limit.isdecimal() and 1 <= int(limit) <= 100, "limit", limit)
            # With an offset; where one incident is told, without. Both are seen in the field.
            listed = [{**of, "starts_at": f"{of['starts_at']}Z"} for of in self.incidents[::-1][: int(limit)]]
            links = {"prev": None, "next": None}
            return 200, {"incidents": listed, "links": links, "meta": {"total_count": len(self.incidents)}}
        return 200, {"incident": self.incident(path)}

    def incident(self, path):
        number = path[0]
        if len(path) > 1 or not number.isdecimal() or not 1 <= int(number) <= len(self.incidents):
            raise Refused(404, path)
        return self.incidents[int(number) - 1]

    def by_hand(self, **fields):
        """An operator posts an entry on Statuspal's own pages."""
        incident = {"ends_at": None, "notify": False, "updates": [], **fields, "id": len(self.incidents) + 1}
        self.incidents.append(incident)
        return incident

    def put(self, path, query, body):
        """Changes an entry: the fields that are named. An entry without services is refused, so they are
        always named. That an update of type `resolved` ends an entry is not known of the API."""
        self.puts.append(body)
        is_kept = self.fails.pop(0) if self.fails else None
        if is_kept is False:
            raise Refused(500, "so sorry")
        require(not query, "query", query)
        incident = self.incident(path)
        require(set(body) == {"incident"}, "incident", body)
        known = {"title", "type", "service_ids", "notify", "starts_at", "ends_at"}
        require(set(body["incident"]) <= known, "unknown members", set(body["incident"]) - known)
        require("service_ids" in body["incident"], "service_ids", body)
        changed = {**incident, **body["incident"]}
        check_incident(changed)
        incident.update(changed)
        if is_kept:
            raise Refused(500, "so sorry")
        return 200, {"incident": incident}

    def post(self, path, query, body):
        self.posts.append(body)
        is_kept = self.fails.pop(0) if self.fails else None
        if is_kept is False:
            raise Refused(500, "so sorry")
        require(not query, "query", query)
        if not path:
            require(set(body) == {"incident"}, "incident", body)
            incident = {"ends_at": None, **body["incident"], "id": len(self.incidents) + 1}
            check_incident(incident)
            self.incidents.append(incident)
            answer = {"incident": incident}
        elif path[1:] == ["updates"]:
            incident = self.incident(path[:1])
            require(set(body) == {"update"}, "update", body)
            check_update(body["update"])
            incident["updates"].append(body["update"])
            answer = {"update": body["update"]}
        else:
            raise Refused(404, path)
        if is_kept:
            raise Refused(500, "so sorry")
        return 201, answer


def check_incident(incident):
    known = {"id", "title", "type", "service_ids", "notify", "starts_at", "ends_at", "updates"}
    require(set(incident) <= known, "unknown members", set(incident) - known)
    require(is_text(incident.get("title")), "title", incident)
    require(incident.get("type") in INCIDENT_TYPES, "type", incident)
    services = incident.get("service_ids")
    require(services and all(type(of) is int for of in services), "service_ids", services)
    require(type(incident.get("notify")) is bool, "notify", incident)
    require(is_instant(incident.get("starts_at")), "starts_at", incident)
    ends_at = incident["ends_at"]
    is_planned = incident["type"] == "scheduled"
    require(is_instant(ends_at) if is_planned else ends_at is None or is_instant(ends_at), "ends_at", ends_at)
    require(ends_at is None or ends_at >= incident["starts_at"], "ends_at", ends_at)
    for update in incident.get("updates") or [{}]:
        check_update(update)


def check_update(update):
    known = {"type", "description", "posted_at", "notify"}
    require(set(update) <= known, "unknown members", set(update) - known)
    require(update.get("type") in UPDATE_TYPES, "update type", update)
    require(is_text(update.get("description")), "description", update)
    require(type(update.get("notify")) is bool, "notify", update)
    require("posted_at" not in update or is_instant(update["posted_at"]), "posted_at", update)


def require(holds, what, found):
    if not holds:
        raise Refused(422, {what: str(found)})


def is_text(value):
    return isinstance(value, str) and value.strip() != ""


def is_instant(value):
    """UTC without saying so: an offset, or fractions of a second, are not known to be taken."""
    return isinstance(value, str) and INSTANT.fullmatch(value) is not None
