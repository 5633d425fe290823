"""Signed statements."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services import attestations
from services.errors import InvalidArgumentError

KEY = Ed25519PrivateKey.generate()
STATEMENT: dict[str, Any] = {
    "_type": attestations.STATEMENT_TYPE,
    "predicateType": attestations.PREDICATE_TYPE,
    "subject": [],
    "predicate": {"größe": 1.5},
}


def signed(statement: dict[str, Any] | None = None) -> str:
    """An envelope around a statement."""
    signer = attestations.key_id(KEY.public_key())
    return attestations.envelope(statement or STATEMENT, sign=KEY.sign, signer=signer)


def test_what_was_signed_comes_back() -> None:
    """The same statement, and the same envelope each time."""
    assert STATEMENT == attestations.opened(signed(), KEY.public_key())
    assert signed() == signed(dict(reversed(STATEMENT.items())))


def test_the_encoding_is_that_of_dsse() -> None:
    """The signature is over the pre-authentication encoding of DSSE, byte for byte."""
    found = json.loads(signed())
    payload = base64.b64decode(found["payload"])
    kind = b"application/vnd.in-toto+json"
    told = b"DSSEv1 28 " + kind + b" " + str(len(payload)).encode() + b" " + payload

    KEY.public_key().verify(base64.b64decode(found["signatures"][0]["sig"]), told)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"payload": base64.b64encode(b"{}").decode()}, "no signature"),
        ({"payloadType": "text/plain"}, "no signature"),
        ({"signatures": []}, "no signature"),
        ({"signatures": None}, "no signed record"),
        ({"payload": "?"}, "no signed record"),
        ({"payloadType": 7}, "no signed record"),
        ({"signatures": [{"sig": "AAAA"}]}, "no signature"),
    ],
)
def test_what_was_changed_is_refused(change: dict[str, Any], message: str) -> None:
    """Any change of payload, type or signature is seen."""
    with pytest.raises(attestations.NotGenuineError, match=message):
        attestations.opened(json.dumps({**json.loads(signed()), **change}), KEY.public_key())


@pytest.mark.parametrize("text", ["", "[]", "7", "null", "[" * 100_000, '{"payload": 1}'])
def test_nonsense_is_refused(text: str) -> None:
    """Whatever the text is, the answer is one error."""
    with pytest.raises(attestations.NotGenuineError):
        attestations.opened(text, KEY.public_key())


def test_another_key_and_another_statement() -> None:
    """A good signature of somebody else, and ours of something else, prove nothing."""
    other = Ed25519PrivateKey.generate().public_key()
    with pytest.raises(attestations.NotGenuineError, match="no signature in the record is of"):
        attestations.opened(signed(), other)
    with pytest.raises(attestations.NotGenuineError, match="no statement of a check"):
        attestations.opened(signed({**STATEMENT, "predicateType": "other"}), KEY.public_key())


def test_keys_of_other_kinds() -> None:
    """Only Ed25519 is understood."""
    other = X25519PrivateKey.generate().public_key()
    pem = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(InvalidArgumentError, match="Ed25519"):
        attestations.public_key(pem)
    with pytest.raises(InvalidArgumentError, match="no public key"):
        attestations.public_key(b"-----BEGIN PUBLIC KEY-----\nnonsense\n")
