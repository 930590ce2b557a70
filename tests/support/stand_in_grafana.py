"""A program in Grafana's place, for what `spanledger up` does with one; `make` unpacks it as Grafana's archives are."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from spanledger_billing.grafana.local import PLUGIN

if TYPE_CHECKING:
    from pathlib import Path

_PROGRAM = """#!{python}
import http.server, json, os, pathlib, sys
import subprocess
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], close_fds=False)
data = pathlib.Path(os.environ["GF_PATHS_DATA"])
(data / "seen.json").write_text(json.dumps({{"arguments": sys.argv[1:], "environment": dict(os.environ), "plugin": child.pid}}))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()
    def log_message(self, *_): pass
if (data / "broken").exists():
    sys.exit("no such thing as a database")
http.server.HTTPServer((os.environ["GF_SERVER_HTTP_ADDR"], int(os.environ["GF_SERVER_HTTP_PORT"])), Handler).serve_forever()
"""


def make(home: Path, name: str = "grafana", plugin: str = PLUGIN) -> Path:
    """A home with the program, its defaults and the plugin; the program."""
    for folder in ("bin", "conf", f"data/plugins/{plugin}"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    (home / "conf" / "defaults.ini").touch()
    (home / "data" / "plugins" / plugin / "plugin.json").write_text("{}")
    program = home / "bin" / name
    program.write_text(_PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    return program
