"""Environments on the terminal and as JSON."""

import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console

from ackrep.runner.v1 import environment_pb2
from cli import environment_tables
from cli.main import run
from cli.screen import Screen
from cli.steps import follow

DIGEST = "sha256:" + "0123456789abcdef" * 4
OTHER = "sha256:" + "f" * 64
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def environment() -> environment_pb2.Environment:
    """One with everything that can be shown."""
    return environment_pb2.Environment(
        name="environments/demo_environment",
        state=environment_pb2.Environment.STATE_READY,
        digest=DIGEST,
        python=">=3.11",
        aliases=["old_environment", "much_older_environment"],
        images=[
            environment_pb2.Image(
                digest=DIGEST,
                tags=["1.2.0", "latest"],
                size=3 * 1024**3,
                version="1.2.0",
                description="what is new " * 9,
                revision="ackrep 1234567",
                current_recipe=True,
            ),
            environment_pb2.Image(digest=OTHER, tags=["candidate"], size=1024**2),
        ],
        unavailable={"assimulo": "does not build"},
        packages=["numpy==2.0"],
    )


def drawn(thing: object, *, width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(thing)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_list_says_what_is_in_use(width: int) -> None:
    """State, digest, version and size of the image in use, and all names, in any width."""
    text = drawn(environment_tables.environment_table([environment()], width=width), width=width)
    assert width >= max(len(line) for line in text.splitlines())
    for words in ("ready", "0123456789ab", "1.2.0", "3.00 GB", "old_environment"):
        assert words in text
    assert "ffff" not in text


@pytest.mark.parametrize("width", [80, 140])
def test_the_card_has_every_image(width: int) -> None:
    """The one in use is marked; what cannot be had is said with its reason."""
    text = drawn(environment_tables.environment_card(environment(), width=width), width=width)
    assert width >= max(len(line) for line in text.splitlines())
    for words in (
        "● 0123456789ab",
        "  ffffffffffff",
        "1.2.0, latest",
        "candidate",
        "assimulo",
        "does not build",
        "1 pinned",
        "ackrep 1234567",
        "other",
    ):
        assert words in text


def test_a_failed_one_says_why() -> None:
    """What is wrong stands below the list, as text whatever is in it."""
    broken = environment_pb2.Environment(
        name="environments/a_environment",
        state=environment_pb2.Environment.STATE_FAILED,
        message="no [bold]Python[/] here\x1b[2J",
    )
    text = drawn(environment_tables.environment_table([broken], width=80), width=80)
    assert "failed" in text
    assert "a_environment  no [bold]Python[/] here" in text
    assert "\x1b[2J" not in text


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (timedelta(seconds=5), "now"),
        (timedelta(minutes=5), "5 minutes"),
        (timedelta(hours=5), "5 hours"),
        (timedelta(days=5), "5 days"),
    ],
)
def test_ages(ago: timedelta, said: str) -> None:
    """In the unit that people would take."""
    stamp = Timestamp()
    stamp.FromDatetime(NOW - ago)
    assert said == environment_tables.age(stamp, now=NOW)
    assert "" == environment_tables.age(Timestamp(), now=NOW)


def test_environments_as_documents() -> None:
    """Flat where programs look first, with numbers as numbers."""
    document = environment_tables.of_environment(environment())
    assert ("demo_environment", "ready") == (document["environment"], document["state"])
    assert [3 * 1024**3, 1024**2] == [image["size"] for image in document["images"]]


def test_findings() -> None:
    """A subject is named once; documents have severities in words."""
    response = environment_pb2.VerifyEnvironmentResponse
    found = response(
        digest=DIGEST,
        findings=[
            response.Finding(severity=response.SEVERITY_OK, subject="packages", message="2 fine"),
            response.Finding(
                severity=response.SEVERITY_ERROR, subject="packages", message="not installed: a==1"
            ),
        ],
    )
    found.start_duration.FromMilliseconds(1500)
    text = drawn(environment_tables.finding_table(found.findings), width=80)
    assert 1 == text.count("packages")
    assert ["✓", "✗"] == [line[0] for line in text.splitlines()]
    document = environment_tables.of_verification("demo_environment", found)
    assert ["ok", "error"] == [one["severity"] for one in document["findings"]]
    assert 1.5 == document["startSeconds"]


async def test_long_work_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines go to standard error: all of them if asked for, else one now and then."""

    async def steps() -> AsyncIterator[environment_pb2.BuildEnvironmentResponse]:
        for number in range(5):
            yield environment_pb2.BuildEnvironmentResponse(message=f"line {number}", fraction=0.1)

    last = await follow(steps(), title="building", screen=Screen(), verbose=True)
    assert last is not None
    assert "line 4" == last.message
    written = capsys.readouterr()
    assert ("", [f"line {n}" for n in range(5)]) == (written.out, written.err.splitlines())
    await follow(steps(), title="building", screen=Screen())
    assert ["line 0"] == capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["env", "pull"], "--all"),
        (["env", "pull", "a_environment", "--all"], "--all"),
        (["env", "push", "a_environment"], "--version"),
        (["env", "build"], "NAME"),
        (["env", "list", "--catalog", "127.0.0.1:1"], "No such option"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage exits with 64 and says what is missing."""
    assert 64 == run(arguments)
    assert words in capsys.readouterr().err


def test_a_deployed_system_wants_its_runner(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Environments are a runner's, so its address must be known."""
    monkeypatch.setenv("ACKREP_TOKEN", "t")
    monkeypatch.delenv("ACKREP_RUNNER", raising=False)
    assert 64 == run(["--catalog", "127.0.0.1:1", "--scheduler", "127.0.0.1:2", "env", "list"])
    assert "ACKREP_RUNNER" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["list", "show", "build", "pull", "push", "verify"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each has a sentence about it, and takes --json and --runner."""
    assert 0 == run(["env", command, "--help"])
    text = capsys.readouterr().out
    for option in ("--json", "--runner", "--backend"):
        assert option in text
