"""What Alembic runs: the revisions that a database lacks, in the transaction of its caller."""

from typing import cast

from alembic import context
from sqlalchemy import Connection

context.configure(
    connection=cast("Connection", context.config.attributes["connection"]),
    render_as_batch=True,  # SQLite changes a table only by copying it
)
context.run_migrations()
