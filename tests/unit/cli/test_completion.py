"""Completion by the shell, as bash asks for it."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.requirements import need


@pytest.mark.parametrize(
    ("line", "expected"),
    [("ackrep sc", "schedule"), ("ackrep check --ju", "--junit"), ("ackrep env sh", "shell")],
)
def test_bash(line: str, expected: str) -> None:
    """Commands, options and commands of groups are completed."""
    words = line.split(" ")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [sys.executable, "-m", "cli"],
        env={**os.environ, **asked, "_ACKREP_COMPLETE": "bash_complete"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert expected in [reply.partition(",")[2] for reply in done.stdout.split("\n")], done.stderr


def test_the_script_is_one_that_bash_reads() -> None:
    """`eval "$(ackrep completion bash)"` defines a completion for `ackrep`."""
    bash = shutil.which("bash")
    need(bash, what="bash")
    script = 'eval "$("$0" -m cli completion bash)" && complete -p ackrep'
    done = subprocess.run(
        [str(bash), "-c", script, sys.executable], capture_output=True, text=True, check=False
    )
    assert "ackrep" in done.stdout, done.stderr
