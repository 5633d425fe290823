"""The long form of the chaos test: `python -m tests.chaos --checks 500 --seed 7`."""

import argparse
import asyncio
import contextlib
import logging
import secrets
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.chaos import plan, story
from tests.chaos.engine import furnish, victim_engine
from tests.postgres import postgres_server


@contextlib.contextmanager
def _database(kind: str, folder: Path) -> Iterator[tuple[str, str]]:
    """URLs of an empty database, for the scheduler and for reading."""
    if kind == "sqlite":
        url = f"sqlite:///{folder / 'scheduler.sqlite'}"
        yield url, url
        return
    with postgres_server() as server, server.database() as url:
        yield url, url.replace("+asyncpg", "+psycopg")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--checks", type=int, default=500)
    parser.add_argument("--disturbances", type=int, default=0, help="0: one for ten checks")
    parser.add_argument("--seed", type=int, default=None, help="of an earlier run, to replay it")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--docker", action="store_true", help="run checks in containers")
    parser.add_argument(
        "--engine", action="store_true", help="in containers of an own engine, which is killed too"
    )
    parser.add_argument(
        "--engine-seconds", type=float, default=0.0, help="it is away for at least so long"
    )
    parser.add_argument("--keep", type=Path, help="folder for state and logs, kept afterwards")
    return parser.parse_args()


def main() -> None:
    """Runs it and exits with 1 if an invariant does not hold."""
    options = _arguments()
    logging.getLogger("services.bus").setLevel(logging.ERROR)  # its broker is killed on purpose
    chaos = plan.draw(
        secrets.randbelow(1_000_000) if options.seed is None else options.seed,
        checks=options.checks,
        disturbances=options.disturbances or max(10, options.checks // 10),
        docker=options.docker or options.engine,
        engine=options.engine,
        engine_seconds=options.engine_seconds,
    )
    print(chaos, flush=True)
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="ackrep-chaos-"))
        )
        folder.mkdir(parents=True, exist_ok=True)
        engine = None
        if options.engine:
            engine = stack.enter_context(victim_engine())
            asyncio.run(furnish(engine, folder))
        database, synchronous = stack.enter_context(_database(options.database, folder))
        report = asyncio.run(
            story.run(
                chaos,
                folder,
                database=database,
                synchronous=synchronous,
                backend="docker" if options.docker or options.engine else "process",
                engine=engine,
                say=lambda line: print(line, flush=True),
            )
        )
    print(report)
    sys.exit(bool(report.broken))


if __name__ == "__main__":
    main()
