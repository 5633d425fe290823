"""Reads one frozen dataclass of settings from environment variables.

A service declares its settings as a frozen dataclass with a docstring under each field; the field
`address` of the catalog is read from `ACKREP_CATALOG_ADDRESS`. Shared settings (`ACKREP_TOKEN`)
have no service in their name.
"""

import dataclasses
import os
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from services.errors import InvalidArgumentError

SHARED = {"token": "ACKREP_TOKEN", "nats": "ACKREP_NATS", "log_format": "ACKREP_LOG_FORMAT"}
"""Fields that all services read from the same variable."""

T = TypeVar("T")

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


def variable(service: str, field: str) -> str:
    """Names the environment variable of a field, e.g. `ACKREP_CATALOG_ADDRESS`."""
    return SHARED.get(field, f"ACKREP_{service}_{field}".upper())


def load(cls: type[T], *, service: str, environ: Mapping[str, str] | None = None) -> T:
    """Builds `cls` from the environment; fields without a variable keep their default.

    Raises:
        InvalidArgumentError: A variable is missing or has a value that does not fit; the message
            names it.
    """
    source = os.environ if environ is None else environ
    hints = get_type_hints(cls)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]  # T is a dataclass by contract
        name = variable(service, field.name)
        if name in source:
            values[field.name] = _convert(source[name], to=hints[field.name], name=name)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise InvalidArgumentError(f"the setting {name} is required", setting=name)
    return cls(**values)


def _convert(text: str, *, to: Any, name: str) -> Any:
    if get_origin(to) in (Union, types.UnionType):
        if text == "":
            return None
        to = next(option for option in get_args(to) if option is not type(None))
    if get_origin(to) is tuple:
        return tuple(part for part in text.split(",") if part)
    try:
        if to is bool:
            lowered = text.strip().lower()
            if lowered not in _TRUE | _FALSE:
                raise ValueError(text)
            return lowered in _TRUE
        if to is Path:
            return Path(text).expanduser()
        return to(text)
    except ValueError as error:
        wanted = getattr(to, "__name__", str(to))
        raise InvalidArgumentError(
            f"the setting {name} is {text!r}, which is no {wanted}", setting=name
        ) from error
