"""A stand-in for the model hub: a real HTTP server that serves folders as `huggingface_hub` expects them.

It knows repositories with revisions, file lists, downloads (whole or from a byte on), a search, renamed
repositories, and the ways in which a hub refuses or breaks.
"""

import hashlib
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Repository:
    """A model or data set: a folder per revision."""

    tags: tuple[str, ...] = ()
    downloads: int = 0
    likes: int = 0
    folders: dict[str, Path] = field(default_factory=dict)

    def commit(self, revision: str) -> str | None:
        """The commit behind a branch, or the commit itself; None where there is no such revision."""
        commits = {branch: _commit(folder) for branch, folder in self.folders.items()}
        return commits.get(revision) or (revision if revision in commits.values() else None)

    def files(self, commit: str) -> dict[str, Path]:
        folder = next(folder for folder in self.folders.values() if _commit(folder) == commit)
        return {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}


def _commit(folder: Path) -> str:
    digest = hashlib.sha1(str(folder).encode())
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


class HubServer:
    """Serves what was added, until stopped; a context manager.

    Set `status` to have every request fail so, or `body` to have it answered so; add to `gated` an id that
    needs a token; count in `cut` the downloads of a file that are to break off half way; `file_status` fails
    them.
    """

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.renamed: dict[str, str] = {}
        self.gated: set[str] = set()
        self.status: int | None = None
        self.body: bytes | None = None
        self.cut: dict[str, int] = {}
        self.file_status: dict[str, int] = {}
        self.requests: list[str] = []
        self.page_size = 1000
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.hub = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._running = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(self, name: str, folder: Path, kind: str = "models", revision: str = "main", **facts: Any) -> str:
        """Serve a folder as a repository's revision; its commit is returned."""
        repository = self.repositories.setdefault((kind, name), Repository(**facts))
        repository.folders[revision] = folder
        return _commit(folder)

    def downloads(self) -> set[str]:
        """The names of the files that were fetched, without their bodies being asked about only."""
        return {match[1] for request in self.requests if (match := re.search(r"^GET .*/resolve/[^/]+/(.*)", request))}

    def __enter__(self) -> "HubServer":
        self._thread.start()
        self._running = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the port; later requests are refused."""
        if self._running:
            self._running = False
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    # HTTP/1.0, a connection per request: nothing is answered once the port is closed.

    @property
    def hub(self) -> HubServer:
        return self.server.hub  # type: ignore[attr-defined]

    def log_message(self, *args: Any) -> None:
        """Say nothing on the terminal."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        if path == "/api/agent-harnesses":  # something the client asks about itself
            self._answer(404)
            return
        self.hub.requests.append(f"{self.command} {path}")
        if self.hub.body is not None:
            self._answer(200, self.hub.body)
        elif self.hub.status is not None:
            self._answer(self.hub.status, b"{}")
        elif path == "/api/models":
            self._search(parse_qs(parts.query))
        elif match := re.fullmatch(r"/api/(models|datasets)/(.+?)(?:/(revision|tree)/(.+))?", path):
            self._api(*match.groups())
        elif match := re.fullmatch(r"/(datasets/)?(.+?)/resolve/([^/]+)/(.+)", path):
            self._file((match[1] or "models").rstrip("/"), match[2], match[3], match[4])
        else:
            self._answer(404)

    def _api(self, kind: str, name: str, asked: str | None, revision: str | None) -> None:
        found = self._find(kind, name, revision or "main")
        if found is None:
            return
        repository, commit = found
        files = repository.files(commit)
        if asked == "tree":
            self._json(
                [
                    {"type": "file", "path": path, "size": file.stat().st_size, "oid": _etag(file)}
                    for path, file in files.items()
                ]
            )
            return
        self._json(
            {
                "id": name,
                "sha": commit,
                "tags": list(repository.tags),
                "siblings": [{"rfilename": path} for path in files],
            }
        )

    def _find(self, kind: str, name: str, revision: str) -> tuple[Repository, str] | None:
        """A repository at a revision, or None once the refusal is sent."""
        if new := self.hub.renamed.get(name):
            self._answer(307, headers={"Location": self.path.replace(name, new)})
            return None
        repository = self.hub.repositories.get((kind, name))
        if repository is None:
            self._answer(404, headers={"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
            return None
        commit = repository.commit(revision)
        if commit is None:
            self._answer(404, headers={"X-Error-Code": "RevisionNotFound"})
            return None
        return repository, commit

    def _file(self, kind: str, name: str, revision: str, path: str) -> None:
        found = self._find(kind, name, revision)
        if found is None:
            return
        if name in self.hub.gated:
            self._answer(403, headers={"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"})
            return
        repository, commit = found
        file = repository.files(commit).get(path)
        headers = {"X-Repo-Commit": commit}
        if file is None:
            self._answer(404, headers={**headers, "X-Error-Code": "EntryNotFound"})
            return
        if self.command == "GET" and path in self.hub.file_status:
            self._answer(self.hub.file_status[path])
            return
        content = file.read_bytes()
        headers |= {"ETag": f'"{_etag(file)}"', "Accept-Ranges": "bytes"}
        status = 200
        if match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            start = int(match[1])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content, status = content[start:], 206
        is_cut = self.command == "GET" and self.hub.cut.get(path, 0) > 0
        if is_cut:
            self.hub.cut[path] -= 1
        self._answer(status, content, headers, sent=len(content) // 2 if is_cut else None)

    def _search(self, query: Mapping[str, list[str]]) -> None:
        wanted, words = set(query.get("filter", [])), query.get("search", [""])[0]
        start, limit = int(query.get("start", ["0"])[0]), int(query.get("limit", ["1000"])[0])
        found = sorted(
            (
                (name, repository)
                for (kind, name), repository in self.hub.repositories.items()
                if kind == "models" and words in name and wanted <= set(repository.tags)
            ),
            key=lambda pair: -pair[1].downloads,
        )
        end = start + min(limit, self.hub.page_size)
        more = [f"expand={name}" for name in query.get("expand", [])]
        following = "&".join([*(f"filter={tag}" for tag in sorted(wanted)), *more, f"search={words}", f"start={end}"])
        self._json(
            [
                {"id": name, "downloads": model.downloads, "likes": model.likes}
                | ({"tags": list(model.tags)} if not query.get("expand") else self._expanded(model, query["expand"]))
                for name, model in found[start:end]
            ],
            {"Link": f'<{self.hub.url}/api/models?{following}>; rel="next"'} if end < len(found) else {},
        )

    def _expanded(self, model: Repository, wanted: list[str]) -> dict[str, Any]:
        """What is told of a model where more than the usual is asked for: that, and nothing of the usual."""
        files = model.files(str(model.commit("main")))
        config = json.loads(files["config.json"].read_text()) if "config.json" in files else {}
        told = {
            "config": {key: config[key] for key in ("architectures", "model_type") if key in config},
            "siblings": [{"rfilename": path} for path in files],
            "tags": list(model.tags),
        }
        return {name: told[name] for name in wanted if name in told}

    def _json(self, value: Any, headers: Mapping[str, str] | None = None) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _answer(
        self,
        status: int,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        sent: int | None = None,
    ) -> None:
        """Send an answer; of its body `sent` bytes if the connection is to break."""
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body if sent is None else body[:sent])


def _etag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()
