"""The catalog's own git object store, and git as a program that trusts nobody's configuration.

Every git process runs with our store as its repository, our own global configuration, no system
configuration, no hooks, no prompts, and none of the caller's `GIT_*` variables. The repositories
of users are only read: as a work tree to hash, or as a further place for objects.
"""

import asyncio
import contextlib
import os
import re
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from services.catalog.domain.entities import TreeChange
from services.errors import Error, UnavailableError

_CONFIGURATION: Final = """\
# Written by the ACKREP catalog: the only configuration its git processes read.
[safe]
\tdirectory = *
[core]
\thooksPath = /dev/null
\tfsmonitor = false
\tuntrackedCache = false
\tautocrlf = false
\tsafecrlf = false
\tquotePath = false
\tcompression = 1
\tbigFileThreshold = 32m
[gc]
\tauto = 0
[maintenance]
\tauto = false
[advice]
\taddEmbeddedRepo = false
\taddIgnoredFile = false
[protocol]
\tallow = never
[protocol "https"]
\tallow = always
[protocol "ssh"]
\tallow = always
[protocol "git"]
\tallow = always
[protocol "file"]
\tallow = always
[submodule]
\trecurse = false
[http]
\tfollowRedirects = false
[fetch]
\tunpackLimit = 1
\trecurseSubmodules = false
\twriteCommitGraph = false
[init]
\tdefaultBranch = main
\ttemplateDir =
[credential]
\thelper =
"""
_READ: Final = 1024 * 1024
_KEPT_CHANGES: Final = 10_000
_KEPT_ERRORS: Final = 8 * 1024 * 1024
_CHANGE: Final = re.compile(
    r":([0-7]{6}) ([0-7]{6}) ([0-9a-f]{40}) ([0-9a-f]{40}) [A-Z]\d*\0([^\0]*)\0"
)
"""A record of `diff-tree --raw -z`."""
_UNSAFE_SEGMENTS: Final = {b"", b".", b".."}


class GitError(Exception):
    """A git process failed.

    Args:
        code: Its exit status.
        output: What it wrote to standard error.
    """

    def __init__(self, code: int, output: str) -> None:
        super().__init__(f"git exited with {code}: {output}")
        self.code = code
        self.output = output


class Git:
    """Runs git on the catalog's own store; `open` makes the store if it is missing."""

    def __init__(self, state: Path) -> None:
        self.directory = state / "objects.git"
        self._configuration = state / "gitconfig"
        self._difference: tuple[str, str, list[TreeChange]] = ("", "", [])
        """Of the last two trees: importing and indexing want the same."""

    async def open(self) -> None:
        """Makes the store, if it does not exist, and writes the configuration."""
        self.directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._configuration.write_text(_CONFIGURATION)
        if not (self.directory / "HEAD").exists():
            await self.run("init", "--quiet", "--bare", "--object-format=sha1", "--template=")

    def environment(
        self, *, alternates: Path | None = None, extra: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Environment of a git process.

        Args:
            alternates: A further folder of objects to read from.
            extra: More variables, e.g. `GIT_WORK_TREE`.
        """
        environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        environ |= {
            "GIT_DIR": str(self.directory),
            "GIT_CONFIG_GLOBAL": str(self._configuration),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
            "GIT_ALLOW_PROTOCOL": "https:ssh:git:file",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_LITERAL_PATHSPECS": "1",
            "LC_ALL": "C",
        }
        if alternates is not None:
            # A path with the list's separator in it has to be quoted as C strings are.
            escaped = str(alternates).replace("\\", "\\\\").replace('"', '\\"')
            environ["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = f'"{escaped}"'
        return {**environ, **(extra or {})}

    async def start(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        stdin: int | None = PIPE,
        directory: Path | None = None,
        largest_file: int = 0,
    ) -> Process:
        """Starts git as the leader of its own process group, with pipes.

        Args:
            arguments: What git is told.
            environment: All its variables; those of `environment` by default.
            stdin: Its standard input.
            directory: Where it runs.
            largest_file: Bytes of the largest file that it may write; 0 means any.
        """
        limited = ("/bin/sh", "-c", 'ulimit -f "$0" && exec "$@"', str(largest_file // 512))
        try:
            return await asyncio.create_subprocess_exec(
                *(limited if largest_file else ()),
                "git",
                *arguments,
                stdin=stdin,
                stdout=PIPE,
                stderr=PIPE,
                env=dict(environment or self.environment()),
                cwd=directory or self.directory.parent,
                start_new_session=True,
                limit=_READ,
            )
        except FileNotFoundError as error:
            raise Error("there is no `git` on PATH") from error

    async def run(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        given: bytes = b"",
        timeout: float = 600.0,  # noqa: ASYNC109  # the process has to be killed with its children
        accept: Sequence[int] = (0,),
        directory: Path | None = None,
        largest_file: int = 0,
        most_output: int = 0,
    ) -> bytes:
        """Runs git to its end and returns its standard output, at most `most_output` bytes of it.

        Raises:
            GitError: Its exit status is not among the accepted, or it says more than it may.
            UnavailableError: It took longer than `timeout` seconds.
        """
        output, _ = await self.run_verbose(
            *arguments,
            environment=environment,
            given=given,
            timeout=timeout,
            accept=accept,
            directory=directory,
            largest_file=largest_file,
            most_output=most_output,
        )
        return output

    async def run_verbose(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        given: bytes = b"",
        timeout: float = 600.0,  # noqa: ASYNC109  # as `run`
        accept: Sequence[int] = (0,),
        directory: Path | None = None,
        largest_file: int = 0,
        most_output: int = 0,
    ) -> tuple[bytes, str]:
        """As `run`, and returns what it wrote to standard error too."""
        process = await self.start(
            *arguments,
            environment=environment,
            stdin=PIPE if given else DEVNULL,
            directory=directory,
            largest_file=largest_file,
        )
        try:
            async with asyncio.timeout(timeout):
                output, errors, _ = await asyncio.gather(
                    _all_of(reader_of(process.stdout), most=most_output),
                    _first_of(reader_of(process.stderr)),
                    _feed(process, given),
                )
                await process.wait()
        except TimeoutError as error:
            raise UnavailableError(f"git {arguments[0]} took longer than {timeout:g} s") from error
        finally:
            await end(process)
        text = errors.decode(errors="replace").strip()
        if process.returncode not in accept:
            code = process.returncode or -1
            raise GitError(code, text or f"git {arguments[0]} ended with status {code}")
        return output, text

    async def difference(
        self, old: str, new: str, *, environment: Mapping[str, str] | None = None
    ) -> list[TreeChange]:
        """All paths that differ between two trees, folders included.

        Raises:
            GitError: One of them, or a folder of it, cannot be found.
        """
        known_old, known_new, known = self._difference
        if (known_old, known_new) == (old, new):
            return known
        output = await self.run(
            "diff-tree",
            *("-r", "-t", "-z", "--raw", "--no-renames", "--no-abbrev"),
            old,
            new,
            environment=environment,
        )
        changes = await asyncio.to_thread(parse_changes, output)
        if len(changes) <= _KEPT_CHANGES:
            self._difference = (old, new, changes)
        return changes


class _Modes(dict[str, int]):
    """Numbers of the few modes that there are."""

    def __missing__(self, text: str) -> int:
        self[text] = mode = int(text, 8)
        return mode


def parse_changes(output: bytes) -> list[TreeChange]:
    """What `diff-tree --raw -z --no-abbrev` says; paths that would leave the tree are left out.

    A first index has a record for every file there is: hence one decoding, and one expression.
    """
    risky = b"/." in output or b"\0." in output or b"//" in output or b"\0/" in output
    modes = _Modes()
    found = _CHANGE.findall(os.fsdecode(output))
    if 2 * len(found) != output.count(b"\0"):  # else a path could pass for a record
        raise GitError(1, "diff-tree says what is not understood")
    return [
        TreeChange(path, modes[old], old_id, modes[new], id_)
        for old, new, old_id, id_, path in found
        if not risky or is_safe(os.fsencode(path))
    ]


async def _all_of(stream: asyncio.StreamReader, *, most: int) -> bytes:
    if not most:
        return await stream.read()
    found = bytearray()
    while data := await stream.read(_READ):
        found += data
        if len(found) > most:
            raise GitError(-1, f"it says more than {most} bytes")
    return bytes(found)


async def _first_of(stream: asyncio.StreamReader) -> bytes:
    """What comes first of a stream, as far as it is kept; a remote can say as much as it likes."""
    found = bytearray()
    while data := await stream.read(_READ):
        found += data[: _KEPT_ERRORS - len(found)]
    return bytes(found)


async def end(process: Process) -> None:
    """Kills a process with all its children, if it still runs, and waits for it."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def is_safe(path: bytes) -> bool:
    """Whether a path of a tree stays below it and out of anybody's `.git`."""
    if b"/." not in path and b"//" not in path and path[:1] not in {b".", b"/"}:
        return path[-1:] != b"/"
    return not any(part in _UNSAFE_SEGMENTS or part.lower() == b".git" for part in path.split(b"/"))


def writer_of(process: Process) -> asyncio.StreamWriter:
    """Standard input of a process that was started with a pipe."""
    assert process.stdin is not None  # noqa: S101  # started with a pipe
    return process.stdin


def reader_of(pipe: asyncio.StreamReader | None) -> asyncio.StreamReader:
    """Standard output or error of a process that was started with pipes."""
    assert pipe is not None  # noqa: S101  # started with a pipe
    return pipe


async def _feed(process: Process, given: bytes) -> None:
    """Writes standard input; a process that ends without reading it says why by itself."""
    if not given:
        return
    writer = writer_of(process)
    # uvloop raises RuntimeError where the pipe is closed already.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, RuntimeError):
        writer.write(given)
        await writer.drain()
        writer.close()
