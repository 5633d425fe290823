"""Data repositories on other machines, read over https, ssh or git's own protocol.

An address comes from a setting or a command line, what answers there from anywhere. So nothing of
an address reaches git that it could take for an option, a program or another protocol; git may
speak the one protocol of the address and follows no redirection; secrets stand neither in the
arguments of a process nor in a message; and what arrives is bounded in size and time.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from services.catalog.domain.commits import Commit
from services.catalog.domain.entities import OBJECT_ID, Revision
from services.catalog.source_ports import Snapshot
from services.catalog.sources.git import Git, GitError
from services.catalog.sources.repositories import check_ref
from services.errors import InvalidArgumentError, NotFoundError, SourceError, UnavailableError

SCHEMES: Final = ("https", "ssh", "git")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_NAME: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_HOST: Final = re.compile(rf"{_NAME}\.?|[0-9a-fA-F:.]+", re.ASCII)
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", re.ASCII)
_SCP: Final = re.compile(rf"([A-Za-z0-9_][A-Za-z0-9_.-]*)@({_NAME}):([^:-].*)")
LARGEST_FETCH: Final = 4 * 1024**3
_LONGEST: Final = 2000
_LONGEST_ANSWER: Final = 1000
_ADVERTISED_BYTES: Final = 64 * 1024**2
_FETCHED: Final = "refs/ackrep/fetched"
_ASKED: Final = "refs/ackrep/asked"
_RULES: Final = (
    "{}",
    "refs/{}",
    "refs/tags/{}",
    "refs/heads/{}",
    "refs/remotes/{}",
    "refs/remotes/{}/HEAD",
)
"""What a short name of a ref may mean, in the order in which git tries."""
_UNKNOWN_REF: Final = ("couldn't find remote ref", "not our ref")
_UNREADABLE: Final = (
    *_UNKNOWN_REF,
    "Authentication failed",
    "Permission denied",
    "could not read Username",
    "could not read Password",
    "not found",
    "does not appear to be a git repository",
    "does not exist",
    "unable to update url base from redirection",
    "returned error: 30",
)
"""What git says where trying again would not help."""
_TOO_LARGE: Final = ("died of signal 25", "File too large")
_INDEXER_DIED: Final = "fatal: fetch-pack: invalid index-pack output"
"""All that git says where the program that writes the pack was ended for its size."""
_HELPER: Final = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" '
    '"$REMOTE_USER" "$REMOTE_PASSWORD"; }; f'
)
"""Tells git the secret of an address, from the environment, for that host alone."""


@dataclass(frozen=True, kw_only=True)
class Remote:
    """An address that may be given to git."""

    scheme: str
    url: str
    """What git is given; without a password."""
    shown: str
    """Fit for logs and pages."""
    title: str
    origin: str = ""
    """Scheme, host and port."""
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


def remote_of(text: str) -> Remote | None:
    """Reads the address of a repository on another machine; None for what is a path.

    Raises:
        InvalidArgumentError: It is an address of a kind that is refused.
    """
    scheme = _SCHEME.match(text)
    if scheme is None:
        found = _SCP.fullmatch(text)
        if found is None:
            if "::" in text.partition("/")[0]:
                raise InvalidArgumentError(f"{text!r}: remote helpers are refused; use a URL")
            return None
        _require_plain(text, text)
        return Remote(scheme="ssh", url=text, shown=text, title=_title(found[3]))
    if scheme[1].lower() == "file":
        return None
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidArgumentError("the address of the data repository is no URL") from None
    parts = parts._replace(query="", fragment="")
    shown = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    if scheme[1].lower() not in SCHEMES:
        raise InvalidArgumentError(
            f"the scheme {scheme[1]} is refused; data repositories are read over "
            f"{', '.join(SCHEMES)} or from a path"
        )
    _require_plain(text, shown)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not _HOST.fullmatch(host) or parts.netloc.count("@") > 1:
        raise InvalidArgumentError(f"{shown!r} names no host")
    return _remote(parts, host=host, port=port, user=user, password=password, shown=shown)


def _remote(
    parts: SplitResult, *, host: str, port: int | None, user: str, password: str, shown: str
) -> Remote:
    scheme = parts.scheme.lower()
    place = f"[{host}]" if ":" in host else host
    place += f":{port}" if port is not None else ""
    if scheme == "ssh":
        if password:
            raise InvalidArgumentError(f"{shown!r}: ssh takes no password in an address; use a key")
        if user and not _USER.fullmatch(user):
            raise InvalidArgumentError(f"{shown!r}: that is no name of an ssh user")
    elif any(ord(character) < 32 for character in user + password):
        raise InvalidArgumentError(f"{shown!r}: user name or password has control characters")
    elif scheme != "https":
        user = password = ""
    origin = f"{scheme}://{place}"
    sent = f"{user}@{place}" if scheme == "ssh" and user else place
    return Remote(
        scheme=scheme,
        url=urlunsplit((scheme, sent, parts.path, "", "")),
        shown=shown,
        title=_title(parts.path),
        origin=origin,
        user=user,
        # A token alone is written as the user: https://TOKEN@host/.
        password=password,
    )


def _title(path: str) -> str:
    return PurePosixPath(path.rstrip("/")).name.removesuffix(".git")


def _require_plain(text: str, shown: str) -> None:
    if len(text) > _LONGEST or "\\" in text or any(not c.isprintable() or c == " " for c in text):
        raise InvalidArgumentError(
            f"{shown[:100]!r} is no address of a data repository: it is too long, or has spaces, "
            "backslashes or control characters"
        )


class UrlSource:
    """A repository on another machine, fetched without history (port `Source`).

    Args:
        remote: Where it is.
        ref: Branch, tag or commit; empty means its HEAD.
        git: The catalog's own store.
        timeout: Seconds that reading may take.
        largest: Bytes that one fetch may bring.
    """

    def __init__(self, remote: Remote, *, ref: str, git: Git, timeout: float, largest: int) -> None:
        self._remote = remote
        self._ref = ref
        self._git = git
        self._timeout = timeout
        self._largest = largest

    async def snapshot(self, *, ref: str = "") -> Snapshot:
        """As the port says. What the remote has not changed is not fetched again."""
        check_ref(ref)
        wanted = ref or self._ref
        kept_as = _ASKED if ref else _FETCHED
        try:
            kept = await self._kept(kept_as)
            if kept is None or kept[0] != await self._advertised(wanted):
                await self._fetch(wanted, into=kept_as)
                kept = await self._kept(kept_as)
        except GitError as error:
            if ref and any(words in error.output for words in _UNKNOWN_REF):
                raise NotFoundError(
                    f"{self._remote.shown} has no branch, tag or commit {ref}", ref=ref
                ) from error
            raise self._explained(error, wanted) from error
        if kept is None:
            raise SourceError(
                f"{wanted or 'HEAD'} of {self._remote.shown} is no commit",
                source=self._remote.shown,
            )
        _, commit, tree = kept
        return Snapshot(
            revision=Revision(
                tree=tree,
                commit=commit,
                base_commit=commit,
                source=self._remote.shown,
                ref=wanted,
                title=self._remote.title,
            )
        )

    async def commits(
        self, *, since: str, until: str, paths: Sequence[str], limit: int
    ) -> list[Commit] | None:
        """As the port says: it is fetched without history."""
        return None

    async def _kept(self, name: str) -> tuple[str, str, str] | None:
        """What was fetched before: its own id (a tag's, for example), commit and tree."""
        output = await self._git.run(
            "rev-parse",
            "--quiet",
            name,
            f"{name}^{{commit}}",
            f"{name}^{{tree}}",
            accept=(0, 1, 128),
        )
        found = output.decode().split()
        if len(found) != 3 or not all(map(OBJECT_ID.fullmatch, found)):
            return None
        return found[0], found[1], found[2]

    async def _advertised(self, wanted: str) -> str:
        """Id that the remote's ref has now; empty if it has none of that name."""
        if OBJECT_ID.fullmatch(wanted):
            return wanted  # a commit never changes
        output = await self._git.run(
            "ls-remote",
            "--quiet",
            "--",
            self._remote.url,
            wanted or "HEAD",
            environment=self._environment(),
            timeout=self._timeout,
            most_output=_ADVERTISED_BYTES,
        )
        ids = {}
        for line in output.decode(errors="replace").splitlines():
            id_, _, name = line.partition("\t")
            ids[name] = id_
        names = (rule.format(wanted or "HEAD") for rule in _RULES)
        return next((ids[name] for name in names if name in ids), "")

    async def _fetch(self, wanted: str, *, into: str) -> None:
        await self._git.run(
            "fetch",
            "--quiet",
            "--depth=1",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            "--force",
            "--",
            self._remote.url,
            f"+{wanted or 'HEAD'}:{into}",
            environment=self._environment(),
            timeout=self._timeout,
            largest_file=self._largest,
        )

    @property
    def remote(self) -> Remote:
        """Where it is."""
        return self._remote

    @property
    def ref(self) -> str:
        """What is read of it."""
        return self._ref

    def _environment(self) -> dict[str, str]:
        return environment_of(self._remote, self._git)

    def _explained(self, error: GitError, ref: str) -> SourceError | UnavailableError:
        limit = f"{self._largest} bytes (ACKREP_CATALOG_FETCH_BYTES)"
        return explained(error, self._remote, ref=ref, limit=limit)


def environment_of(
    remote: Remote, git: Git, *, settings: Sequence[tuple[str, str]] = ()
) -> dict[str, str]:
    """Environment of a git process that speaks with a remote, and with nobody else.

    Args:
        remote: Where it is.
        git: Whose process it is.
        settings: More of git's configuration, as names with values.
    """
    extra = {"GIT_ALLOW_PROTOCOL": remote.scheme, "GIT_PROTOCOL_FROM_USER": "0"}
    wanted = list(settings)
    if remote.user:
        wanted.append((f"credential.{remote.origin}.helper", _HELPER))
        extra |= {"REMOTE_USER": remote.user, "REMOTE_PASSWORD": remote.password}
    for number, (name, value) in enumerate(wanted):
        extra |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    if wanted:
        extra["GIT_CONFIG_COUNT"] = str(len(wanted))
    return git.environment(extra=extra)


def explained(
    error: GitError, remote: Remote, *, ref: str, limit: str
) -> SourceError | UnavailableError:
    """Why a fetch failed, for people, without secrets.

    Args:
        error: What git said.
        remote: Where it fetched from.
        ref: What it fetched; empty for its HEAD.
        limit: How much it may bring, and where that is set.
    """
    said = error.output
    for secret in (remote.password, remote.user if remote.scheme == "https" else ""):
        said = said.replace(secret, "…") if secret else said
    said = " ".join(word for word in said.split() if word.isprintable())[:_LONGEST_ANSWER]
    what = f"cannot fetch {ref or 'HEAD'} from {remote.shown}"
    if any(words in error.output for words in _TOO_LARGE) or said == _INDEXER_DIED:
        return SourceError(f"{what}: it is larger than {limit}", source=remote.shown)
    if "returned error: 30" in said or "url base from redirection" in said:
        said += " (redirections are not followed: give the address it has now)"
    if any(words in error.output for words in _UNREADABLE):
        return SourceError(f"{what}: {said}", source=remote.shown)
    return UnavailableError(f"{what}: {said}", source=remote.shown)
