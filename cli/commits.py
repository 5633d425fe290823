"""Which commits something was made from, for labels that say what is inside."""

import subprocess
from pathlib import Path

from cli.client import Client
from services.errors import Error

_DIGITS = 12


def of_ackrep() -> str:
    """The commit of this ACKREP, with `+` where files differ; empty where it is no checkout."""
    root = Path(__file__).parents[1]
    commit = _git(root, "rev-parse", "HEAD") if (root / ".git").exists() else ""
    if not commit:
        return ""
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return commit[:_DIGITS] + ("+" if changed else "")


async def of_data(client: Client) -> str:
    """The commit that the catalog shows; empty where there is none, or no catalog is known."""
    if not client.system.catalog:
        return ""
    try:
        return (await client.revision()).commit[:_DIGITS]
    except Error:
        return ""


async def inside(client: Client) -> str:
    """Both commits in words, e.g. `ackrep 1a2b3c4d5e6f, data 6f5e4d3c2b1a`."""
    parts = (("ackrep", of_ackrep()), ("data", await of_data(client)))
    return ", ".join(f"{name} {commit}" for name, commit in parts if commit)


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
