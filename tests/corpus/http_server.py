"""A local code host: serves one file, honours ranges, breaks off or refuses on demand."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 4096


class Server(ThreadingHTTPServer):
    """Serves `content`; `break_after` bytes it closes the connection, once; `status` it answers in place of the file."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag, self.break_after, self.status = CONTENT, '"one"', 0, 0
        self.ranges: list[str | None] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file.tar.gz"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        if self.server.status:
            self.send_error(self.server.status)
            return
        start = 0
        if wanted and self.headers.get("If-Range") == self.server.etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        self.send_header("ETag", self.server.etag)
        self.send_header("Content-Length", str(len(self.server.content) - start))
        self.end_headers()
        limit, self.server.break_after = self.server.break_after, 0
        self.wfile.write(self.server.content[start : limit or None])

    def log_message(self, *_: object) -> None:
        pass
