"""Saves the files that checks produced."""

from pathlib import Path, PurePosixPath

from ackrep.scheduler.v1 import check_pb2
from cli import documents
from cli.client import Client


def place(artefact: check_pb2.Artefact, *, folder: Path) -> Path:
    """Where a file goes: its path in the data repository, below `folder` and nowhere else."""
    parts = [part for part in PurePosixPath(artefact.path).parts if part not in {"/", "..", "."}]
    return folder.joinpath(*parts) if parts else folder / documents.last(artefact.name)


async def save(client: Client, check: check_pb2.Check, *, folder: Path) -> list[Path]:
    """Downloads all files of a check into `folder`; returns where they are."""
    saved = []
    for artefact in check.result.artefacts:
        target = place(artefact, folder=folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.part")
        with open(partial, "wb") as file:  # noqa: ASYNC230  # written as it arrives
            async for data in client.download(artefact.name):
                file.write(data)
        partial.replace(target)
        saved.append(target)
    return saved
