"""What a working copy holds: what git would commit after `git add --all`.

The user's own git says which files count, because it knows the ignore rules; whatever the
repository's configuration would have it start (file system monitors, hooks, filters) stays off.
Content is hashed by git too, in an empty repository of ours over the same files: line endings are
those that `.gitattributes` asks for, and no configuration of the repository plays a part.
"""

import contextlib
import dataclasses
import hashlib
import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from services.errors import PreconditionError

_QUIET: Final = (
    "--no-pager",
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.untrackedCache=false"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "submodule.recurse=false"),
    # Of what is written into our repository, which lives for a moment only.
    *("-c", "core.fsync=none"),
    *("-c", "core.looseCompression=0"),
)
_OURS: Final = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
}
"""No configuration but that of our own repository."""
_LINK: Final = 0o120000
_ID_LENGTH: Final = 40
_PIECE: Final = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class File:
    """One file that counts."""

    path: bytes
    """Below the data repository."""
    mode: int
    blob: str


@dataclasses.dataclass(frozen=True)
class Contents:
    """All of a working copy."""

    files: Sequence[File]
    base_commit: str
    """What it is based on; empty outside git."""
    clean: bool
    """True if it is exactly what the base commit holds."""
    left_out: Mapping[str, str]
    """Why files that git would commit are not among them, by path."""


class WorkingCopy:
    """A data repository's folder, while it is uploaded; a context manager.

    Args:
        root: The data repository.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._folder = tempfile.TemporaryDirectory(prefix="ackrep-upload-")
        self._ours = Path(self._folder.name) / "git"
        self._links: dict[str, bytes] = {}
        self._top = self._root
        self._in_git = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def contents(self) -> Contents:
        """Reads and hashes everything.

        Raises:
            PreconditionError: Git cannot read the folder, or is not there.
        """
        self._run(
            "init",
            "--quiet",
            "--bare",
            "--template=",
            "--object-format=sha1",
            environ=self._environment(GIT_DIR=str(self._ours), **_OURS),
        )
        self._find_top()
        left_out: dict[str, str] = {}
        modes = dict(self._modes(self._names(), left_out))
        regular = [path for path, mode in modes.items() if mode != _LINK]
        blobs = dict(zip(regular, self._hashed(regular), strict=True))
        for path, mode in modes.items():
            if mode == _LINK:
                blobs[path] = self._hashed_link(path)
        files = [File(path, mode, blobs[path]) for path, mode in sorted(modes.items())]
        commit = self._head()
        clean = bool(commit) and not left_out and self._committed(commit) == set(files)
        return Contents(files=files, base_commit=commit, clean=clean, left_out=left_out)

    def freeze(self, files: Sequence[File]) -> dict[str, int]:
        """Keeps the content of files, so that it no longer changes; sizes by blob.

        Raises:
            PreconditionError: One has changed since it was hashed.
        """
        regular = [file for file in files if file.blob not in self._links]
        for file, blob in zip(
            regular, self._hashed([file.path for file in regular], "-w"), strict=True
        ):
            if file.blob != blob:
                raise PreconditionError(
                    f"{os.fsdecode(file.path)} changed while it was read; start again"
                )
        ids = [file.blob for file in regular]
        sizes = self._run_ours(
            "cat-file",
            "--batch-check=%(objectsize)",
            given="".join(f"{id_}\n" for id_ in ids).encode(),
        ).split()
        found = dict(zip(ids, map(int, sizes), strict=True))
        return found | {
            file.blob: len(self._links[file.blob]) for file in files if file.blob in self._links
        }

    def pieces(self, files: Sequence[File]) -> Iterator[tuple[str, bytes, bool]]:
        """Content of frozen files: blob, next bytes, and whether the blob goes on."""
        regular = [file.blob for file in files if file.blob not in self._links]
        for file in files:
            if file.blob in self._links:
                yield file.blob, self._links[file.blob], False
        if not regular:
            return
        with contextlib.ExitStack() as stack:
            process = stack.enter_context(
                subprocess.Popen(
                    ["git", "cat-file", "--batch"],
                    env=self._environment(GIT_DIR=str(self._ours), **_OURS),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
            )
            stack.callback(process.kill)
            assert process.stdin is not None  # noqa: S101  # asked for above
            assert process.stdout is not None  # noqa: S101  # asked for above
            for blob in regular:
                process.stdin.write(f"{blob}\n".encode())
                process.stdin.flush()
                left = int(process.stdout.readline().split()[2])
                while True:
                    data = process.stdout.read(min(left, _PIECE))
                    left -= len(data)
                    yield blob, data, left > 0
                    if not left:
                        break
                process.stdout.read(1)  # the line break after each object

    # What counts ----------------------------------------------------------------------------

    def _find_top(self) -> None:
        """Finds the repository around the folder, if there is one that does not ignore it."""
        if not any((folder / ".git").exists() for folder in (self._root, *self._root.parents)):
            return
        try:
            top = self._run("rev-parse", "--show-toplevel")
        except PreconditionError as error:
            if "not a git repository" in error.message and not (self._root / ".git").exists():
                return  # something further up only looks like one
            raise
        self._top = Path(os.fsdecode(top.rstrip(b"\n")))
        if not self._root.is_relative_to(self._top):
            raise PreconditionError(
                f"git says that the work tree around {self._root} is {self._top}; upload that"
            )
        # This command knows no literal paths; it takes them as they are after `./`.
        path = f"./{self._root.relative_to(self._top).as_posix()}"
        self._in_git = self._root == self._top or not self._accepts(
            "check-ignore", "--quiet", "--no-index", "--", path
        )
        if not self._in_git:  # it stands for itself
            self._top = self._root

    def _names(self) -> list[bytes]:
        listing = ["ls-files", "-z", "--others", "--exclude-standard"]
        output = self._run(*listing, "--cached") if self._in_git else self._run_ours(*listing)
        return list(dict.fromkeys(name for name in output.split(b"\0") if name))

    def _modes(
        self, names: Sequence[bytes], left_out: dict[str, str]
    ) -> Iterator[tuple[bytes, int]]:
        folders: dict[bytes, bool] = {b"": True}

        def is_folder(path: bytes) -> bool:
            """Whether a path is made of true folders: nothing is read through a link."""
            if path not in folders:
                folders[path] = is_folder(os.path.dirname(path)) and stat.S_ISDIR(  # noqa: PTH120
                    self._mode(path)
                )
            return folders[path]

        for name in names:
            if not is_folder(os.path.dirname(name)):  # noqa: PTH120  # bytes
                continue
            mode = self._mode(name)
            if stat.S_ISLNK(mode):
                yield name, _LINK
            elif stat.S_ISREG(mode):
                if os.access(self._full(name), os.R_OK):
                    yield name, 0o100755 if mode & stat.S_IXUSR else 0o100644
                else:
                    left_out[os.fsdecode(name)] = "cannot be read"

    def _full(self, path: bytes) -> bytes:
        return os.path.join(os.fsencode(self._root), path)  # noqa: PTH118  # bytes

    def _mode(self, path: bytes) -> int:
        try:
            return os.lstat(self._full(path)).st_mode
        except OSError:
            return 0

    # Content --------------------------------------------------------------------------------

    def _hashed(self, paths: Sequence[bytes], *options: str) -> list[str]:
        if not paths:
            return []
        prefix = os.fsencode(self._root.relative_to(self._top).as_posix())
        lines = [_line(path if prefix == b"." else prefix + b"/" + path) for path in paths]
        output = self._run_ours("hash-object", *options, "--stdin-paths", given=b"".join(lines))
        return output.decode().split()

    def _hashed_link(self, path: bytes) -> str:
        target = os.readlink(self._full(path))  # noqa: PTH115  # bytes
        head = f"blob {len(target)}\0".encode()
        blob = hashlib.sha1(head + target, usedforsecurity=False).hexdigest()
        self._links[blob] = target
        return blob

    def _head(self) -> str:
        if not self._in_git:
            return ""
        if not self._accepts("rev-parse", "--verify", "--quiet", "HEAD"):
            return ""  # nothing is committed yet
        commit = self._run("rev-parse", "--verify", "HEAD").decode().strip()
        return commit if len(commit) == _ID_LENGTH else ""  # of sha256 repositories

    def _committed(self, commit: str) -> set[File]:
        """The files of a commit; a submodule is a file that no working copy has."""
        output = self._run("ls-tree", "-r", "-z", commit)
        found = set()
        for record in output.split(b"\0"):
            if record:
                head, _, path = record.partition(b"\t")
                mode, _, blob = head.split()
                found.add(File(path, int(mode, 8), blob.decode()))
        return found

    # Git ------------------------------------------------------------------------------------

    def _run(
        self,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        folder: Path | None = None,
        given: bytes = b"",
    ) -> bytes:
        """Runs git as the user does, but without what its configuration would start."""
        try:
            result = subprocess.run(
                ["git", *_QUIET, *arguments],
                cwd=folder or self._root,
                env=environ or self._environment(GIT_LITERAL_PATHSPECS="1"),
                input=given,
                capture_output=True,
                check=False,
            )
        except FileNotFoundError as error:
            raise PreconditionError(
                "there is no `git` on PATH, which is needed to read a working copy"
            ) from error
        if result.returncode:
            said = result.stderr.decode(errors="replace").strip() or f"exit {result.returncode}"
            raise PreconditionError(f"git cannot read {self._root}: {said[:2000]}")
        return result.stdout

    def _run_ours(self, *arguments: str, given: bytes = b"") -> bytes:
        """Runs git with our repository over the same files, from their top."""
        environ = self._environment(GIT_DIR=str(self._ours), GIT_WORK_TREE=str(self._top), **_OURS)
        return self._run(*arguments, environ=environ, folder=self._top, given=given)

    def _accepts(self, *arguments: str) -> bool:
        """Whether a question is answered with yes."""
        result = subprocess.run(
            ["git", *_QUIET, *arguments],
            cwd=self._top,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        return result.returncode == 0

    @staticmethod
    def _environment(**more: str) -> dict[str, str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        return environ | {
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "LC_ALL": "C",
            **more,
        }


def _line(path: bytes) -> bytes:
    """A path as `--stdin-paths` takes it: in quotes where it could be misread."""
    if b"\n" not in path and not path.startswith(b'"'):
        return path + b"\n"
    return b'"%s"\n' % b"".join(b"\\%03o" % byte for byte in path)
