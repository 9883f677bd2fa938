"""A model hub with one data set, on this machine: what the datasets library asks for, no more."""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pyarrow
import pyarrow.parquet

REVISION = "a" * 40
NAME = "Salesforce/wikitext"
CARD = """---
configs:
- config_name: wikitext-2-raw-v1
  data_files: [{split: train, path: data/train-*}]
- config_name: wikitext-103-raw-v1
  data_files: [{split: train, path: data/train-*}]
---
"""


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server of one's own while the block runs; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def hub(rows: list[str]) -> type[BaseHTTPRequestHandler]:
    table = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"text": rows}), table)
    files = {"README.md": CARD.encode(), "data/train-0.parquet": table.getvalue()}

    def entry(path: str) -> dict[str, object]:
        digest = hashlib.sha1(files[path]).hexdigest()
        return {"type": "file", "path": path, "oid": digest, "size": len(files[path])}

    class Hub(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = unquote(self.path.split("?")[0])
            if found := re.fullmatch(rf"/datasets/{NAME}/resolve/[^/]+/(.+)", path):
                self.file(found[1])
            elif found := re.fullmatch(rf"/api/datasets/{NAME}/tree/[^/]+(?:/(.+))?", path):
                folder = {"type": "directory", "path": "data", "oid": "0" * 40, "size": 0}
                inside = [entry(f) for f in files if found[1] and f.startswith(found[1] + "/")]
                self.json(inside or [entry("README.md"), folder])
            elif re.fullmatch(rf"/api/datasets/{NAME}(/revision/.*)?", path):
                siblings = [{"rfilename": name} for name in files]
                self.json({"id": NAME, "sha": REVISION, "siblings": siblings, "tags": []})
            else:
                self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})

        def file(self, name: str) -> None:
            if name not in files:
                self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
                return
            data = files[name]
            headers = {"X-Repo-Commit": REVISION, "ETag": f'"{entry(name)["oid"]}"'}
            part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if part is None:
                self.answer(200, data, headers)
                return
            first, last = int(part[1]), int(part[2] or len(data) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            self.answer(206, data[first : last + 1], headers)

        def json(self, value: object) -> None:
            self.answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

        def answer(self, code: int, data: bytes, headers: dict[str, str]) -> None:
            self.send_response(code)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

    return Hub
