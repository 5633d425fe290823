"""Which data repository a command is about."""

from pathlib import Path

import pytest

from cli import source
from cli.source import Source
from cli.state import StateDirectory
from services.errors import InvalidArgumentError


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A data repository without git, with one entity."""
    root = tmp_path / "my data"
    entity = root / "system_models" / "pendulum"
    entity.mkdir(parents=True)
    (entity / "metadata.yml").write_text("key: ABCDE\n")
    return root


@pytest.mark.parametrize(
    ("text", "location", "ref"),
    [
        ("https://example.org/a/data.git", "https://example.org/a/data.git", ""),
        ("https://example.org/a/data@main", "https://example.org/a/data", "main"),
        ("https://me@example.org/a/data@v1.0", "https://me@example.org/a/data", "v1.0"),
        ("https://example.org/a/data@feature/x", "https://example.org/a/data", "feature/x"),
        ("git@example.org:a/data.git", "git@example.org:a/data.git", ""),
        ("git@example.org:a/data.git@main", "git@example.org:a/data.git", "main"),
        ("file:///srv/data@abc123", "file:///srv/data", "abc123"),
        ("ssh://git@example.org:22/a/data", "ssh://git@example.org:22/a/data", ""),
    ],
)
def test_urls(text: str, location: str, ref: str) -> None:
    """A URL may end with @REF; an @ of a user name is none."""
    assert source.parse(text) == Source(location=location, ref=ref)


def test_path(repository: Path) -> None:
    """A path is made absolute; the working tree has no ref."""
    assert source.parse(str(repository)) == Source(location=str(repository.resolve()))


def test_path_with_ref(repository: Path) -> None:
    """A path may end with @REF too, and a folder whose name has an @ is that folder."""
    odd = repository.parent / "a@b"
    odd.mkdir()

    assert source.parse(f"{repository}@main").ref == "main"
    assert source.parse(str(odd)) == Source(location=str(odd.resolve()))


def test_two_refs_contradict(repository: Path) -> None:
    """@REF and another --ref at once are refused."""
    with pytest.raises(InvalidArgumentError, match="two refs"):
        source.parse(f"{repository}@main", ref="develop")


def test_a_folder_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    """No message and no page could name it; the error can."""
    folder = tmp_path / "caf\udce9"
    folder.mkdir()
    with pytest.raises(InvalidArgumentError, match=r"caf\\udce9"):
        source.parse(str(folder))


def test_missing_path_names_it() -> None:
    """A folder that does not exist is named in the error."""
    with pytest.raises(InvalidArgumentError, match="/no/such/folder"):
        source.parse("/no/such/folder")


@pytest.mark.parametrize("below", [".", "system_models", "system_models/pendulum"])
def test_found_from_below(repository: Path, below: str) -> None:
    """From anywhere within, the data repository is found upwards."""
    found = source.find(None, start=repository / below, environ={})

    assert found.location == str(repository.resolve())


def test_file_leads_to_its_repository(repository: Path) -> None:
    """A file in an entity leads to the data repository that holds it."""
    file = repository / "system_models" / "pendulum" / "metadata.yml"

    assert source.root_of(file) == repository.resolve()


def test_option_over_variable_over_folder(repository: Path, tmp_path: Path) -> None:
    """--repository counts before ACKREP_REPOSITORY, and that before the current folder."""
    other, third = tmp_path / "other", tmp_path / "third"
    other.mkdir()
    third.mkdir()
    variables = {"ACKREP_REPOSITORY": str(other)}

    by_option = source.find(str(third), start=repository, environ=variables)
    by_variable = source.find(None, start=repository, environ=variables)

    assert by_option.title == "third"
    assert by_variable.title == "other"


def test_nothing_found_says_what_to_do(tmp_path: Path) -> None:
    """Outside of any data repository the error names the option and the variable."""
    with pytest.raises(InvalidArgumentError, match="--repository PATH or ACKREP_REPOSITORY"):
        source.find(None, start=tmp_path, environ={})


def test_plain_git_repository_is_no_data_repository(tmp_path: Path) -> None:
    """A git repository without any entity near its root is not taken for one."""
    (tmp_path / ".git").mkdir()

    assert source.root_of(tmp_path) is None


def test_state_directories_differ_by_location_and_ref(repository: Path) -> None:
    """Each data repository, and each ref of it, has its own state; the title stays readable."""
    variables = {"ACKREP_STATE": "/state"}
    plain = Source(location=str(repository))
    directories = [
        StateDirectory.of(one, environ=variables).path
        for one in (plain, Source(location=plain.location, ref="main"), Source(location="/other"))
    ]

    assert len(set(directories)) == 3
    assert directories[0].parent == Path("/state")
    assert directories[0].name.startswith("my_data-")
    assert len(directories[0].name) == len("my_data-") + 12


@pytest.mark.parametrize(
    ("variables", "parent"),
    [
        ({"XDG_STATE_HOME": "/x"}, Path("/x/ackrep")),
        ({}, Path("~/.local/state/ackrep").expanduser()),
        ({"ACKREP_STATE": "/s", "XDG_STATE_HOME": "/x"}, Path("/s")),
    ],
)
def test_state_directory_parent(variables: dict[str, str], parent: Path) -> None:
    """State is kept where the user says, else where the desktop standard says."""
    assert StateDirectory.of(Source("/data"), environ=variables).path.parent == parent
