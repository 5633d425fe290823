"""`ackrep` with a working copy that the deployed system has never seen."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.catalog_system import data_repository_at
from tests.command_projects import Project
from tests.git_repositories import user_git, write
from tests.whole_systems import System, running_system

SOLUTION = "problem_solutions/nomin/solution.py"


@dataclass(frozen=True)
class Client:
    """Somebody far away with a working copy."""

    project: Project
    system: System
    folder: Path
    """Where commands are run: neither the working copy nor anything of the system."""

    def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Runs `ackrep` against the deployed system."""
        return subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            env={
                **self.project.variables,
                "PYTHONPATH": ":".join(map(str, (Path.cwd(), Path.cwd() / "protos"))),
                "ACKREP_TOKEN": self.system.nats.token,
                "ACKREP_CATALOG": f"127.0.0.1:{self.system.ports['catalog']}",
                "ACKREP_SCHEDULER": f"127.0.0.1:{self.system.ports['scheduler']}",
            },
            cwd=cwd or self.folder,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    async def ackrep(self, *arguments: str, cwd: Path | None = None) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of `ackrep`."""
        done = await asyncio.to_thread(self.run, *arguments, cwd=cwd)
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    """A system over a repository that has nothing of what the client works on."""
    project = Project(tmp_path / "far", state=tmp_path / "state")
    user_git(project.root, "init", "-q", "-b", "main")
    user_git(project.root, "add", ".")
    user_git(project.root, "commit", "-q", "-m", "first")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with running_system(
        tmp_path,
        source=data_repository_at(tmp_path / "data"),
        backend="process",
        environments=project.environments,
        more={"ACKREP_RUNNER_SLOTS": "2", "ACKREP_RUNNER_DRAIN_SECONDS": "1"},
    ) as system:
        yield Client(project, system, elsewhere)


async def test_far_client(client: Client) -> None:
    """A working copy is sent once, checked as it is, and sent again only where it changed."""
    root = client.project.root
    code, out, err = await client.ackrep("sync", str(root), "--json")
    assert 0 == code, err
    first = json.loads(out)
    assert user_git(root, "rev-parse", "HEAD^{tree}") == first["id"]
    assert user_git(root, "rev-parse", "HEAD") == first["commit"]
    assert "tiny_data" == first["title"]
    assert f":{root}" in first["source"]
    assert "sent 1" in err

    code, out, err = await client.ackrep("sync", str(root), "--json")
    assert (0, first) == (code, json.loads(out))
    assert "nothing to send" in err

    # The catalog's own repository is still what others see.
    code, out, err = await client.ackrep("list", "--json")
    assert "MMMMM" in out
    assert "NOMIN" not in out

    code, out, err = await client.ackrep("check", str(root / "problem_solutions/nomin"))
    assert 0 == code, (out, err, client.system.logs)
    assert "computing 42" in out
    assert "nothing to send" in err

    text = (root / SOLUTION).read_text().replace("42", "40")
    write(root, {SOLUTION: text, "noise.txt": "untracked"})
    code, out, err = await client.ackrep("check", str(root / SOLUTION))
    assert 2 == code, (out, err)
    assert "computing 40" in out
    assert "sent 2 of" in err

    # Keys that only the working copy has, in it, by name of the repository.
    code, out, err = await client.ackrep("check", "WRONG", "-C", str(root), "--json")
    assert 2 == code, (out, err)
    assert "inaccurate" == json.loads(out)["verdict"]
    code, out, err = await client.ackrep("watch", json.loads(out)["id"])
    assert (2, True) == (code, "entity WRONG" in out), (out, err)
    code, out, err = await client.ackrep("check", "problem_solutions/raise", cwd=root)
    assert 1 == code, (out, err)

    # Several, from a folder of the working copy.
    code, out, err = await client.ackrep("check", "nomin", "wrong", cwd=root / "problem_solutions")
    assert 2 == code, (out, err)
    assert "NOMIN" in out
    assert "WRONG" in out


async def test_refusals(client: Client) -> None:
    """What cannot be uploaded is told in a line that says what to do, and nothing is checked."""
    plain = client.folder / "plain"
    plain.mkdir()
    code, _, err = await client.ackrep("sync", str(plain))
    assert (64, True) == (code, "no data repository" in err)

    code, _, err = await client.ackrep("check", "NOMIN")
    assert 64 == code or "no entity has the key NOMIN" in err

    root = client.project.root
    code, _, err = await client.ackrep("sync", str(root), "--ref", "main")
    assert (64, True) == (code, "is no working copy" in err)

    code, _, err = await client.ackrep("check", str(root / "environments"))
    assert 64 == code, err

    (root / ".git/HEAD").write_text("nonsense")
    code, _, err = await client.ackrep("sync", str(root))
    assert (3, True) == (code, "git cannot read" in err), err
