"""Signed statements: DSSE envelopes around in-toto statements, signed with Ed25519.

Whoever has the public key and the file can check one; nothing else is needed, and nobody is asked.

Sources: DSSE v1.0.2 (https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md), in-toto
Attestation Framework v1 (https://github.com/in-toto/attestation), RFC 8032 (Ed25519).
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from services.errors import InvalidArgumentError

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://github.com/ackrep-org/attestations/check/v1"
"""Names the form of what is stated of a check; `docs/provenance.md` describes it."""


class NotGenuineError(InvalidArgumentError):
    """An envelope that the key does not prove, or that is none."""


def key_id(key: Ed25519PublicKey) -> str:
    """Name of a key: sha256 of its 32 bytes, in hexadecimal digits."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()


def public_key(pem: bytes) -> Ed25519PublicKey:
    """Reads a public key.

    Raises:
        InvalidArgumentError: It is no Ed25519 key in PEM form.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidArgumentError(f"this is no public key in PEM form: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidArgumentError("records are signed with Ed25519; this key is of another kind")
    return key


def envelope(statement: dict[str, Any], *, sign: Callable[[bytes], bytes], signer: str) -> str:
    """Signs a statement.

    Args:
        statement: Equal statements give equal envelopes.
        sign: Gives the signature of bytes.
        signer: `key_id` of the key.
    """
    payload = json.dumps(
        statement, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    ).encode()
    signature = sign(_encoded(PAYLOAD_TYPE, payload))
    return json.dumps(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": signer, "sig": base64.b64encode(signature).decode()}],
        }
    )


def opened(text: str, key: Ed25519PublicKey) -> dict[str, Any]:
    """The statement in an envelope, if this key signed it.

    Raises:
        NotGenuineError: It did not, or this is no envelope around a statement.
    """
    payload, kind, signatures = _parts(text)
    for signature in signatures:
        try:
            key.verify(signature, _encoded(kind, payload))
        except InvalidSignature:
            continue
        return _statement(kind, payload)
    raise NotGenuineError(f"no signature in the record is of the key {key_id(key)}")


def _parts(text: str) -> tuple[bytes, str, list[bytes]]:
    try:
        found = json.loads(text)
        payload = base64.b64decode(found["payload"], validate=True)
        kind = found["payloadType"]
        signatures = [
            base64.b64decode(one["sig"], validate=True) for one in found["signatures"][:16]
        ]
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error) as error:
        raise NotGenuineError(f"this is no signed record (a DSSE envelope): {error!r}") from error
    if not isinstance(kind, str):
        raise NotGenuineError("this is no signed record (a DSSE envelope): payloadType is no text")
    return payload, kind, signatures


def _statement(kind: str, payload: bytes) -> dict[str, Any]:
    try:
        statement = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise NotGenuineError("what was signed is no statement") from error
    if (
        kind != PAYLOAD_TYPE
        or not isinstance(statement, dict)
        or statement.get("_type") != STATEMENT_TYPE
        or statement.get("predicateType") != PREDICATE_TYPE
    ):
        raise NotGenuineError("what was signed is no statement of a check")
    return statement


def _encoded(kind: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what is signed in truth."""
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)
