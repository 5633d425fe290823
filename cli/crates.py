"""RO-Crate metadata: what is in an export, for programs that know nothing of ACKREP.

Source: RO-Crate 1.1 (https://w3id.org/ro/crate/1.1), with the terms of its chapter on provenance
(`CreateAction` with `instrument`, `object` and `result`).
"""

import base64
import json
import mimetypes
import re
import urllib.parse
from pathlib import Path
from typing import Any, Final

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2
from cli import documents, verdicts

NAME: Final = "ro-crate-metadata.json"
_CONTEXT: Final = "https://w3id.org/ro/crate/1.1/context"
_CRATE: Final = "https://w3id.org/ro/crate/1.1"
_KINDS: Final = {
    "run.py": "runs the entity again with plain Python",
    "record.json": "signed record of the check (DSSE, in-toto)",
    "public_key.pem": "key that the record is signed with",
    "requirements.txt": "versions of all packages that the check ran with",
    "history.json": "earlier checks of the entity, newest first",
    "README.md": "what this is",
}
_PERSON: Final = re.compile(r"\s*(.*?)\s*<[^>]*>\s*|\s*(.*?)\s*")


def payload(envelope: str) -> bytes:
    """The statement in an envelope of ours, whose signature is not looked at."""
    return base64.b64decode(json.loads(envelope)["payload"])


def readme(entity: catalog_pb2.Entity, check: check_pb2.Check) -> str:
    """What the export is, for people."""
    word = verdicts.word(check.verdict)
    return f"""# {entity.key}: {entity.title}

{entity.short_description}

Checked by ACKREP on {check.finish_time.ToDatetime():%Y-%m-%d %H:%M} UTC: **{word.label}**.

Run it again, in a Python with the versions that it was checked with:

    python -m venv venv
    venv/bin/pip install -r requirements.txt
    venv/bin/python run.py

Prove that nothing was changed since, and who says so:

    ackrep verify .

- `data/`: the entity and all that it depends on, as in the data repository.
- `results/`: what the check produced; `record.json`: its signed record.
- `history.json`: earlier checks. `SHA256SUMS`: digests of all files, for `sha256sum -c`.
"""


def write(
    folder: Path,
    *,
    entity: catalog_pb2.Entity,
    check: check_pb2.Check,
    closure: catalog_pb2.Closure,
) -> None:
    """Writes the metadata of everything that lies in the folder."""
    graph = _graph(folder, entity=entity, check=check, closure=closure)
    text = json.dumps({"@context": _CONTEXT, "@graph": graph}, indent=1, ensure_ascii=False)
    (folder / NAME).write_text(text + "\n", encoding="utf-8")


def _graph(
    folder: Path,
    *,
    entity: catalog_pb2.Entity,
    check: check_pb2.Check,
    closure: catalog_pb2.Closure,
) -> list[dict[str, Any]]:
    finished = check.finish_time.ToDatetime().strftime("%Y-%m-%dT%H:%M:%SZ")
    files = [_file(folder, path) for path in sorted(folder.rglob("*")) if path.is_file()]
    folders = [
        {
            "@id": _identifier(f"data/{one.path}/"),
            "@type": "Dataset",
            "name": f"{documents.last(one.entity)} ({documents.entity_type(one.type)})",
            "identifier": documents.last(one.entity),
        }
        for one in closure.folders
    ]
    author = _author(entity)
    root: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"{entity.key}: {entity.title}",
        "description": entity.short_description or entity.title or entity.key,
        "identifier": entity.key,
        "datePublished": finished,
        "license": {"@id": "#license"},
        "hasPart": [{"@id": one["@id"]} for one in (*folders, *files)],
        "mentions": {"@id": f"#{check.name}"},
    }
    if author:
        root["author"] = {"@id": author["@id"]}
    results = [{"@id": one["@id"]} for one in files if one["@id"].startswith("results/")]
    word = verdicts.word(check.verdict)
    action: dict[str, Any] = {
        "@id": f"#{check.name}",
        "@type": "CreateAction",
        "name": f"check of {entity.key}: {word.label}",
        "description": check.result.message,
        "startTime": check.start_time.ToJsonString() if check.start_time.seconds else finished,
        "endTime": check.finish_time.ToJsonString(),
        "actionStatus": {
            "@id": "http://schema.org/CompletedActionStatus"
            if check.verdict == check_pb2.VERDICT_SUCCESS
            else "http://schema.org/FailedActionStatus"
        },
        "instrument": {"@id": "run.py"},
        "object": [{"@id": one["@id"]} for one in folders],
        "result": results,
    }
    return [
        {
            "@id": NAME,
            "@type": "CreativeWork",
            "conformsTo": {"@id": _CRATE},
            "about": {"@id": "./"},
        },
        root,
        *folders,
        *files,
        *([author] if author else []),
        {
            "@id": "#license",
            "@type": "CreativeWork",
            "name": "As its authors say",
            "description": "The license of the data repository that this entity is from.",
        },
        action,
    ]


def _file(folder: Path, path: Path) -> dict[str, Any]:
    name = path.relative_to(folder).as_posix()
    kind, _ = mimetypes.guess_type(name)
    found: dict[str, Any] = {
        "@id": _identifier(name),
        "@type": ["File", "SoftwareSourceCode"] if name == "run.py" else "File",
        "name": path.name,
        "contentSize": str(path.stat().st_size),
        "encodingFormat": kind or "application/octet-stream",
    }
    if name in _KINDS:
        found["description"] = _KINDS[name]
    return found


def _identifier(name: str) -> str:
    """A path as a relative URI reference."""
    return urllib.parse.quote(name)


def _author(entity: catalog_pb2.Entity) -> dict[str, Any] | None:
    found = _PERSON.fullmatch(entity.creator)
    name = (found[1] or found[2]) if found else ""
    return {"@id": "#author", "@type": "Person", "name": name} if name else None
