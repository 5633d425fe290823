"""Restores a copy: what to do comes as a JSON object, what happens goes out as lines of JSON.

The command line runs this as a process of its own, as it knows no service. The object has `file`,
and `database` and `artefacts` where it is not only to be proved. Lines are `{"bytes": …}` while it
goes on, then `{"restored": {…}}`, or `{"error": {…}}` and exit code 3.
"""

import asyncio
import dataclasses
import errno
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from services.errors import Error, InvalidArgumentError, ResourceExhaustedError
from services.scheduler.backup.restoring import Restored, restore


def main() -> None:
    """Restores or proves a copy, and exits."""
    try:
        restored = asyncio.run(_restore(json.load(sys.stdin)))
    except Error as error:
        _say({"error": {"reason": error.reason, "message": error.message}})
        sys.exit(3)
    _say({"restored": dataclasses.asdict(restored)})


async def _restore(wishes: dict[str, Any]) -> Restored:
    with tempfile.TemporaryDirectory(prefix="ackrep-restore-") as folder:
        scratch = Path(folder)
        target = wishes.get("database")
        try:
            with Path(wishes["file"]).open("rb") as file:  # noqa: ASYNC230  # nobody else waits
                return await restore(
                    file,
                    database_url=target or f"sqlite:///{scratch / 'restored.sqlite'}",
                    artefacts=Path(wishes["artefacts"]) if target else scratch / "artefacts",
                    scratch=scratch,
                    durable=bool(target),
                    progress=lambda position: _say({"bytes": position}),
                )
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise ResourceExhaustedError(
                    f"there is no room for the copy; TMPDIR chooses another place than {folder}"
                ) from error
            raise InvalidArgumentError(f"cannot restore {wishes['file']}: {error}") from error


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
