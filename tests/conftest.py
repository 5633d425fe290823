"""Fixtures that tests of several folders share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runner.engine.containers import Engine
from tests.engine import engine_or_reason
from tests.nats_servers import NatsServer, running_nats
from tests.postgres import PostgresServer, ProgramsMissingError, postgres_server
from tests.requirements import need


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server that all tests of the session share."""
    try:
        with postgres_server() as server:
            yield server
    except ProgramsMissingError as error:
        need(None, what=f"PostgreSQL server: {error}")


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """SQLAlchemy URL (asyncpg) of an empty database that is dropped after the test."""
    with postgres.database() as url:
        yield url


@pytest.fixture
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """A nats-server with JetStream of this test alone."""
    with running_nats(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture(scope="session")
def docker_engine() -> Engine:
    """The Docker engine that the Docker command line would use. Mark the test `engine`."""
    engine, reason = engine_or_reason()
    need(engine, what=f"Docker engine: {reason}")
    assert engine is not None
    return engine


@pytest.fixture(scope="session")
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One state folder for the tests of the command: its virtual environment is made once."""
    return tmp_path_factory.mktemp("state")
