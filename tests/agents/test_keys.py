"""API keys: recognisable when leaked, unusable when read from the database, gone when revoked."""

import re
from datetime import timedelta

import pytest

from agents import keys
from agents.errors import InvalidKeyError
from agents.models import ApiKey
from agents.models.keys import Environment
from tests.factories import NOW, api_key, customer

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("environment", list(Environment))
def test_a_key_shows_its_environment_and_matches_the_published_pattern(environment):
    secret = keys.generate(environment)
    assert secret.startswith(f"am_{environment}_")
    assert re.fullmatch(keys.PATTERN, secret)
    assert keys.is_well_formed(secret)


@pytest.mark.parametrize("place", [0, 8, 20, -1])
def test_one_wrong_character_is_noticed_without_the_database(place, django_assert_num_queries):
    secret = list(keys.generate(Environment.LIVE))
    secret[place] = "A" if secret[place] != "A" else "B"
    with django_assert_num_queries(0), pytest.raises(InvalidKeyError):
        keys.recognise(secret="".join(secret), now=NOW)


def test_only_a_hash_is_stored():
    secret = api_key(customer())
    row = ApiKey.objects.get()
    assert secret.encode() not in bytes(row.digest)
    assert secret not in row.hint
    assert keys.recognise(secret=secret, now=NOW) == row


def test_a_revoked_key_ends_once():
    secret = api_key(customer())
    row = ApiKey.objects.get()
    assert keys.revoke(key=row, now=NOW)
    assert not keys.revoke(key=row, now=NOW)
    with pytest.raises(InvalidKeyError):
        keys.recognise(secret=secret, now=NOW)


def test_an_expired_key_ends_at_its_instant():
    secret = api_key(customer())
    ApiKey.objects.update(expires_at=NOW)
    assert keys.recognise(secret=secret, now=NOW - timedelta(microseconds=1)) == ApiKey.objects.get()
    with pytest.raises(InvalidKeyError):
        keys.recognise(secret=secret, now=NOW)
