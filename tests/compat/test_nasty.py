"""Whatever a stranger to the SDKs asks at a compatible door, it is an answer or a refusal, never a fault of ours."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories import api_key, customer

pytestmark = pytest.mark.django_db

TIMES = [
    "0001-01-01T00:00:00%2B14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-11-20",
    "now",
    "%00",
    "",
    "2026-02-30T00:00:00Z",
]
QUERIES = [
    *(f"from={time}" for time in TIMES),
    *(f"from={one}&to={other}" for one in TIMES for other in TIMES),
    "from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z&zone=Asia/Kathmandu",
    "from=0001-01-01T00:00:00Z&to=0001-01-02T00:00:00Z&window=day&zone=America/New_York",
    "from=9999-12-30T00:00:00Z&to=9999-12-31T23:59:59Z&window=day&zone=Asia/Kathmandu",
    "from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z&filter[agent]=%00",
    *(f"from={one}&to={other}&windowSize=DAY" for one in TIMES for other in TIMES),
    "from=2026-01-01T00:00:00Z&to=2025-01-01T00:00:00Z",
    "from=1970-01-01T00:00:00Z&windowSize=MINUTE",
    "from=2026-01-01T00:00:00Z&windowSize=DAY&windowTimeZone=%00",
    "from=2026-01-01T00:00:00Z&windowSize=DAY&windowTimeZone=../../etc/passwd",
    "windowSize=day",
    "groupBy=%00",
    "groupBy=agent&groupBy=agent",
    "groupBy=subject&groupBy=agent",
    "groupBy=customer_id&groupBy=customer_id",
    "subject=%00",
    "filterGroupBy=%7B%27agent%27%3A%20%27%00%27%7D",
    "filterGroupBy=%7B%27agent%27%3A%207%7D",
    "filterGroupBy=__import__(%27os%27)",
    "filterGroupBy=" + "%5B" * 3000,
    "filterGroupBy[agent]=a&filterGroupBy[agent]=b",
    "filterGroupBy[]=a",
    "advancedMeterGroupByFilters=%7B",
    "advancedMeterGroupByFilters=" + "%5B" * 3000,
    "advancedMeterGroupByFilters=%7B%22agent%22%3A%7B%22%24in%22%3A7%7D%7D",
    "filterCustomerId=%00",
    "limit=0",
    "limit=x",
    "id=%00",
    "subject=%25%5C_",
    "unknown=1",
]


@pytest.fixture
def headers():
    return {"Authorization": f"Bearer {api_key(customer())}"}


@pytest.fixture
def ask(client, headers):
    return lambda address: client.get(address, headers=headers)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("address", ["/api/v1/meters/turns/query", "/api/v1/events", "/v1/meters/turns/query"])
def test_no_question_breaks_a_door(ask, address, query):
    assert ask(f"{address}?{query}").status_code in {200, 400}


@pytest.mark.parametrize(
    "address",
    [
        "/api/v1/events/%00",
        "/api/v1/events/" + "x" * 3000,
        "/api/v1/meters/%00",
        "/api/v1/meters/%00/query",
        "/v1/meters/%00",
    ],
)
def test_no_address_breaks_a_door(ask, address):
    assert ask(address).status_code == 404


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("\x00"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
QUESTION = st.dictionaries(
    st.sampled_from(
        ["from", "to", "windowSize", "windowTimeZone", "subject", "groupBy", "filterGroupBy", "filterCustomerId"]
    ),
    JSON | st.sampled_from(["DAY", "2026-11-20T00:00:00Z", ["agent"], {"agent": "a"}]),
)
EVENT = st.dictionaries(
    st.sampled_from(
        ["transaction_id", "external_subscription_id", "code", "timestamp", "properties", "id", "type", "source"]
    ),
    JSON | st.sampled_from(["a", "1795176000", {"a": 1}]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(question=QUESTION | JSON, event=EVENT | JSON, other=EVENT | JSON)
def test_no_document_breaks_a_door(client, headers, question, event, other):
    def post(address, document):
        return client.post(
            address, data=json.dumps(document), content_type="application/json", headers=headers
        ).status_code

    assert post("/api/v1/meters/turns/query", question) in {200, 400}
    assert post("/api/v1/events", {"event": event}) in {200, 400, 409, 422}
    assert post("/api/v1/events", [event, other]) in {204, 400, 409}
    assert post("/api/v1/events/batch", {"events": [event, other]}) in {200, 422}
    assert post("/api/v1/events/batch", event) == 422
