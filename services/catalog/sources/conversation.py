"""A kept `git cat-file` for worker threads: answers a few objects at once without a new process."""

import contextlib
import subprocess
import threading
from collections.abc import Iterator, Sequence
from typing import IO, Final

from services.catalog.sources.git import Git
from services.errors import UnavailableError

AT_ONCE: Final = 500
"""Fewer ids than a pipe holds: git never waits for us while we wait for it."""
_PIECE: Final = 1024 * 1024


class Conversation:
    """One process, for one thread at a time; replaced where somebody killed it."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def close(self) -> None:
        """Ends the process."""
        with self._lock:
            self._end()

    def ask(self, ids: Sequence[str], *, limit: int | None) -> list[tuple[str, str, bytes]]:
        """Id, kind and content of objects; missing ones are left out.

        Args:
            ids: At most `AT_ONCE`.
            limit: So many bytes and one more are kept of each.

        Raises:
            UnavailableError: The process ended twice.
        """
        with self._lock:
            if self._process is not None:
                with contextlib.suppress(OSError, UnavailableError):
                    return self._answers(self._process, ids, limit=limit)
                self._end()
            self._process = self._start()
            try:
                return self._answers(self._process, ids, limit=limit)
            except OSError as error:
                self._end()
                raise UnavailableError("the object store does not answer; try again") from error

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["git", "cat-file", "--batch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._git.environment(),
            cwd=self._git.directory.parent,
            start_new_session=True,
        )

    def _answers(
        self, process: subprocess.Popen[bytes], ids: Sequence[str], *, limit: int | None
    ) -> list[tuple[str, str, bytes]]:
        assert process.stdin is not None  # noqa: S101  # started with pipes
        assert process.stdout is not None  # noqa: S101
        process.stdin.write("".join(f"{id_}\n" for id_ in ids).encode())
        process.stdin.flush()
        return list(answers(process.stdout, len(ids), limit=limit))

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            # What is left in the buffer goes nowhere.
            with contextlib.suppress(OSError):
                self._process.communicate()
            self._process = None


def answers(pipe: IO[bytes], count: int, *, limit: int | None) -> Iterator[tuple[str, str, bytes]]:
    """Reads what `cat-file --batch` says to so many ids: id, kind and content.

    Raises:
        UnavailableError: It ended before.
    """
    for _ in range(count):
        line = pipe.readline()
        if not line.endswith(b"\n"):
            raise UnavailableError("reading the object store was interrupted; try again")
        id_, kind, *size = line.split()
        if not size:  # missing
            continue
        left = int(size[0])
        kept = left if limit is None else min(left, limit + 1)
        content = pipe.read(kept)
        left += 1 - kept  # and the line break after each object
        while left:
            skipped = len(pipe.read(min(left, _PIECE)))
            if not skipped:
                raise UnavailableError("reading the object store was interrupted; try again")
            left -= skipped
        yield id_.decode(), kind.decode(), content
