"""The filter language; what the conditions mean is tested with the stores."""

import pytest

from services.catalog.domain.entities import EntityType
from services.catalog.domain.filters import Filter, parse_filter
from services.errors import InvalidArgumentError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Filter()),
        ("   ", Filter()),
        ("type = system_model", Filter(types=(EntityType.SYSTEM_MODEL,))),
        ("type=ENTITY_TYPE_NOTEBOOK", Filter(types=(EntityType.NOTEBOOK,))),
        ("checkable = true AND tag = a b", Filter(checkable=True, tags=("a b",))),
        ("tag = a AND tag = b", Filter(tags=("a", "b"))),
        ('text = "x AND y" AND creator = Z', Filter(texts=("x and y",), creators=("z",))),
        (r'text = "say \"so\""', Filter(texts=('say "so"',))),
        ("text = a = b", Filter(texts=("a = b",))),
        ("text = BRAND", Filter(texts=("brand",))),
        ("environment = environments/e", Filter(environments=("e",))),
        ("path = /models/", Filter(paths=("models",))),
    ],
)
def test_what_is_understood(text: str, expected: Filter) -> None:
    """Conditions of `field = value`, joined by AND; quotes hold AND together."""
    assert expected == parse_filter(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "nonsense"),
        ("size = 1", "type, tag, environment"),
        ("type = modell", "system_model"),
        ("type =", "value"),
        ("checkable = yes", "true or false"),
        ("checkable = true AND checkable = false", "at once"),
        ("type = notebook AND", "AND"),
        ("type = notebook AND ", "not understood"),
        ("text = " + "x" * 2000, "longer"),
        ("text = a\0b", "NUL"),
    ],
)
def test_what_is_refused(text: str, words: str) -> None:
    """A filter that cannot be meant is refused, with what would be right."""
    with pytest.raises(InvalidArgumentError, match=words):
        parse_filter(text)
