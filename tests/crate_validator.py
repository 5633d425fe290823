"""Judges an RO-Crate with the independent `rocrate-validator`; runs in an environment of its own.

Usage: python crate_validator.py FOLDER (with the packages `roc-validator` and `rocrate`).

The one document that a crate refers to, its JSON-LD context, is taken from the package `rocrate`,
so that nothing is asked of the network.
"""

import importlib.resources
import io
import sys
import urllib.request
from email.message import Message
from typing import Any
from urllib.response import addinfourl

CONTEXT = "https://w3id.org/ro/crate/1.1/context"


def document() -> bytes:
    """The context."""
    return importlib.resources.files("rocrate").joinpath("data/ro-crate.jsonld").read_bytes()


class Local(urllib.request.HTTPSHandler):
    """Answers for the context; refuses all else."""

    def https_open(self, req: urllib.request.Request) -> addinfourl:  # type: ignore[override]
        if req.full_url != CONTEXT:
            raise ConnectionRefusedError(req.full_url)
        headers = Message()
        headers["Content-Type"] = "application/ld+json"
        answer = addinfourl(io.BytesIO(document()), headers, req.full_url, 200)
        answer.msg = "OK"  # type: ignore[attr-defined]  # as http.client's answers have it
        return answer


def main(folder: str) -> int:
    """Prints what is wrong; returns 1 if anything is."""
    import requests
    from rocrate_validator import models, services  # type: ignore[import-not-found]

    def send(_: Any, request: Any, **__: Any) -> Any:
        """As `Local`, for what asks by `requests`."""
        if request.url != CONTEXT:
            raise requests.ConnectionError(request.url)
        answer = requests.Response()
        answer.status_code = 200
        answer.url = request.url
        answer.headers["Content-Type"] = "application/ld+json"
        answer.raw = io.BytesIO(document())
        return answer

    monkey: Any = requests.adapters.HTTPAdapter
    monkey.send = send
    urllib.request.install_opener(urllib.request.build_opener(Local))
    result = services.validate(
        services.ValidationSettings(
            rocrate_uri=folder,
            profile_identifier="ro-crate-1.1",
            requirement_severity=models.Severity.REQUIRED,
            no_cache=True,
        )
    )
    issues = result.get_issues(models.Severity.REQUIRED)
    for issue in issues:
        print(f"{issue.severity.name} {issue.check.identifier}: {issue.message}")
    return 1 if issues else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
