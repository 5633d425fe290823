"""JSON schemas of messages and enums, as protobuf's JSON mapping writes them."""

from collections.abc import Collection, Mapping
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

_WELL_KNOWN: Mapping[str, dict[str, Any]] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?\d+(\.\d+)?s$"},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array"},
    "google.protobuf.Empty": {"type": "object"},
    "google.api.HttpBody": {"type": "string", "contentMediaType": "application/octet-stream"},
}

_F = FieldDescriptor
_SCALARS: Mapping[int, dict[str, Any]] = {
    _F.TYPE_BOOL: {"type": "boolean"},
    _F.TYPE_STRING: {"type": "string"},
    _F.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    _F.TYPE_DOUBLE: {
        "anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}],
    },
    _F.TYPE_FLOAT: {
        "anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}],
    },
    _F.TYPE_INT32: {"type": "integer", "format": "int32"},
    _F.TYPE_SINT32: {"type": "integer", "format": "int32"},
    _F.TYPE_SFIXED32: {"type": "integer", "format": "int32"},
    _F.TYPE_UINT32: {"type": "integer", "format": "int64", "minimum": 0},
    _F.TYPE_FIXED32: {"type": "integer", "format": "int64", "minimum": 0},
    _F.TYPE_INT64: {"type": "string", "format": "int64"},
    _F.TYPE_SINT64: {"type": "string", "format": "int64"},
    _F.TYPE_SFIXED64: {"type": "string", "format": "int64"},
    _F.TYPE_UINT64: {"type": "string", "format": "uint64"},
    _F.TYPE_FIXED64: {"type": "string", "format": "uint64"},
}


class Schemas:
    """The components of one document: everything that was referred to, and what that needs."""

    def __init__(self, comments: Mapping[str, str]) -> None:
        self._comments = comments
        self._wanted: dict[str, Descriptor | EnumDescriptor] = {}

    def reference(self, element: Any) -> dict[str, Any]:
        """Refers to a message or enum, which so becomes a component."""
        if element.full_name in _WELL_KNOWN:
            return dict(_WELL_KNOWN[element.full_name])
        self._wanted.setdefault(element.full_name, element)
        return {"$ref": f"#/components/schemas/{element.full_name}"}

    def body(self, message: Descriptor, taken: Collection[str]) -> dict[str, Any]:
        """Describes a request body: the message, without the fields that the path says."""
        if not taken:
            return self.reference(message)
        return self._schema(message, without=taken)

    def components(self) -> dict[str, Any]:
        """Makes the schemas of everything referred to so far."""
        made: dict[str, Any] = {}
        while missing := self._wanted.keys() - made.keys():
            for name in sorted(missing):
                made[name] = self._schema(self._wanted[name])
        return dict(sorted(made.items()))

    def _schema(
        self, element: Descriptor | EnumDescriptor, *, without: Collection[str] = ()
    ) -> dict[str, Any]:
        description = self._comments.get(element.full_name, "")
        if isinstance(element, EnumDescriptor):
            values = "\n".join(
                # Values are scoped beside their enum, comments are found below it.
                f"* `{value.name}`: {self._comments.get(f'{element.full_name}.{value.name}', '')}"
                for value in element.values
            )
            return {
                "type": "string",
                "description": f"{description}\n\n{values}",
                "enum": [value.name for value in element.values],
            }
        schema: dict[str, Any] = {"type": "object", "description": description, "properties": {}}
        asked = element.name.endswith("Request")
        if asked:
            schema["additionalProperties"] = False
        required = []
        for field in element.fields:
            if field.name in without:
                continue
            described = field_schema(field, self)
            comment = self._comments.get(field.full_name, "")
            if asked:
                described = _asked(field, described)
            schema["properties"][field.json_name] = {**described, "description": comment}
            behaviours = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
            if field_behavior_pb2.REQUIRED in behaviours:
                required.append(field.json_name)
        if required:
            schema["required"] = required
        return schema


def query_schema(field: FieldDescriptor, schemas: Schemas) -> dict[str, Any]:
    """Describes a field as a query parameter, where an enum may be said by number too."""
    single = _bounded(field, field_schema(field, schemas))
    if field.enum_type is None:
        return single
    numbers = {"enum": [value.number for value in field.enum_type.values]}
    if field.is_repeated:
        return {"type": "array", "items": {"anyOf": [single["items"], numbers]}}
    return {"anyOf": [single, numbers]}


def _asked(field: FieldDescriptor, schema: dict[str, Any]) -> dict[str, Any]:
    """What a body may say of a field: null means that it is not said, enums have numbers."""
    alternatives = [_bounded(field, schema), {"type": "null"}]
    if field.enum_type is not None and not field.is_repeated:
        alternatives.insert(1, {"type": "integer", "format": "int32"})
    return {"anyOf": alternatives}


def _bounded(field: FieldDescriptor, schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "minimum": 0} if field.name in {"page_size", "max_rows"} else schema


def field_schema(field: FieldDescriptor, schemas: Schemas) -> dict[str, Any]:
    """Describes one field."""
    kind = field.message_type or field.enum_type
    if field.message_type and field.message_type.GetOptions().map_entry:
        value = field.message_type.fields_by_name["value"]
        return {"type": "object", "additionalProperties": field_schema(value, schemas)}
    single = schemas.reference(kind) if kind else dict(_SCALARS[field.type])
    return {"type": "array", "items": single} if field.is_repeated else single
