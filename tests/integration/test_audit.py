"""The cold audit through the whole system: what is not the same in a fresh container is told."""

import asyncio
from pathlib import Path

import pytest

from ackrep.runner.v1 import runner_pb2
from ackrep.scheduler.v1 import check_pb2
from tests.engine import engine_or_reason, write_bare_environment
from tests.requirements import need
from tests.whole_systems import running_system

SIMULATION = """
import os
from ackrep_core import ResultContainer
def simulate():
    return {score}
def evaluate_simulation(data):
    return ResultContainer(success=True, score=data)
"""
SCORES = {"SAME1": "0.5", "DICE1": "int.from_bytes(os.urandom(4), 'big') / 7"}


def write_repository(folder: Path) -> Path:
    """A data repository with a model that is always the same, and one that never is."""
    environment = folder / "environment_specifications" / "bare"
    environment.mkdir(parents=True)
    (environment / "metadata.yml").write_text(
        "name: bare_environment\nkey: BARE1\ntype: environment_specification\n"
    )
    for key, score in SCORES.items():
        model = folder / "system_models" / key.lower()
        model.mkdir(parents=True)
        (model / "metadata.yml").write_text(
            f"name: {key.lower()}\nkey: {key}\ntype: system_model\ncreator: nobody\n"
            "compatible_environment: BARE1\n"
        )
        (model / "system_model.py").write_text("")
        (model / "simulation.py").write_text(SIMULATION.format(score=score))
    return folder


@pytest.mark.engine
async def test_a_check_that_differs_in_a_fresh_container_is_told(tmp_path: Path) -> None:
    """Both are repeated; the one whose numbers change is named, and its container is gone."""
    engine, reason = engine_or_reason()
    need(engine, what=f"Docker engine: {reason}")
    write_bare_environment(tmp_path / "environments")
    async with running_system(
        tmp_path,
        source=write_repository(tmp_path / "data"),
        backend="docker",
        environments=tmp_path / "environments",
        more={"ACKREP_RUNNER_AUDIT_EVERY": "1", "ACKREP_RUNNER_SLOTS": "1"},
    ) as system:
        for key in SCORES:
            check, _ = await system.check(key)
            assert check_pb2.VERDICT_SUCCESS == check.verdict, system.logs
        async with system.runner() as runner, asyncio.timeout(60):
            while True:
                found = await runner.GetRunner(runner_pb2.GetRunnerRequest(name="runners/-"))
                if found.audits >= len(SCORES):
                    break
                await asyncio.sleep(0.1)
        (difference,) = found.audit_differences
        assert check.name in difference
        assert "score" in difference
