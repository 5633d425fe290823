"""Virtual environments of the process backend, made once each with `uv` and kept by digest.

A folder is complete when it holds the marker; one without it is a rest of an interrupted build and
is made again. A lock on a file beside it keeps two processes from building the same at once.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import uv

from services.errors import EnvironmentUnavailableError
from services.runner.domain.environments import Definition
from services.runner.ports import Progress

_MARKER = "ackrep.json"
_NO_DOWNLOAD = ("--no-python-downloads", "--python-preference", "system")
_LAST_LINES = 12


@dataclass(frozen=True, kw_only=True)
class VirtualEnvironment:
    """A complete virtual environment."""

    folder: Path
    digest: str
    """`sha256:…` over the installed packages and the Python version."""

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"


class VirtualEnvironments:
    """Makes and finds virtual environments below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def find(self, definition: Definition) -> VirtualEnvironment | None:
        """The complete one for a definition, or None. Raises EnvironmentUnavailableError."""
        python = await self._interpreter(definition)
        return _complete(self._path(definition, python))

    async def make(self, definition: Definition, progress: Progress) -> VirtualEnvironment:
        """Finds or makes it. Raises EnvironmentUnavailableError with uv's last lines."""
        python = await self._interpreter(definition)
        path = self._path(definition, python)
        if (found := _complete(path)) is not None:
            return found
        self._folder.mkdir(parents=True, exist_ok=True)
        async with _locked(path.with_suffix(".lock"), on_wait=lambda: progress(_WAITS, None)):
            if (found := _complete(path)) is not None:
                return found
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
            return await self._build(definition, path, python, progress)

    async def _build(
        self, definition: Definition, path: Path, python: str, progress: Progress
    ) -> VirtualEnvironment:
        name = definition.name
        requirements = definition.folder / definition.process_requirements
        wanted = sum(1 for line in requirements.read_text("utf-8").splitlines() if _names(line))

        def on_line(line: str) -> None:
            progress(f"{name}: {line}", None)

        progress(f"{name}: making a virtual environment with {python}", 0.0)
        await _uv("venv", "--python", python, *_NO_DOWNLOAD, str(path), on_line=on_line)
        progress(f"{name}: installing {wanted} packages", 0.05)
        inside = str(path / "bin" / "python")
        try:
            await _uv(
                "pip", "install", "--python", inside, "--link-mode", "copy", "-r",
                str(requirements), on_line=on_line,
            )  # fmt: skip
        except _UvError as error:
            raise EnvironmentUnavailableError(
                f"the packages of {name} cannot be installed here: {error}", environment=name
            ) from error
        frozen = await _uv("pip", "freeze", "--python", inside)
        version = await _output(inside, "-V")
        packages = sorted(line.strip() for line in frozen.splitlines() if line.strip())
        content = "\n".join([version.strip(), *packages])
        digest = "sha256:" + hashlib.sha256(content.encode()).hexdigest()
        marker = path / _MARKER
        partial = marker.with_suffix(".part")
        partial.write_text(json.dumps({"digest": digest, "packages": packages}), "utf-8")
        partial.replace(marker)
        progress(f"{name}: ready", 1.0)
        return VirtualEnvironment(folder=path, digest=digest)

    def _path(self, definition: Definition, python: str) -> Path:
        digest = hashlib.sha256(f"{python}\0{definition.python}\0".encode())
        digest.update((definition.folder / definition.process_requirements).read_bytes())
        return self._folder / f"{definition.name}-{digest.hexdigest()[:16]}"

    async def _interpreter(self, definition: Definition) -> str:
        try:
            found = await _uv(
                "python", "find", "--no-project", "--system", *_NO_DOWNLOAD, definition.python
            )
            return found.strip()
        except _UvError as error:
            listing = await _pythons()
            raise EnvironmentUnavailableError(
                f"{definition.name} asks for Python {definition.python}, and there is none on this "
                f"machine (found: {listing}). Install one, or use the Docker backend, whose image "
                "brings its own",
                environment=definition.name,
                python=definition.python,
            ) from error


_WAITS = "waiting for another process that builds the same virtual environment"


class _UvError(Exception):
    """A program failed; the text is what it said last."""


async def _uv(*arguments: str, on_line: Callable[[str], None] | None = None) -> str:
    return await _output(uv.find_uv_bin(), *arguments, on_line=on_line)


async def _output(*command: str, on_line: Callable[[str], None] | None = None) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**environment, "NO_COLOR": "1", "UV_NO_PROGRESS": "1"},
        cwd="/",
    )
    if process.stdout is None or process.stderr is None:
        raise _UvError("no output")
    lines: list[str] = []

    async def read_errors(stream: asyncio.StreamReader) -> None:
        async for raw in stream:
            line = raw.decode("utf-8", "replace").strip()
            if line:
                lines.append(line)
                del lines[:-_LAST_LINES]
                if on_line is not None:
                    on_line(line)

    try:
        out, _ = await asyncio.gather(process.stdout.read(), read_errors(process.stderr))
        status = await process.wait()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if status != 0:
        raise _UvError(" | ".join(lines) or f"{command[0]} ended with {status}")
    return out.decode("utf-8", "replace")


async def _pythons() -> str:
    try:
        text = await _uv("python", "list", "--only-installed", "--output-format", "json")
        versions = sorted({str(entry["version"]) for entry in json.loads(text)})
    except (_UvError, ValueError, KeyError, TypeError):
        return "unknown"
    return ", ".join(versions) or "none"


def _complete(path: Path) -> VirtualEnvironment | None:
    try:
        content = json.loads((path / _MARKER).read_text("utf-8"))
        return VirtualEnvironment(folder=path, digest=str(content["digest"]))
    except (OSError, ValueError, KeyError):
        return None


def _names(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith(("#", "-"))


@contextlib.asynccontextmanager
async def _locked(path: Path, *, on_wait: Callable[[], None]) -> AsyncIterator[None]:
    with _opened(path) as file:
        if not _try_lock(file):
            on_wait()
            while not _try_lock(file):  # noqa: ASYNC110  # another process holds it: no event
                await asyncio.sleep(0.2)
        yield  # closing the file unlocks it


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with open(path, "ab") as file:
        yield file


def _try_lock(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
