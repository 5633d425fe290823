"""The pages say what the code does: generated parts are current, names and links lead somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ackrep.scheduler.v1 import check_pb2
from cli import verdicts
from cli.main import ackrep
from docs import generate

ROOT = Path(__file__).parents[2]
OURS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
"""The pages that describe the whole."""
LINKING = [*OURS, ROOT / "environments/README.md", ROOT / "examples/demo_data/README.md"]

VARIABLE = re.compile(r"\bACKREP_[A-Z][A-Z_]*[A-Z]\b")
INTERNAL = {"ACKREP_CONTEXT", "ACKREP_PARENT", "ACKREP_PARENT_PIPE", "ACKREP_SHIMS"}
"""Variables by which our own processes tell each other something; nobody sets them."""


def text_of(name: str) -> str:
    """Reads a page."""
    return (ROOT / name).read_text()


def sources(*folders: str) -> Iterator[str]:
    """Reads all Python sources below some folders."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "node_modules" not in path.parts:
                yield path.read_text()


def test_generated_parts_are_current() -> None:
    """What `make docs` would write is what is committed."""
    stale = [page.name for page, text in generate.fresh() if page.read_text() != text]

    assert [] == stale, "run `make docs` and commit the pages"


def test_every_generated_part_has_its_place() -> None:
    """Whatever can be generated stands in some page, the settings of every service included."""
    made = {name for page in OURS for _, name, _, _ in generate.PLACE.findall(page.read_text())}
    modules = [*(ROOT / "services").glob("*/settings.py"), ROOT / "gateway/settings.py"]
    settings = {f"settings {path.parent.name}" for path in modules}

    assert {*generate.PARTS, *settings} - {"settings"} == made - {"settings shared"}


def test_every_rpc_is_on_the_page() -> None:
    """docs/http-api.md names each rpc of each proto."""
    page = text_of("docs/http-api.md")
    rpcs = {
        name
        for path in (ROOT / "protos").rglob("*.proto")
        for name in re.findall(r"^\s*rpc (\w+)\(", path.read_text(), re.MULTILINE)
    }

    assert rpcs
    assert set() == {name for name in rpcs if f"`{name}`" not in page}


def test_every_page_address_is_on_the_page() -> None:
    """docs/http-api.md names each route that the gateway's modules have."""
    page = text_of("docs/http-api.md")
    routes = {
        path
        for source in sources("gateway")
        for path in re.findall(r'\bRoute\(\s*"([^"]+)"', source)
    }

    assert routes
    assert set() == {path for path in routes if f" {path}`" not in page}


def test_every_reason_is_on_the_page() -> None:
    """docs/http-api.md names each reason that an error of ours can have."""
    page = text_of("docs/http-api.md")
    reasons = {
        name
        for source in (*sources("gateway"), text_of("services/errors.py"))
        for name in re.findall(r'\breason\s*(?:: ClassVar\[str\]\s*)?=\s*"([A-Z_]+)"', source)
    }

    assert reasons
    assert set() == {name for name in reasons if f"`{name}`" not in page}


@pytest.mark.parametrize("page", LINKING, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link leads to a file that exists, and to a heading that it has."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        name, _, heading = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (heading and heading not in headings(target)):
            broken.append(link)

    assert [] == broken


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    lines = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("page", OURS, ids=lambda page: page.name)
def test_paths_exist(page: Path) -> None:
    """A path into this repository that stands in backticks exists."""
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()} - {"build"}
    missing = []
    for path in re.findall(r"`([\w.*<>-]+/[\w.*<>/-]*)`", page.read_text()):
        if path.partition("/")[0] in folders:
            pattern = re.sub(r"<\w+>", "*", path.rstrip("/"))
            if not any(ROOT.glob(pattern)):
                missing.append(path)

    assert [] == missing


def test_every_variable_of_the_code_is_explained() -> None:
    """Each `ACKREP_…` that the code, Compose or its scripts read stands in a page."""
    pages = "".join(page.read_text() for page in OURS)
    read = {
        name
        for text in (*sources("cli", "gateway", "services"), text_of("compose.yaml"))
        for name in VARIABLE.findall(text)
    }

    assert set() == read - INTERNAL - set(VARIABLE.findall(pages))


def test_every_explained_variable_is_read() -> None:
    """No page names an `ACKREP_…` that nothing reads."""
    read = {one.variable for name in generate.SERVICES for one in generate.settings_of(name)}
    for text in (*sources("cli", "gateway", "services", "tests"), text_of("compose.yaml")):
        read |= set(VARIABLE.findall(text))
    named = {name for page in LINKING for name in VARIABLE.findall(page.read_text())}

    assert set() == named - read


def test_every_variable_of_compose_is_explained() -> None:
    """docs/deployment.md names each variable that compose.yaml takes from outside."""
    wanted = set(re.findall(r"\$\{([A-Z_]+)", text_of("compose.yaml")))
    page = text_of("docs/deployment.md")

    assert set() == {name for name in wanted if f"`{name}`" not in page}


def test_commands_in_pages_exist() -> None:
    """Each `ackrep …` and `make …` that a page tells to type is a command or a target."""
    targets = set(re.findall(r"^([a-z][a-z-]*):", text_of("Makefile"), re.MULTILINE))
    wrong = []
    for page in OURS:
        text = page.read_text()
        typed = re.findall(r"(?:`|^\$ )ackrep ([a-z][a-z-]*)", text, re.MULTILINE)
        made = re.findall(r"(?:`|^\$ )make ([a-z][a-z-]*)", text, re.MULTILINE)
        wrong += [f"{page.name}: ackrep {name}" for name in typed if name not in ackrep.commands]
        wrong += [f"{page.name}: make {name}" for name in made if name not in targets]

    assert [] == wrong


def test_readme_says_the_exit_codes() -> None:
    """README.md has the exit code of every verdict as the command line returns it."""
    told = dict(re.findall(r"^\| ([a-z ]+) \| .* \| (\d+) \|$", text_of("README.md"), re.MULTILINE))
    words = [verdicts.word(number) for number in check_pb2.Verdict.values() if number]

    assert {word.label: str(word.exit_code) for word in words} == told
