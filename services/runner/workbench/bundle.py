"""The workbench as one zip, sent into a session's container when it starts.

A zip of its own, beside that of the harness: the harness's digest is the runtime version in every
result's inputs, which a change of the workbench must not change.
"""

import functools
import io
import struct
import zipfile
from pathlib import Path
from typing import Final

from services.runner.sessions import bundle as harness

_RUNTIME: Final = Path(__file__).parents[1] / "runtime"
_PACKAGE: Final = "boot/ackrep_runtime"
_ENTRY: Final = ("ackrep_harness.supervisor", "ackrep_runtime.workbench.program")


@functools.cache
def bundle() -> bytes:
    """The zip: harness and workbench as one package, and what entities import."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive,
        zipfile.ZipFile(io.BytesIO(harness.bundle())) as given,
    ):
        for info in given.infolist():
            if info.filename.startswith("site/"):
                archive.writestr(info, given.read(info))
        _add(archive, f"{_PACKAGE}/__init__.py", b"")
        for name in ("harness", "workbench"):
            for path in sorted((_RUNTIME / name).glob("*.py")):
                _add(archive, f"{_PACKAGE}/{name}/{path.name}", path.read_bytes())
    return out.getvalue()


def greeting() -> bytes:
    """What to write to the container's stdin: the length of the zip and the zip."""
    return struct.pack(">I", len(bundle())) + bundle()


def command() -> list[str]:
    """The command of the container: it becomes the workbench once it has read `greeting()`."""
    return [
        part.replace(*_ENTRY) if part == harness.BOOTSTRAP else part for part in harness.command()
    ]


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.external_attr = 0o644 << 16
    archive.writestr(info, content)
