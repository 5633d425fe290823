"""Page tokens of the made-up services: a number, refused as the real ones refuse what is none."""

from typing import Any

from services.errors import InvalidArgumentError


def begin_of(request: Any) -> int:
    """The place where a page begins."""
    token = request.page_token or "0"
    if not (token.isascii() and token.isdigit() and len(token) < 10):
        raise InvalidArgumentError("the page token is none of ours")
    return int(token)
