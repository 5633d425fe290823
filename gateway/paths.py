"""Path templates of `google.api.http`, as regular expressions over the undecoded path.

The grammar is that of google/api/http.proto: literals, `*`, `**`, `{field}`, `{field=a/*/b}` and a
`:verb` at the end. A `*` never matches a `:`, so that a verb is never part of a name; nor does a
`**`, but at the very end, where no verb can follow: names of files may have one.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

_SEGMENT = "[^/:]+"
_REST = "[^:]+"
_REST_TO_THE_END = "(?s:.+)"
_TOKEN = re.compile(r"\{([^}=]+)(?:=([^}]*))?\}|(\*\*)|(\*)|([^{}*]+)")
_ENCODED_SLASH = re.compile("%2F", re.IGNORECASE)


@dataclass(frozen=True)
class Variable:
    """A field that the path fills."""

    field: str
    """Field path in the request, e.g. `name` or `entity.name`."""
    pattern: str
    """Its own template, e.g. `checks/*`."""

    @property
    def multiple(self) -> bool:
        """Whether it may span several segments; an encoded slash then stays encoded."""
        return "/" in self.pattern or "**" in self.pattern


@dataclass(frozen=True)
class PathTemplate:
    """One parsed template."""

    text: str
    regex: re.Pattern[str]
    variables: tuple[Variable, ...]

    @property
    def wildcards(self) -> int:
        """How many wildcards it has: the fewer, the more specific."""
        return self.text.count("*") + sum("*" not in v.pattern for v in self.variables)

    def match(self, raw_path: str) -> dict[str, str] | None:
        """Returns the value of each field, decoded, or None where the path does not match.

        Raises:
            ValueError: A percent-encoding is no UTF-8.
        """
        found = self.regex.fullmatch(raw_path)
        if found is None:
            return None
        return {
            variable.field: _decode(found.group(f"v{index}"), keep_slash=variable.multiple)
            for index, variable in enumerate(self.variables)
        }


def parse(text: str) -> PathTemplate:
    """Parses a template, e.g. `/v1/{name=checks/*}:cancel`."""
    variables: list[Variable] = []
    pattern = ""
    for token in _TOKEN.finditer(text):
        field, inner, any_rest, star, literal = token.groups()
        if field is not None:
            variables.append(Variable(field, inner or "*"))
            rest = _REST_TO_THE_END if token.end() == len(text) else _REST
            pattern += f"(?P<v{len(variables) - 1}>{_segments(inner or '*', rest=rest)})"
        elif any_rest:
            pattern += _REST
        elif star:
            pattern += _SEGMENT
        else:
            pattern += re.escape(literal)
    return PathTemplate(text, re.compile(pattern), tuple(variables))


def _segments(text: str, *, rest: str) -> str:
    kinds = {"*": _SEGMENT, "**": rest}
    return "/".join(kinds.get(part) or re.escape(part) for part in text.split("/"))


def _decode(raw: str, *, keep_slash: bool) -> str:
    if keep_slash:
        raw = _ENCODED_SLASH.sub("%252F", raw)
    return unquote(raw, errors="strict")
