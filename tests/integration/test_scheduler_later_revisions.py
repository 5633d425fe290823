"""After a release: a change of tables becomes a revision, and databases of the release follow."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCHEMA = "services/scheduler/sql/schema.py"
PREPARE = """
import asyncio, sys
from sqlalchemy import text
from services.scheduler.sql import Database

async def main():
    database = Database(sys.argv[1])
    await database.prepare()
    for query in sys.argv[2:]:
        print(await database.write(lambda connection: [*connection.execute(text(query))]))
    await database.close()

asyncio.run(main())
"""
ADD = (
    'insert into runs (id, title, revision, "commit", create_time) '
    "values ('1', 't', 'a', 'c', 1) returning id"
)
WAITING = "select sql from sqlite_master where name = 'checks_waiting'"


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """The code as it is, in a repository of its own, with a tag."""
    for name in ("services", "protos"):
        shutil.copytree(
            ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "runner")
        )
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@localhost")
    subprocess.run([*git, "init", "--quiet"], cwd=tmp_path, check=True)
    commit = [*git, "commit", "--quiet", "--allow-empty", "--message", "release"]
    subprocess.run(commit, cwd=tmp_path, check=True)
    subprocess.run([*git, "tag", "v1.0.0"], cwd=tmp_path, check=True)
    return tmp_path


def python(folder: Path, *arguments: str) -> str:
    """Runs Python on the code of a folder."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{folder / 'protos'}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_change_becomes_a_revision(released: Path) -> None:
    """`make migrations` writes what changed; rows and all indexes outlive it."""
    url = f"sqlite:///{released / 'scheduler.sqlite'}"
    unchanged = python(released, "-m", "services.scheduler.sql.migrations")
    before = python(released, "-c", PREPARE, url, ADD, WAITING)
    schema = (released / SCHEMA).read_text()
    changed = schema.replace(
        'Column("title", Text, nullable=False)',
        'Column("title", String(4000), nullable=False), Column("shade", Text, server_default="x")',
        1,
    ).replace('Column("pool", String(64), nullable=False)', 'Column("pool", String(99))', 1)
    assert changed.count("shade") == changed.count("String(99)") == 1
    (released / SCHEMA).write_text(changed)

    written = python(released, "-m", "services.scheduler.sql.migrations", "--name", "Shades!")
    again = python(released, "-m", "services.scheduler.sql.migrations")
    after = python(released, "-c", PREPARE, url, "select id, title, shade from runs", WAITING)

    assert "nothing to write" in unchanged
    assert "Since v1.0.0: 0002_shades is new" in written
    assert "nothing to write" in again
    assert "[('1', 't', 'x')]" == after.splitlines()[0]
    assert "priority desc" in before
    assert before.splitlines()[1] == after.splitlines()[1]
