"""Path templates."""

import pytest

from gateway import paths


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("/v1/checks", "/v1/checks", {}),
        ("/v1/checks", "/v1/checks/", None),
        ("/v1/{name=checks/*}", "/v1/checks/a1", {"name": "checks/a1"}),
        ("/v1/{name=checks/*}", "/v1/checks/a1:watch", None),
        ("/v1/{name=checks/*}", "/v1/checks/a1/log", None),
        ("/v1/{name=checks/*}", "/v1/checks/", None),
        ("/v1/{name=checks/*}:watch", "/v1/checks/a1:watch", {"name": "checks/a1"}),
        ("/v1/{name=checks/*}", "/v1/checks/a%20b", {"name": "checks/a b"}),
        ("/v1/{name=checks/*}", "/v1/checks/a%3Ab", {"name": "checks/a:b"}),
        # In a field of several segments an encoded slash stays encoded: it separates nothing.
        ("/v1/{name=checks/*}", "/v1/checks/a%2fb", {"name": "checks/a%2Fb"}),
        ("/v1/{key}", "/v1/a%2Fb", {"key": "a/b"}),
        ("/v1/{entity=entities/*}/closure", "/v1/entities/UX/closure", {"entity": "entities/UX"}),
        ("/v1/{path=files/**}", "/v1/files/a/b/c", {"path": "files/a/b/c"}),
        ("/v1/{path=**}", "/v1/a:b/c%3Ad%0A", {"path": "a:b/c:d\n"}),
        ("/v1/{path=**}", "/v1/a%252Fb", {"path": "a%2Fb"}),
        ("/v1/{path=**}:verb", "/v1/a/b:verb", {"path": "a/b"}),
        ("/v1/{path=**}:verb", "/v1/a:b/c:verb", None),
        ("/v1/{a.b=x/*}/y/{c}", "/v1/x/1/y/2", {"a.b": "x/1", "c": "2"}),
    ],
)
def test_match(template: str, path: str, expected: dict[str, str] | None) -> None:
    """A template matches whole paths, decodes what it captures, and leaves verbs alone."""
    assert expected == paths.parse(template).match(path)


def test_no_utf8() -> None:
    """A percent-encoding that is no UTF-8 is an error, not another name."""
    with pytest.raises(ValueError, match="utf-8"):
        paths.parse("/v1/{key}").match("/v1/%ff")
