"""A real catalog over real gRPC for tests, and the data repository that it serves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ackrep.catalog.v1 import catalog_pb2 as pb
from ackrep.catalog.v1 import catalog_pb2_grpc as stubs
from services import rpc
from services.catalog.__main__ import running
from services.catalog.settings import Settings
from tests.git_repositories import user_git, write
from tests.unit.catalog.repositories import entity_files, environment

TOKEN = "t0ken"

Stub = stubs.CatalogServiceStub

DATABASES = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))
"""Each kind of database, for a fixture's `params`."""


def data_repository_at(folder: Path) -> Path:
    """Makes a committed data repository: a solution, its problem, a model, and a package."""
    folder.mkdir()
    write(
        folder,
        environment()
        | entity_files("MMMMM", "system_model", tag_list="[chaos, 'ocse:X']", creator="A. Author")
        | entity_files("PPPPP", "problem_specification", related_system_models_list="[MMMMM]")
        | entity_files(
            "SSSSS",
            "problem_solution",
            solved_problem_list="[PPPPP]",
            method_package_list="[METHO]",
        )
        | entity_files("METHO", "method_package"),
    )
    user_git(folder, "init", "-q", "-b", "main")
    user_git(folder, "add", ".")
    user_git(folder, "commit", "-q", "-m", "first")
    return folder


@asynccontextmanager
async def catalog(source: Path | str, state: Path, *, database: str = "") -> AsyncIterator[Stub]:
    """A running catalog and a stub for it."""
    settings = Settings(
        token=TOKEN, source=str(source), state=state, address="127.0.0.1:0", database=database
    )
    async with (
        running(settings) as port,
        rpc.dial(f"127.0.0.1:{port}", token=TOKEN) as channel,
    ):
        yield stubs.CatalogServiceStub(channel)


async def sync(stub: Stub) -> pb.Revision:
    """Has the catalog read its source."""
    return await stub.SyncRevision(pb.SyncRevisionRequest())


async def get(stub: Stub, key: str, *, revision: str = "") -> pb.Entity:
    """Gets an entity."""
    with rpc.remote_errors():
        return await stub.GetEntity(pb.GetEntityRequest(name=f"entities/{key}", revision=revision))
