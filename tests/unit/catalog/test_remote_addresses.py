"""Addresses of remotes are not trusted: which are refused, and what git is given of the others."""

import contextlib
from pathlib import Path

import pytest

from services.catalog.sources.git import Git
from services.catalog.sources.local import LocalSource, source_of
from services.catalog.sources.remotes import UrlSource, remote_of
from services.errors import InvalidArgumentError

REFUSED = [
    "",
    "-",
    "--upload-pack=touch x",
    "-u./x",
    "ext::sh -c 'touch x'",
    "ext::sh",
    "fd::17",
    "transport::address",
    "user@ext::x",
    "http://example.org/x.git",
    "HTTP://example.org/x.git",
    "ftp://example.org/x",
    "ftps://example.org/x",
    "git+ssh://example.org/x",
    "ext://x",
    "file://elsewhere/x.git",
    "file://localhost@elsewhere/x.git",
    "https://",
    "https:///x",
    "https://:443/x",
    "https://@/x",
    "https://-x/x",
    "https://x-/x",
    "https://exa mple.org/x",
    "https://example.org/x y",
    "https://example.org/\nx",
    "https://example.org\t/x",
    "https://example.org/\x7f",
    "https://example.org\\@evil.example/x",
    "https://a@b@example.org/x",
    "https://a:b@c:d@example.org/x",
    "https://example.org:port/x",
    "https://example.org:99999/x",
    "https://[::1/x",
    "https://[evil]/x",
    "https://exämple.org/x",
    "https://%65xample.org/x",
    "https://user:s3cret%0Ax@example.org/x",
    "https://example.org/" + "x" * 3000,
    "ssh://-oProxyCommand=touch%20x/x",
    "ssh://%2doProxyCommand=touch/x",
    "ssh://-oProxyCommand=touch@example.org/x",
    "ssh://%2doProxyCommand=touch@example.org/x",
    "ssh://user:s3cret@example.org/x",
    "ssh://us%20er@example.org/x",
    "git@example.org:x y",
    "git@example.org:x\\y",
    "git://$(touch x)/x",
    "git://`touch x`/x",
]


@pytest.mark.parametrize("text", REFUSED)
def test_addresses_that_are_refused(text: str, tmp_path: Path) -> None:
    """Options, programs, other protocols and doubtful hosts never reach git."""
    with pytest.raises(InvalidArgumentError) as caught:
        source_of(text, ref="", git=Git(tmp_path), timeout=1.0)
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "-oProxyCommand=touch@example.org:x",
        "git@-oProxyCommand=touch:x",
        "-git@example.org:x",
        "git@example.org:-x",
        "example.org:x",
        "git @example.org:x",
        "./git@example.org:x",
    ],
)
def test_what_is_no_address_is_a_path(text: str, tmp_path: Path) -> None:
    """What looks like an address without being one is at most the name of a folder."""
    with contextlib.suppress(InvalidArgumentError):
        assert isinstance(source_of(text, ref="", git=Git(tmp_path), timeout=1.0), LocalSource)


@pytest.mark.parametrize(
    ("text", "url", "shown", "title"),
    [
        (
            "https://me:secret@Host.example:8443/group/data.git/?private_token=1#x",
            "https://host.example:8443/group/data.git/",
            "https://Host.example:8443/group/data.git/",
            "data",
        ),
        ("https://token@host/data", "https://host/data", "https://host/data", "data"),
        ("HTTPS://host/data", "https://host/data", "https://host/data", "data"),
        ("https://[::1]:1/data", "https://[::1]:1/data", "https://[::1]:1/data", "data"),
        ("ssh://git@host:22/data", "ssh://git@host:22/data", "ssh://host:22/data", "data"),
        ("git://me:secret@host/data", "git://host/data", "git://host/data", "data"),
        ("git@host:group/data.git", "git@host:group/data.git", "git@host:group/data.git", "data"),
        ("https://host/--upload-pack=x", *["https://host/--upload-pack=x"] * 2, "--upload-pack=x"),
    ],
)
def test_addresses_that_are_taken(text: str, url: str, shown: str, title: str) -> None:
    """Git and people are given the address without its secrets."""
    remote = remote_of(text)

    assert remote is not None
    assert (url, shown, title) == (remote.url, remote.shown, remote.title)
    assert "secret" not in repr(remote)


def test_a_folder_never_stands_for_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder may be called like `git@host:x`, and is taken then; a URL is always one."""
    monkeypatch.chdir(tmp_path)
    for name in ("git@host:x", "https:/host/x", "ext::sh"):
        Path(name).mkdir(parents=True)
    git = Git(tmp_path)

    assert isinstance(source_of("git@host:x", ref="", git=git, timeout=1.0), LocalSource)
    assert isinstance(source_of("ext::sh", ref="", git=git, timeout=1.0), LocalSource)
    assert isinstance(source_of("https://host/x", ref="", git=git, timeout=1.0), UrlSource)
