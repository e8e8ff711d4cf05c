"""The keys that count events and units once."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from metering.keys import event_key, unit_key

UUID7 = "019ab2c4-5d6e-7abc-8def-0123456789ab"


def test_a_key_is_a_pure_function_of_what_it_names():
    one = event_key(customer_id=1, source="a", event_id=UUID7)
    assert one == event_key(customer_id=1, source="a", event_id=UUID7)
    assert len({one, *(event_key(customer_id=c, source=s, event_id=UUID7) for c, s in [(2, "a"), (1, "b")])}) == 3


def test_the_time_of_a_uuid7_comes_first_so_that_keys_grow_with_time():
    assert event_key(customer_id=1, source="a", event_id=UUID7).hex.startswith("019ab2c4")
    assert unit_key(customer_id=1, environment="test", event_type="t", identity=[UUID7, "1"]).hex[:8] == "019ab2c4"


def test_the_time_of_a_ulid_comes_first():
    milliseconds = 0x019AB2C45D6E
    letters = "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[(milliseconds >> shift) & 31] for shift in range(45, -1, -5))
    assert event_key(customer_id=1, source="a", event_id=letters + "0" * 16).hex.startswith("019ab2c4")


def test_other_ids_are_hashed_whole():
    random = str(uuid.UUID(int=0, version=4))
    assert not event_key(customer_id=1, source="a", event_id=random).hex.startswith("00000000")


@given(st.lists(st.text(max_size=3), min_size=1, max_size=3), st.lists(st.text(max_size=3), min_size=1, max_size=3))
def test_no_two_identities_share_a_key_by_where_their_texts_are_cut(one, other):
    keys = [unit_key(customer_id=1, environment="e", event_type="t", identity=identity) for identity in (one, other)]
    assert (keys[0] == keys[1]) is (one == other)


def test_a_unit_and_an_event_never_share_a_key():
    assert event_key(customer_id=1, source="e", event_id="t") != unit_key(
        customer_id=1, environment="e", event_type="t", identity=["x"]
    )
