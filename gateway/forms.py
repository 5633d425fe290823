"""Forms of our pages."""

from urllib.parse import parse_qsl

from starlette.requests import Request

from gateway.failures import HttpError

MAX_FORM_BYTES = 64 * 1024
"""Largest form."""


async def read_form(request: Request) -> dict[str, str]:
    """Reads a form that a page sent; where a field comes twice, the last one counts.

    Raises:
        HttpError: It is too large (413).
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise HttpError(
                413,
                f"the form is larger than {MAX_FORM_BYTES} bytes",
                code="RESOURCE_EXHAUSTED",
                reason="BODY_TOO_LARGE",
            )
    return dict(
        parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=64)
    )
