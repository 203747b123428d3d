"""A Hub in miniature for tests: repositories out of folders, gated ones, and the headers that huggingface_hub reads."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_accepted"


class HubServer(ThreadingHTTPServer):
    """Serves the folders `root/owner/name`; those that `gated` names only to the token `TOKEN`."""

    def __init__(self, root: Path, gated: set[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root, self.gated = root, gated

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def stop(self) -> None:
        """Ends the service, so that the next request finds nobody."""
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: HubServer

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = self.path.split("?")[0]
        if path == "/stop":
            self._send(200, b"", {}, False)
            threading.Thread(target=self.server.stop).start()
            return
        found = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+).*)?", path)
        if found:
            self._describe(found[1], found[2], body)
            return
        found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        repository, name = (found[1], found[3]) if found else ("", "")
        file = self.server.root / repository / name
        if not (self.server.root / repository).is_dir():
            self._refuse(404, "RepoNotFound", "Repository not found")
        elif repository in self.server.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            status = 403 if self.headers.get("Authorization") else 401
            self._refuse(status, "GatedRepo", f"Access to model {repository} is restricted")
        elif not file.is_file():
            self._refuse(404, "EntryNotFound", "Entry not found")
        else:
            content = file.read_bytes()
            headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
            self._send(200, content, headers, body)

    def _describe(self, repository: str, what: str | None, body: bool) -> None:
        folder = self.server.root / repository
        if not folder.is_dir():
            self._refuse(401 if not self.headers.get("Authorization") else 404, "RepoNotFound", "Repository not found")
            return
        files = [path for path in sorted(folder.iterdir()) if path.is_file()]
        if what == "tree":
            answer: object = [
                {
                    "type": "file",
                    "path": path.name,
                    "size": path.stat().st_size,
                    "oid": hashlib.sha1(path.name.encode()).hexdigest(),
                }
                for path in files
            ]
        else:
            answer = {"id": repository, "sha": COMMIT, "siblings": [{"rfilename": path.name} for path in files], "tags": []}
        self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"}, body)

    def _refuse(self, status: int, code: str, message: str) -> None:
        self._send(status, b"", {"X-Error-Code": code, "X-Error-Message": message}, False)

    def _send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass
