"""Writes the revision that leads from the last one to the tables of the code: `make migrations`.

Before the first release there is one revision, `0001_first`, which is written anew each time.
Once a release has a tag its revisions are frozen, and what changed since becomes a further one.
"""

import argparse
import re
import subprocess
import sys
import warnings

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from services.scheduler.sql.migrations import FIRST, FOLDER, revisions
from services.scheduler.sql.tables import complete_metadata, indexes_over_expressions
from services.scheduler.sql.upgrade import migrate

_REVISION = '''"""{about}

Written by `make migrations`.
"""

import sqlalchemy as sa
from alembic import op
{imports}
revision = "{revision}"
down_revision = {before}


def upgrade() -> None:
    """Changes the tables."""
    {body}
'''

_ADOPTION = """
from services.scheduler.sql.migrations.adoption import make_table
"""


def main() -> None:
    """Writes a revision, and says what it is."""
    parser = argparse.ArgumentParser(description="Write the next revision of the schema.")
    parser.add_argument("--name", default="change", help="what it is about, in a word or two")
    name = re.sub(r"\W+", "_", parser.parse_args().name).strip("_").lower()
    tag = _last_release()
    known = revisions() if tag else []
    changes = _changes() if known else _everything()
    if changes.is_empty():
        print("The tables of the code are those of the last revision: nothing to write.")
        return
    revision = f"{len(known) + 1:04d}_{name}" if known else FIRST
    body = render_python_code(changes, render_as_batch=bool(known))
    body = re.sub(r" *# ###.*\n?", "", body).strip()
    if not known:
        body = body.replace("op.create_table(", "make_table(")
    path = FOLDER / "versions" / f"{revision}.py"
    path.write_text(
        _REVISION.format(
            about=f"What changed after {known[-1]}." if known else "All of the first release.",
            imports="" if known else _ADOPTION,
            revision=revision,
            before=f'"{known[-1]}"' if known else None,
            body=body,
        )
    )
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", path], check=True)
    if not tag:
        print(f"No release yet: {revision} is written anew and makes everything.")
    else:
        print(f"Since {tag}: {revision} is new. Read it, and move rows where it has to.")


def _everything() -> ops.UpgradeOps:
    """Makes all tables with their indexes."""
    found = ops.UpgradeOps([])
    for table in complete_metadata().sorted_tables:
        found.ops.append(ops.CreateTableOp.from_table(table))
        found.ops += [
            ops.CreateIndexOp.from_index(index)
            for index in sorted(table.indexes, key=lambda index: str(index.name))
        ]
    return found


def _changes() -> ops.UpgradeOps:
    """Compares the tables of the code with those that the known revisions make.

    SQLite does not tell of indexes over expressions, and Alembic not of its defaults: where only
    those change it is written by hand, and the contract tests say where that was forgotten.
    """
    engine = create_engine("sqlite://")
    with engine.connect() as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        migrate(connection)
        hidden = {index.name for index in indexes_over_expressions()}
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_object": lambda _thing, name, *_: name not in hidden,
            },
        )
        found = produce_migrations(context, complete_metadata()).upgrade_ops
    engine.dispose()
    return _with_hidden_indexes(found or ops.UpgradeOps([]))


def _with_hidden_indexes(changes: ops.UpgradeOps) -> ops.UpgradeOps:
    """Makes indexes over expressions anew where their table changes.

    SQLite changes a table by copying it, with those indexes alone that it tells of.
    """
    changed = {one.table_name for one in changes.ops if isinstance(one, ops.ModifyTableOps)}
    hidden = [
        index
        for index in indexes_over_expressions()
        if index.table is not None and index.table.name in changed
    ]
    dropped = [ops.DropIndexOp.from_index(index) for index in hidden]
    made = [ops.CreateIndexOp.from_index(index) for index in hidden]
    return ops.UpgradeOps([*dropped, *changes.ops, *made])


def _last_release() -> str:
    """The newest tag, empty where there is none."""
    found = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0"],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip()


if __name__ == "__main__":
    main()
