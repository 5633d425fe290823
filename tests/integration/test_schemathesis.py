"""Schemathesis, an independent program, asks every operation of the API what it should refuse.

It reads `/openapi.json` of a whole embedded system over the demo data repository, and makes
requests that fit the document and requests that do not. No answer may be a failure of ours, have
another form than the document says, or accept what the document forbids.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from cli.embedded import Options, joined
from cli.source import Source

ROOT = Path(__file__).parents[2]

SECONDS = 75
"""All operations are asked within about half of it; on a busy machine, the rest is not."""

EXAMPLES = 5
"""Random requests for each operation, beside the written examples and each bound and type."""

LEFT_OUT = (
    "prepareEnvironment",
    "verifyEnvironment",
    "renderParameters",
    "createProposal",
    "refreshProposal",
)
"""What installs packages, or asks other hosts."""

NOT_CHECKED = ("positive_data_acceptance",)
"""A schema cannot say which names and filters there are: those are refused with 400, rightly."""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The demo data repository, as a git repository of its own."""
    folder = tmp_path / "demo_data"
    shutil.copytree(ROOT / "examples/demo_data", folder)
    for command in (
        ["init", "-q", "-b", "main"],
        ["add", "."],
        ["-c", "user.name=a test", "-c", "user.email=t@localhost", "commit", "-q", "-m", "all"],
    ):
        subprocess.run(["git", "-C", str(folder), *command], check=True)
    return folder


def test_every_operation(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Schemathesis finds nothing."""
    monkeypatch.setenv("ACKREP_STATE", str(tmp_path / "state"))
    options = Options(backend="process")
    with joined(Source(str(repository)), options=options, notify=lambda _: None) as system:
        address = system.page.rstrip("/")
        # What is created waits: this is about answers, not about checks.
        paused = httpx.post(f"{address}/v1/queue:pause", json={"reason": "a test"}, timeout=30)
        assert 200 == paused.status_code, paused.text
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "from schemathesis.cli import schemathesis; schemathesis()",
                "run",
                f"{address}/openapi.json",
                "--phases=examples,coverage,fuzzing",
                f"--max-examples={EXAMPLES}",
                f"--max-time={SECONDS}",
                "--generation-deterministic",
                "--request-timeout=30",
                "--no-color",
                *(f"--exclude-operation-id={name}" for name in LEFT_OUT),
                *(f"--exclude-checks={name}" for name in NOT_CHECKED),
            ],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "SCHEMATHESIS_HOOKS": "tests.schemathesis_hooks",
            },
        )

    print(done.stdout[-3000:])
    assert 0 == done.returncode, done.stdout + done.stderr
