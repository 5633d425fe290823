"""An https server of git repositories for tests, and a git that believes its certificate."""

import base64
import contextlib
import http.server
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from services.catalog.sources.git import Git
from tests.git_repositories import ENVIRON

SECRET = "s3cret/pass%40"  # of these tests


class LenientGit(Git):
    """Believes the certificates of tests."""

    def environment(
        self, *, alternates: Path | None = None, extra: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """As without certificates."""
        return {
            **super().environment(alternates=alternates, extra=extra),
            "GIT_SSL_NO_VERIFY": "1",
            "no_proxy": "127.0.0.1",
        }


class Forge(http.server.BaseHTTPRequestHandler):
    """Redirects, or serves git over https to who knows the password."""

    protocol_version = "HTTP/1.1"
    redirect = ""
    public = False
    """Whether no password is asked for."""
    root = Path()
    seen: list[tuple[str, str]]

    def do_GET(self) -> None:
        """Answers one request."""
        self.seen.append((self.path, self.headers.get("authorization", "")))
        if self.redirect:
            self.send_response(302)
            self.send_header("location", self.redirect)
            self.send_header("content-length", "0")
            self.end_headers()
            return
        expected = base64.b64encode(f"me:{SECRET}".encode()).decode()
        if not self.public and self.headers.get("authorization") != f"Basic {expected}":
            self.send_response(401)
            self.send_header("www-authenticate", 'Basic realm="forge"')
            self.send_header("content-length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        done = subprocess.run(
            ["git", "http-backend"],
            input=body,
            check=True,
            capture_output=True,
            env={
                **ENVIRON,
                "GIT_PROJECT_ROOT": str(self.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("content-type", ""),
                "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "safe.directory",
                "GIT_CONFIG_VALUE_0": "*",
            },
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        self.send_response(200)
        for line in head.decode().split("\r\n"):
            name, _, value = line.partition(": ")
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815  # the base class's word

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's word
        """Says nothing."""


@contextlib.contextmanager
def forge(
    folder: Path, *, root: Path, redirect: str = "", public: bool = False
) -> Iterator[tuple[int, type[Forge]]]:
    """An https server on loopback."""
    key = folder / "key.pem"
    if not key.exists():
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
                *("-subj", "/CN=localhost", "-keyout", str(key)),
                *("-out", str(folder / "certificate.pem")),
            ],
            check=True,
            capture_output=True,
        )
    settings = {"redirect": redirect, "root": root, "public": public, "seen": []}
    kind = type("OneForge", (Forge,), settings)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1], kind
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
