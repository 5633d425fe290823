"""Pages as JSON: every address of a page answers programs too, by the `Accept` header.

The JSON of a page is what the page shows, as messages of the API wherever there are any, below
names that say what they are for here; it is no second API: `/v1/` is the one that promises its
shape. A browser, which asks for `text/html` or for anything, gets the page.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response

from gateway.access.redaction import without_errors


def wants_json(request: Request) -> bool:
    """Whether a request prefers JSON to HTML; where it likes both equally, it gets HTML."""
    accept = request.headers.get("accept", "*/*")
    return _quality(accept, "application/json") > _quality(accept, "text/html")


def _quality(accept: str, wanted: str) -> float:
    """Weight of a media type in an `Accept` header (RFC 9110, section 12.5.1)."""
    kind = wanted.partition("/")[0]
    found = {wanted: -1.0, f"{kind}/*": -1.0, "*/*": -1.0}
    for item in accept.split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        if name not in found:
            continue
        weight = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        try:
            found[name] = float(weight)
        except ValueError:
            found[name] = 0.0
    return next((weight for weight in found.values() if weight >= 0), 0.0)


def json_response(data: Mapping[str, Any], *, status: int = 200, sees_errors: bool) -> Response:
    """Answers with what a page shows, as JSON.

    Args:
        data: What the page shows.
        status: HTTP status.
        sees_errors: Whether what checks say about script errors is in it, too.
    """
    shown = _plain(data, hides=not sees_errors)
    text = json.dumps(shown, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Response(
        text.encode(),
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store", "vary": "Accept"},
    )


def _plain(value: Any, *, hides: bool) -> Any:
    """What JSON can say of a value: messages by protobuf's mapping, records by their fields."""
    if isinstance(value, Message):
        if hides:
            value = without_errors(value)
        return json_format.MessageToDict(value, always_print_fields_with_no_presence=True)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name), hides=hides)
            for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): _plain(item, hides=hides) for key, item in value.items()}
    if isinstance(value, float):
        # As protobuf's JSON does: JSON itself has no such numbers.
        return value if value == value and abs(value) != float("inf") else str(value)  # noqa: PLR0124
    if isinstance(value, str | int | bool | None):
        return value
    if isinstance(value, Sequence | AbstractSet):
        return [_plain(item, hides=hides) for item in value]
    raise TypeError(f"a page's data holds {type(value).__name__}, which is no JSON")
