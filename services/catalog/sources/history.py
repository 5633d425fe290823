"""The history of somebody's repository, as git tells it."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Final

from services.catalog.domain.commits import Commit
from services.catalog.sources.git import Git, GitError
from services.errors import SourceError

_FIELDS: Final = "%H%x00%ct%x00%an%x00%s"
_MOST_BYTES: Final = 16 * 1024 * 1024


async def commits_between(
    git: Git,
    *,
    since: str,
    until: str,
    paths: Sequence[str],
    limit: int,
    environment: Mapping[str, str],
) -> list[Commit]:
    """The commits from `since` (not included) to `until`, by first parents, oldest first.

    Args:
        git: Runs in our own store; `environment` lets it see the other repository's objects.
        since: Commit id.
        until: Commit id.
        paths: Only commits that change something there; all where empty.
        limit: The newest so many.
        environment: Variables of the git process.

    Raises:
        SourceError: Commits in between are missing.
    """
    try:
        output = await git.run(
            "log",
            "-z",
            f"--max-count={limit}",
            "--first-parent",
            "--no-mailmap",
            "--no-show-signature",
            "--no-ext-diff",
            "--no-color",
            f"--format=tformat:{_FIELDS}",
            "--end-of-options",
            f"{since}..{until}",
            "--",
            *paths,
            environment=environment,
            most_output=_MOST_BYTES,
        )
    except GitError as error:
        raise SourceError(
            f"the history between {since[:10]} and {until[:10]} cannot be read, as where a clone "
            f"is shallow (git fetch --unshallow): {error.output}"
        ) from error
    fields = output.decode("utf-8", "replace").split("\0")
    return [
        Commit(
            id=id_,
            time=datetime.datetime.fromtimestamp(int(time), datetime.UTC),
            author=author,
            subject=subject,
        )
        for id_, time, author, subject in zip(
            fields[0::4], fields[1::4], fields[2::4], fields[3::4], strict=False
        )
    ][::-1]
