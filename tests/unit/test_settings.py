"""Settings come from environment variables into one frozen dataclass."""

from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path

import pytest

from services.errors import InvalidArgumentError
from services.settings import load, variable


@dataclass(frozen=True, kw_only=True)
class Example:
    token: str
    folder: Path
    slots: int = 2
    seconds: float = 1.5
    tight: bool = False
    names: tuple[str, ...] = ()
    gateway: str | None = None
    limit: int | None = 5


def example(**environ: str) -> Example:
    given = {"ACKREP_TOKEN": "secret", "ACKREP_EXAMPLE_FOLDER": "/data", **environ}
    return load(Example, service="example", environ=given)


def test_names() -> None:
    """Fields have the service in their variable's name; shared ones do not."""
    assert "ACKREP_CATALOG_ADDRESS" == variable("catalog", "address")
    assert "ACKREP_TOKEN" == variable("catalog", "token")
    assert "ACKREP_NATS" == variable("runner", "nats")


def test_defaults() -> None:
    """What is not set keeps its default."""
    assert Example(token="secret", folder=Path("/data")) == example()


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("slots", "7", 7),
        ("seconds", "0.25", 0.25),
        ("tight", "yes", True),
        ("tight", "TRUE", True),
        ("tight", "0", False),
        ("tight", "", False),
        ("names", "a,b,,c", ("a", "b", "c")),
        ("names", "", ()),
        ("gateway", "host:1", "host:1"),
        ("gateway", "", None),
        ("limit", "9", 9),
        ("limit", "", None),
        ("folder", "~/x", Path("~/x").expanduser()),
    ],
)
def test_values(field: str, text: str, value: object) -> None:
    """Text becomes the field's type; empty text of an optional field is None."""
    assert value == getattr(example(**{f"ACKREP_EXAMPLE_{field.upper()}": text}), field)


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"ACKREP_EXAMPLE_SLOTS": "many"}, "ACKREP_EXAMPLE_SLOTS"),
        ({"ACKREP_EXAMPLE_SECONDS": "1,5"}, "ACKREP_EXAMPLE_SECONDS"),
        ({"ACKREP_EXAMPLE_TIGHT": "maybe"}, "ACKREP_EXAMPLE_TIGHT"),
    ],
)
def test_wrong_values(environ: Mapping[str, str], name: str) -> None:
    """A value that does not fit is refused, and the variable is named."""
    with pytest.raises(InvalidArgumentError, match=name) as caught:
        example(**environ)
    assert name == caught.value.facts["setting"]


def test_a_missing_value() -> None:
    """A required setting that is missing is named."""
    with pytest.raises(InvalidArgumentError, match="ACKREP_EXAMPLE_FOLDER is required"):
        load(Example, service="example", environ={"ACKREP_TOKEN": "x"})


def test_settings_do_not_change() -> None:
    """Settings are read once."""
    with pytest.raises(FrozenInstanceError):
        example().slots = 3  # type: ignore[misc]  # that is the point
