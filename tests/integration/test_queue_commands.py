"""The queue as people handle it: with the command, over HTTP, and real checks."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.command_projects import ENVIRONMENT, Project, eventually, up

pytestmark = pytest.mark.timeout(300)

SLOW = "import time\n    time.sleep(1.5)\n    return 42.0"
QUICK = {"NOMIN", "WRONG", "RAISE"}


@pytest.fixture
def project(tmp_path: Path, state_folder: Path) -> Project:
    """A small data repository with one slow solution and some quick ones."""
    made = Project(tmp_path, state=state_folder)
    write(made, "problem_solutions/sleep/solution.py", f"def solve(specification):\n    {SLOW}\n")
    return made


@pytest.fixture
def running(project: Project) -> Iterator[Project]:
    """The same with `ackrep up`."""
    with up(project):
        yield project


def write(project: Project, path: str, text: str) -> None:
    """Writes a file of the data repository."""
    (project.root / path).write_text(text)


def lines(project: Project, *arguments: str, code: int | None = 0) -> list[dict[str, Any]]:
    """What a command writes with `--json`."""
    done = project.run(*arguments, "--json")
    assert code in (None, done.returncode), done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def waiting(project: Project) -> list[str]:
    """Keys of what waits, in the order of the queue."""
    return [check["key"] for check in lines(project, "queue", "list")]


def until_waiting(project: Project, process: subprocess.Popen[str], *, count: int) -> list[str]:
    """Waits until so many checks wait, some of them for a command; their keys."""

    def wait() -> bool:
        assert process.poll() is None, process.communicate()
        return len(waiting(project)) == count

    eventually(wait, what=f"{count} checks wait")
    return waiting(project)


def ended(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """What a command that was started with `--json` wrote."""
    out, err = process.communicate(timeout=120)
    assert out, err
    return [json.loads(line) for line in out.splitlines()]


def test_a_paused_queue_keeps_its_order(running: Project) -> None:
    """What waits: single checks first, then a run, longest first by its history; then all run."""
    lines(running, "check", "SLEEP", *sorted(QUICK), code=None)
    [paused] = lines(running, "queue", "pause", "--reason", "a look at the order")
    assert ["a look at the order"] == [pause["reason"] for pause in paused["pauses"]]
    assert "a look at the order" in running.run("queue").stdout

    run = running.start("check", "--force", "--json", "SLEEP", *sorted(QUICK))
    until_waiting(running, run, count=4)
    single = running.start("check", "--force", "--json", "WRITE")
    first, second, *others = until_waiting(running, single, count=5)
    assert ("WRITE", "SLEEP", QUICK) == (first, second, set(others))
    assert [] == lines(running, "runs")[0].get("verdicts", [])
    assert run.poll() is None

    lines(running, "queue", "resume")
    assert ["success"] == [check["verdict"] for check in ended(single)]
    verdicts = {check["key"]: check["verdict"] for check in ended(run)}
    assert {"SLEEP": "success", "NOMIN": "success", "WRONG": "inaccurate"} == {
        key: verdicts[key] for key in ("SLEEP", "NOMIN", "WRONG")
    }
    assert [] == waiting(running)
    again = running.run("queue", "resume")
    assert (64, "error: default is not paused\n") == (again.returncode, again.stderr)


def test_one_environment_is_paused(running: Project) -> None:
    """Only what needs it waits; `queue` says which and why."""
    lines(running, "queue", "pause", "tiny_environment", "--reason", "its image is made anew")
    check = running.start("check", "--json", "NOMIN")
    assert ["NOMIN"] == until_waiting(running, check, count=1)
    shown = running.run("queue").stdout
    assert "paused: tiny_environment since" in shown
    assert "its image is made anew" in shown
    lines(running, "queue", "resume", "tiny_environment")
    assert ["success"] == [one["verdict"] for one in ended(check)]


def test_what_was_given_up_is_replayed(running: Project) -> None:
    """An environment that cannot be had costs three attempts; mended, the check is replayed."""
    definition = running.environments / "tiny_environment.toml"
    definition.write_text(ENVIRONMENT.replace(">=3.11", ">=3.99"))
    [check] = lines(running, "check", "NOMIN", code=3)
    assert "infrastructure_error" == check["verdict"]
    [dead] = lines(running, "queue", "dead")
    assert check["name"] == dead["name"]
    shown = running.run("queue", "dead").stdout
    assert "NOMIN" in shown
    assert "3.99" in " ".join(shown.split())
    assert "1 given up" in running.run("queue").stdout

    definition.write_text(ENVIRONMENT)
    [made] = lines(running, "queue", "replay")
    assert made["name"] != check["name"]
    [replayed] = lines(running, "watch", made["name"])
    assert "success" == replayed["verdict"]
    assert [] == lines(running, "queue", "dead")
    assert [] == lines(running, "queue", "replay")


def test_a_full_queue_refuses(project: Project) -> None:
    """Nothing of a run that has no room is queued; who asked is told when to try again."""
    project.variables["ACKREP_SCHEDULER_WAITING_LIMIT"] = "2"
    with up(project):
        lines(project, "queue", "pause")
        refused = project.run("check", "--all", "--force")
        assert 3 == refused.returncode, refused.stdout
        assert "5 checks would wait, at most 2 may; try again in" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert [] == waiting(project)

        system = project.system()
        assert system is not None
        answer = httpx.post(f"{system.page.rstrip('/')}/v1/runs", json={"force": True}, timeout=30)
        assert 429 == answer.status_code
        assert 5 <= int(answer.headers["retry-after"]) <= 300
        assert "RESOURCE_EXHAUSTED" == answer.json()["error"]["status"]


def test_a_drained_runner(running: Project) -> None:
    """The table says so and why; nothing starts until it is resumed."""
    eventually(lambda: lines(running, "runners"), what="the runner has registered")
    [runner] = lines(running, "runners")
    name = runner["name"].removeprefix("runners/")
    lines(running, "runners", "drain", name, "--reason", "noise")
    check = running.start("check", "--json", "--force", "NOMIN")
    assert ["NOMIN"] == until_waiting(running, check, count=1)
    shown = " ".join(running.run("runners").stdout.split())
    assert "drained: noise" in shown
    assert "process" in shown
    lines(running, "runners", "resume", runner["name"])
    assert ["success"] == [one["verdict"] for one in ended(check)]
    # Its next heartbeat says that it takes checks again.
    eventually(lambda: "ready" in running.run("runners").stdout, what="the runner is ready")
    unknown = running.run("runners", "drain", "nobody")
    assert 64 == unknown.returncode
    assert "runners/nobody was ever heard of" in unknown.stderr
