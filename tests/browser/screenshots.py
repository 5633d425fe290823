"""Pictures of every page: `make screenshots`.

Starts the embedded system on the demo data repository, checks all of it, and photographs each page
as a desktop and as a phone shows it, light and dark, into `build/screenshots`. They are for
looking at, and are not committed.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples/demo_data"
OUTPUT = ROOT / "build/screenshots"
WINDOWS = {"desktop": (1280, 900), "phone": (390, 844)}
SCHEMES = ("light", "dark")
TALLEST = 6000
"""Pixels of a picture; the rest of a longer page looks the same."""
_STARTING_SECONDS = 300

PAGES = {
    "overview": "/",
    "entities": "/entities",
    "search": "/entities?q=pendulum",
    "entity-model": "/e/LRNZ4",
    "entity-solution": "/e/MLFL1",
    "entity-notebook": "/e/NBLS1",
    "entity-broken": "/e/LRHZX",
    "entity-environment": "/e/DEMOE",
    "source": "/e/LRNZ4/files/simulation.py",
    "missing": "/e/LRNZ5",
    "matrix": "/entity-overview",
    "checks": "/checks",
    "environments": "/environments",
    "environment": "/environments/demo_environment",
    "failure-groups": "/failure-groups",
    "bisections": "/bisections",
    "merge-requests": "/merge-requests",
    "queue": "/queue",
    "diagnostics": "/diagnostics",
    "ontology": "/ontology",
    "sparql": "/search-sparql",
    "revisions": "/revisions",
    "api": "/api",
    "error": "/nothing/here",
}
"""Address by the name of its pictures; checks, runs and trials are added as there are."""


def main() -> None:
    """Photographs the pages of a running system, or of one that is started for it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--address", help="of a running system; without it, one is started")
    parser.add_argument("--only", default="", help="a regular expression of names")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    asked = parser.parse_args()
    if asked.address:
        photograph(asked.address.rstrip("/"), asked.output, only=asked.only)
        return
    with demo() as address:
        photograph(address, asked.output, only=asked.only)


@contextmanager
def demo() -> Iterator[str]:
    """Runs the embedded system on the demo data repository, all of it checked."""
    with tempfile.TemporaryDirectory(prefix="ackrep-screenshots-") as state:
        command = [sys.executable, "-m", "cli", "--repository", str(DEMO), "up", "--check-all"]
        environment = {**os.environ, "ACKREP_STATE": state, "PYTHONPATH": f"{ROOT}:{ROOT}/protos"}
        system = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
        try:
            yield _address(system)
        finally:
            system.terminate()
            system.wait(30)


def _address(system: "subprocess.Popen[bytes]") -> str:
    """Waits until everything is checked: then the address of the pages is said a last time."""
    assert system.stdout
    for line in system.stdout:
        text = line.decode()
        print(text, end="")
        if found := re.match(r"Pages: (http://\S+)", text):
            return found[1].rstrip("/")
    raise SystemExit(f"the system ended with {system.wait()}")


def photograph(address: str, output: Path, *, only: str = "") -> None:
    """Photographs each page in all windows and schemes."""
    output.mkdir(parents=True, exist_ok=True)
    pages = PAGES | _moving(address)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, path in pages.items():
            if re.search(only, name):
                print(f"{name:22} {path}")
                for window in WINDOWS:
                    for scheme in SCHEMES:
                        _one(browser, address + path, output / f"{name}-{window}-{scheme}.png")
        browser.close()
    print(f"pictures of {len(pages)} pages in {output}")


def _one(browser: Browser, address: str, file: Path) -> None:
    _, window, scheme = file.stem.rsplit("-", 2)
    width, height = WINDOWS[window]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        is_mobile=window == "phone",
        has_touch=window == "phone",
    )
    page = context.new_page()
    page.goto(address, wait_until="load")
    # What is below the window is loaded when it comes into sight; formulas are set by a script.
    page.evaluate("document.querySelectorAll('[loading]').forEach(e => e.loading = 'eager')")
    page.evaluate("Promise.all([...document.images].map(e => e.decode().catch(() => {})))")
    expect(page.locator(".math:not([data-set])")).to_have_count(0)
    tall = min(TALLEST, int(page.evaluate("document.documentElement.scrollHeight")))
    page.screenshot(
        path=file, clip={"x": 0, "y": 0, "width": width, "height": tall}, full_page=True
    )
    context.close()


def _moving(address: str) -> dict[str, str]:
    """Finds pages of what is named anew in each system: checks, runs and trials."""
    checks = _get(f"{address}/v1/checks?pageSize=500").get("checks", [])
    found: dict[str, str] = {}
    for check in checks:
        word = check.get("verdict", "").removeprefix("VERDICT_").lower().replace("_", "-")
        if word and check["entity"].endswith(("LRNZ4", "LRHZX", "MSEU1", "NBLS1")):
            found.setdefault(f"check-{check['entity'][-5:].lower()}", f"/{check['name']}")
    runs = _get(f"{address}/v1/runs").get("runs", [])
    if runs:
        found["run"] = f"/{runs[0]['name']}"
    if len(runs) > 1:
        other = runs[1]["name"].removeprefix("runs/")
        found["comparison"] = f"/{runs[0]['name']}/compare/{other}"
    trials = _get(f"{address}/v1/trials").get("trials", [])
    if trials:
        found["trial"] = f"/{trials[0]['name']}"
    return found


def _get(address: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310  # our own
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        print(f"{address}: {error}")
        return {}


if __name__ == "__main__":
    main()
