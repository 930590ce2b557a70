"""As much of Grafana's HTTP interface as sharing uses, with Grafana's answers; a real one is asked where one is."""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "password-of-the-administrator"


@dataclass
class Organisation:
    name: str
    data_sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    dashboards: dict[str, dict[str, Any]] = field(default_factory=dict)
    preferences: dict[str, Any] = field(default_factory=dict)


@dataclass
class Grafana:
    url: str = ""
    organisations: dict[int, Organisation] = field(default_factory=lambda: {1: Organisation("Main Org.")})
    healthy: bool = True
    last_number: int = 1

    def answer(
        self, method: str, path: str, query: dict[str, list[str]], org: int, body: Any
    ) -> tuple[int, Any]:
        match [method, *path.removeprefix("/api/").split("/")]:
            case ["GET", "orgs"]:
                wanted = query.get("query", [""])[0].lower()
                return 200, [
                    {"id": number, "name": each.name}
                    for number, each in self.organisations.items()
                    if wanted in each.name.lower()
                ]
            case ["POST", "orgs"]:
                if body["name"] in {each.name for each in self.organisations.values()}:
                    return 409, {"message": "Organization name taken"}
                self.last_number += 1
                self.organisations[self.last_number] = Organisation(body["name"])
                return 200, {"orgId": self.last_number, "message": "Organization created"}
            case ["DELETE", "orgs", number]:
                del self.organisations[int(number)]
                return 200, {"message": "Organization deleted"}
        inside = self.organisations[org]
        match [method, *path.removeprefix("/api/").split("/")]:
            case ["GET", "datasources"]:
                return 200, list(inside.data_sources.values())
            case ["POST", "datasources"]:
                inside.data_sources[body["uid"]] = body
                return 200, {"id": 1, "message": "Datasource added"}
            case ["PUT", "datasources", "uid", uid]:
                inside.data_sources[uid] = body
                return 200, {"id": 1, "message": "Datasource updated"}
            case ["GET", "datasources", "uid", _, "health"]:
                if self.healthy:
                    return 200, {"status": "OK", "message": "Data source is working"}
                return 200, {"status": "ERROR", "message": "dial tcp: connection refused"}
            case ["POST", "dashboards", "db"]:
                inside.dashboards[body["dashboard"]["uid"]] = body["dashboard"]
                uid = body["dashboard"]["uid"]
                return 200, {"uid": uid, "url": f"/d/{uid}/usage", "status": "success"}
            case ["PATCH", "org", "preferences"]:
                inside.preferences |= body
                return 200, {"message": "Preferences updated"}
        return 404, {"message": "Not found"}


@contextmanager
def running() -> Iterator[Grafana]:
    grafana = Grafana()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(length)
            expected = "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
            if self.headers.get("Authorization") != expected:
                status, answer = 401, {"message": "invalid username or password"}
            else:
                parts = urlsplit(self.path)
                org = int(self.headers.get("X-Grafana-Org-Id") or 1)
                body = json.loads(content) if content else None
                status, answer = grafana.answer(self.command, parts.path, parse_qs(parts.query), org, body)
            told = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self._serve
            raise AttributeError(name)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    grafana.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield grafana
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
