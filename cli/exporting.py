"""An entity as a folder or archive that runs, and can be verified, without ACKREP."""

import contextlib
import dataclasses
import hashlib
import io
import json
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from google.protobuf import json_format

from ackrep.scheduler.v1 import check_pb2, history_pb2, history_pb2_grpc
from cli import crates, documents, downloads, execscripts
from cli.client import Client
from services.errors import AlreadyExistsError, PreconditionError

SUMS: Final = "SHA256SUMS"
"""Names every other file with its digest, as `sha256sum` writes and checks it."""
RECORD: Final = "record.json"
PUBLIC_KEY: Final = "public_key.pem"
DATA: Final = "data"
RESULTS: Final = "results"
_HISTORY: Final = 500


@dataclasses.dataclass(frozen=True)
class Exported:
    """What was written."""

    check: str
    files: int
    size: int
    """Bytes of all files."""


async def export(client: Client, check: check_pb2.Check, *, target: Path) -> Exported:
    """Writes the export of one check to a folder, or to a file `….zip` or `….tar.gz`.

    Raises:
        AlreadyExistsError: There is something at the target.
        PreconditionError: The check has no verdict yet, or its state of the data is gone.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise AlreadyExistsError(f"{target} is there already; name another one with --output")
    with tempfile.TemporaryDirectory(prefix="ackrep-export-") as name:
        folder = Path(name) / documents.last(check.entity)
        folder.mkdir()
        await _fill(client, check, folder)
        _write_sums(folder)
        files = [path for path in folder.rglob("*") if path.is_file()]
        done = Exported(check.name, len(files), sum(path.lstat().st_size for path in files))
        target.parent.mkdir(parents=True, exist_ok=True)
        _deliver(folder, target)
    return done


async def _fill(client: Client, check: check_pb2.Check, folder: Path) -> None:
    if check.state != check_pb2.Check.STATE_FINISHED:
        raise PreconditionError(f"{check.name} has no verdict yet; export it when it has ended")
    key = documents.last(check.entity)
    client.revision_name = check.revision
    entity = await client.entity(key)
    plan, closure = await execscripts.plan(client, key)
    await _data(client, key, folder / DATA)
    _runtime(folder / "runtime")
    await downloads.save(client, check, folder=folder / RESULTS)
    if check.result.log:
        with open(folder / RESULTS / "log.jsonl", "wb") as file:  # noqa: ASYNC230  # as it arrives
            async for piece in client.download(check.result.log):
                file.write(piece)
    record = await client.record(check.name)
    texts = {
        "run.py": execscripts.portable_text(plan, title=entity.title),
        "requirements.txt": _requirements(record.envelope),
        RECORD: record.envelope,
        PUBLIC_KEY: (await client.signing_key()).public_key,
        "history.json": await _history(client, key),
        "README.md": crates.readme(entity, check),
    }
    for name, text in texts.items():
        (folder / name).write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    crates.write(folder, entity=entity, check=check, closure=closure)


async def _data(client: Client, key: str, folder: Path) -> None:
    """The folders of the closure, as in the data repository."""
    buffer = io.BytesIO()
    async for piece in client.archive(key):
        buffer.write(piece)
    buffer.seek(0)
    folder.mkdir()
    with tarfile.open(fileobj=buffer, mode="r:gz") as archive:
        for member in archive:
            _, _, name = member.name.partition("/")
            if "/" in name:  # not what the archive says about itself
                archive.extract(member.replace(name=name), folder, filter="data")


def _runtime(folder: Path) -> None:
    for source in execscripts.runtime_files():
        copy = folder / source.relative_to(execscripts.RUNTIME)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)


def _requirements(envelope: str) -> str:
    """The versions of all packages that the check ran with."""
    payload = json.loads(crates.payload(envelope))
    provenance = payload["predicate"]["check"].get("result", {}).get("provenance", {})
    python = provenance.get("python", "")
    head = "# What the check ran with" + (f": Python {python}" if python else "")
    return "\n".join([head, *provenance.get("packages", [])])


async def _history(client: Client, key: str) -> str:
    """All that is stored of the entity, newest first."""
    stub = history_pb2_grpc.HistoryServiceStub(client.channel("scheduler"))
    request = history_pb2.ListEntityHistoryRequest(entity=f"entities/{key}", page_size=_HISTORY)
    points: list[dict[str, Any]] = []
    while True:
        page = await client.call("scheduler", stub.ListEntityHistory, request)
        points.extend(json_format.MessageToDict(point) for point in page.points)
        if not page.next_page_token:
            return json.dumps({"entity": f"entities/{key}", "checks": points}, indent=1)
        request.page_token = page.next_page_token


def _write_sums(folder: Path) -> None:
    lines = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{digest}  {path.relative_to(folder).as_posix()}\n")
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def _deliver(folder: Path, target: Path) -> None:
    """Puts the folder where it is wanted, whole or not at all."""
    partial = target.with_name(f".{target.name}.part")
    with contextlib.suppress(FileNotFoundError):
        partial.unlink() if partial.is_file() else shutil.rmtree(partial)
    if target.name.endswith(".zip"):
        _zip(folder, partial)
    elif target.name.endswith((".tar.gz", ".tgz")):
        with tarfile.open(partial, "w:gz") as archive:
            archive.add(folder, arcname=folder.name)
    else:
        shutil.copytree(folder, partial, symlinks=True)
        if target.exists():  # an empty folder
            target.rmdir()
    partial.replace(target)


def _zip(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in _walk(folder):
            name = f"{folder.name}/{path.relative_to(folder).as_posix()}"
            info = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
            info.compress_type = zipfile.ZIP_DEFLATED
            if path.is_symlink():
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
                archive.writestr(info, str(path.readlink()))
            else:
                archive.writestr(info, path.read_bytes())


def _walk(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_symlink() or path.is_file())
