"""Media types of artefacts: an allow-list, so that no check chooses how a browser reads a file."""

OTHER = "application/octet-stream"
LOG = "application/x-ndjson"
"""Of logs: a JSON object per line."""

_BY_ENDING = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".csv": "text/csv; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".log": "text/plain; charset=utf-8",
}
_BY_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"%PDF-": "application/pdf",
}


def content_type_of(path: str) -> str:
    """Gives the media type of a file by the ending of its path."""
    name = path.rsplit("/", 1)[-1].lower()
    stem, dot, ending = name.rpartition(".")
    return _BY_ENDING.get(dot + ending, OTHER) if stem else OTHER


def sniffed(head: bytes) -> str:
    """Gives the media type of a file of unknown path: only types that cannot hold a script."""
    return next((kind for magic, kind in _BY_MAGIC.items() if head.startswith(magic)), OTHER)
