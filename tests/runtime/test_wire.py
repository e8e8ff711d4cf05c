"""The wire: one text per value, a chain in which nothing can change unseen, a signature over it."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from runtime import wire
from tests.runtime.conftest import DEVICE, make_events

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_KEY = KEY.public_key().public_bytes_raw()

texts = st.text(st.characters(codec="utf-8"), max_size=10)
scalars = st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def make_batch(count=4, *, first=1, device=DEVICE):
    events = make_events(count, device=device)
    previous = wire.genesis(device=device, epoch=1)
    head = previous
    for sequence, event in enumerate(events, start=first):
        event["sequence"] = str(sequence)
        head = wire.link(head, event)
    header = wire.BatchHeader(
        device=device, epoch=1, first=first, last=first + count - 1, previous=previous.hex(), head=head.hex()
    )
    return header, events


@given(value=values)
def test_canonical_text_reads_back_as_the_same_value_and_the_same_text(value):
    text = wire.canonical(value)

    assert json.loads(text) == value
    assert wire.canonical(json.loads(text)) == text


@given(value=st.dictionaries(texts, scalars, min_size=2, max_size=5), chance=st.randoms())
def test_the_order_of_keys_does_not_matter(value, chance):
    items = list(value.items())
    chance.shuffle(items)

    assert wire.canonical(dict(items)) == wire.canonical(value)


def test_canonical_text_is_sorted_compact_and_utf8():
    assert wire.canonical({"b": [1, True, None], "a": "é\n"}) == '{"a":"é\\n","b":[1,true,null]}'.encode()


@pytest.mark.parametrize("number", [0.0, 1.5, float("nan"), float("inf")])
def test_a_float_is_refused_and_its_path_named(number):
    with pytest.raises(wire.FloatOnWireError, match="/data/rates/0~11/1:"):
        wire.canonical({"data": {"rates": {"0/1": [1, number]}}})


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": "\ud800"}, "/a"),
        ({"\udfff": 1}, "/"),
        ({"a": {1: 2}}, "/a"),
        ({"a": 2**63}, "/a"),
        ({"a": b"bytes"}, "/a"),
        ({"a": (1, 2)}, "/a"),
    ],
)
def test_what_has_no_canonical_form_is_refused_and_its_path_named(value, path):
    with pytest.raises(wire.CanonicalError, match=f"^{path}:"):
        wire.canonical(value)


def test_a_value_nested_without_end_is_refused():
    value: list[object] = []
    value.append(value)

    with pytest.raises(wire.CanonicalError, match="nested deeper"):
        wire.canonical(value)


def test_a_time_is_written_in_utc_with_microseconds():
    moment = datetime(2026, 11, 23, 13, 0, 0, 70, tzinfo=timezone(timedelta(hours=1)))

    assert wire.format_time(moment) == "2026-11-23T12:00:00.000070Z"
    with pytest.raises(ValueError, match="zone"):
        wire.format_time(datetime(2026, 11, 23))  # noqa: DTZ001 - the point of the test


def test_an_event_is_cloudevents_1_0():
    event = wire.compose(
        event_id="e-1",
        kind=wire.DECISION_MADE,
        device=DEVICE,
        agent="scout",
        time=datetime(2026, 11, 23, tzinfo=UTC),
        data={"number": 1},
    )

    assert event == {
        "specversion": "1.0",
        "id": "e-1",
        "source": "urn:agentmeter:device:press-7",
        "type": "io.agentmeter.decision.made.v1",
        "subject": "scout",
        "time": "2026-11-23T00:00:00.000000Z",
        "datacontenttype": "application/json",
        "data": {"number": 1},
    }


def test_a_whole_chain_is_accepted_and_gives_the_hash_after_each_event():
    header, events = make_batch(3)

    hashes = wire.check_chain(header, events)

    assert len(hashes) == 3
    assert hashes[-1].hex() == header.head
    assert hashes[0] == wire.link(wire.genesis(device=DEVICE, epoch=1), events[0])


@given(index=st.integers(0, 3), field=st.sampled_from(["id", "type", "subject", "time", "data"]))
def test_any_change_of_an_event_breaks_the_chain(index, field):
    header, events = make_batch()
    events[index] = events[index] | {field: "changed"}

    with pytest.raises(wire.ChainMismatchError):
        wire.check_chain(header, events)


@given(order=st.permutations(range(4)).filter(lambda order: order != [0, 1, 2, 3]))
def test_another_order_breaks_the_chain(order):
    header, events = make_batch()

    with pytest.raises(wire.ChainMismatchError, match="sequence"):
        wire.check_chain(header, [events[index] for index in order])


@pytest.mark.parametrize("missing", range(4))
def test_a_missing_event_breaks_the_chain(missing):
    header, events = make_batch()
    del events[missing]

    with pytest.raises(wire.ChainMismatchError, match="4 events, the batch has 3"):
        wire.check_chain(header, events)


def test_another_devices_events_are_not_this_devices_chain():
    header, events = make_batch(device="press-8")

    with pytest.raises(wire.ChainMismatchError, match="sequence 1: the source"):
        wire.check_chain(replace(header, device=DEVICE), events)


def test_chains_of_different_devices_and_epochs_begin_differently():
    starts = {wire.genesis(device=device, epoch=epoch) for device in ("a", "b") for epoch in (1, 2)}

    assert len(starts) == 4


def test_a_header_reads_back_from_its_bytes():
    header, _ = make_batch()

    assert wire.BatchHeader.from_bytes(header.to_bytes()) == header


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"device": ""}, "device"),
        ({"device": "a:b"}, "device"),
        ({"device": 7}, "device"),
        ({"epoch": 0}, "epoch"),
        ({"epoch": True}, "epoch"),
        ({"epoch": 1.0}, "epoch"),
        ({"first": "1"}, "first"),
        ({"last": 0}, "last"),
        ({"first": 5}, "last"),
        ({"previous": "AB" * 32}, "previous"),
        ({"head": "ab" * 31}, "head"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_wrong_header_is_refused_and_the_field_named(change, field):
    header, _ = make_batch()
    raw = json.dumps(json.loads(header.to_bytes()) | change, sort_keys=True, separators=(",", ":")).encode()

    with pytest.raises(wire.BadHeaderError, match=f"^{field}:"):
        wire.BatchHeader.from_bytes(raw)


@pytest.mark.parametrize("raw", [b"", b"[]", b"\xff", b"{", b"null", b"[" * 100_000])
def test_what_is_no_header_at_all_is_refused(raw):
    with pytest.raises(wire.BadHeaderError, match=r"^header:"):
        wire.BatchHeader.from_bytes(raw)


def test_a_header_with_a_missing_field_or_in_another_form_is_refused():
    raw = make_batch()[0].to_bytes()

    with pytest.raises(wire.BadHeaderError, match=r"^epoch: missing"):
        wire.BatchHeader.from_bytes(raw.replace(b'"epoch":1,', b""))
    with pytest.raises(wire.BadHeaderError, match="canonical"):
        wire.BatchHeader.from_bytes(raw.replace(b",", b", "))
    with pytest.raises(wire.BadHeaderError, match="canonical"):
        wire.BatchHeader.from_bytes(raw.replace(b'"epoch":1', b'"epoch":2,"epoch":1'))


def test_a_signature_is_accepted_with_and_without_padding():
    header = make_batch()[0].to_bytes()
    signature = wire.sign(KEY, header)

    assert "=" not in signature
    wire.verify(PUBLIC_KEY, header, signature)
    wire.verify(PUBLIC_KEY, header, signature + "==")


@given(position=st.integers(0, 63), flip=st.integers(1, 255))
def test_any_change_of_a_signature_is_refused(position, flip):
    header = make_batch()[0].to_bytes()
    raw = bytearray(wire.from_base64url(wire.sign(KEY, header)))
    raw[position] ^= flip

    with pytest.raises(wire.BadSignatureError):
        wire.verify(PUBLIC_KEY, header, wire.to_base64url(bytes(raw)))


@pytest.mark.parametrize("signature", ["", "A", "not base64!", "AAAA", "é", "A" * 85])
def test_a_malformed_signature_is_refused(signature):
    with pytest.raises(wire.BadSignatureError):
        wire.verify(PUBLIC_KEY, b"header", signature)


def test_another_keys_signature_and_another_headers_signature_are_refused():
    header, stranger = make_batch()[0].to_bytes(), Ed25519PrivateKey.generate()

    with pytest.raises(wire.BadSignatureError):
        wire.verify(PUBLIC_KEY, header, wire.sign(stranger, header))
    with pytest.raises(wire.BadSignatureError):
        wire.verify(PUBLIC_KEY, header + b" ", wire.sign(KEY, header))


def test_the_wire_needs_nothing_but_the_standard_library_and_cryptography():
    code = (
        "import sys, runtime.wire; names = {name.split('.')[0] for name in sys.modules};"
        "print(sorted(names - set(sys.stdlib_module_names) - {'runtime', '__main__'}))"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    third_party = [name for name in eval(found.stdout) if not name.startswith(("_", "sitecustomize"))]
    assert set(third_party) <= {"cryptography", "cffi"}
