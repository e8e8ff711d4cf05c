"""The document is valid OpenAPI 3.1, describes every address, and its pages need nobody else's server."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema  # type: ignore[import-untyped] # its types are another package
import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from openapi_spec_validator import validate

from billing import catalog, closing, subscriptions
from billing.models import PlanVersion
from tests.factories import api_key, customer

SELF = {"/v1/schema", "/v1/docs"}


@pytest.fixture
def document(client, db) -> Any:
    return client.get("/v1/schema?format=json").json()


def addresses(patterns, prefix="/"):
    for one in patterns:
        here = prefix + re.sub(r"<\w+:(\w+)>", r"{\1}", str(one.pattern))
        if isinstance(one, URLResolver):
            yield from addresses(one.url_patterns, here)
        elif isinstance(one, URLPattern):
            yield here


def operations(document):
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_document_is_valid_openapi(document):
    assert document["openapi"] == "3.1.1"
    validate(document)


def test_every_address_of_the_api_is_described(document):
    served = {one for one in addresses(get_resolver("config.urls").url_patterns) if one.startswith("/v1/")}
    assert served - SELF == document["paths"].keys()


def test_every_operation_asks_for_a_key_and_says_what_it_answers(document):
    assert document["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"
    for name, operation in operations(document):
        assert operation["security"] == [{"apiKey": []}], name
        assert operation["description"], name
        assert {"401", "403", "503"} <= operation["responses"].keys(), name
        for status, answer in operation["responses"].items():
            assert answer["content"], (name, status)


def test_a_refusal_is_a_problem(document):
    for name, operation in operations(document):
        if name == "POST /v1/traces":
            continue  # whose clients know google.rpc.Status
        refusals = [answer for status, answer in operation["responses"].items() if status >= "400"]
        assert all("application/problem+json" in answer["content"] for answer in refusals), name


def test_its_page_loads_nothing_from_elsewhere(client, db):
    page = client.get("/v1/docs")
    assert page.status_code == 200
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.content.decode())
    assert loaded
    assert [one for one in loaded if not one.startswith("/static/")] == []
    for one in loaded:
        answer = client.get(one)
        answer.close()
        assert answer.status_code == 200


@pytest.mark.parametrize("address", ["/v1/nothing", "/api/v1/nothing"])
def test_an_address_that_is_not_there_is_a_problem(client, db, address):
    answer = client.get(address)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")


def test_a_media_type_that_is_not_offered_is_a_problem(client, db):
    headers = {"Accept": "image/png", "Authorization": f"Bearer {api_key(customer())}"}
    answer = client.get("/v1/meters", headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (406, "application/problem+json")


def test_an_instant_in_a_zone_that_was_off_by_seconds_is_still_rfc_3339(client, db):
    answer = client.get(
        "/v1/meters/turns/query?from=1850-01-01T00:00:00Z&to=2026-01-01T00:00:00Z&zone=Europe/Berlin",
        headers={"Authorization": f"Bearer {api_key(customer())}"},
    )
    row = answer.json()["rows"][0]
    assert (row["from"], row["to"]) == ("1850-01-01T00:00:00+00:00", "2026-01-01T01:00:00+01:00")


def test_what_is_answered_has_the_shape_that_is_promised(client, committed):
    acme = customer("acme")
    before = datetime.now(UTC) - timedelta(days=70)
    for name in ("activity", "seats"):
        version = catalog.import_plan(document=catalog.read(path=catalog.PLANS / f"{name}.toml"), now=before)
        catalog.publish(version=version, now=before)
    version = PlanVersion.objects.get(plan__key="seats")
    one = subscriptions.start(customer=acme, version=version, starts_at=before, now=before)
    bill = closing.close_due(now=datetime.now(UTC)).invoices[0]
    document = client.get("/v1/schema?format=json").json()
    headers = {"Authorization": f"Bearer {api_key(acme)}"}
    here = "/v1/subscriptions/{subscription_id}"
    for method, path, body in (
        ("get", "/v1/invoices", None),
        ("get", "/v1/invoices/{number}", None),
        ("get", "/v1/plans", None),
        ("get", "/v1/subscriptions", None),
        ("get", here + "/alternatives", None),
        ("post", here + "/changes/preview", {"operation": "change", "plan": "activity", "at": "period_end"}),
        ("post", here + "/changes", {"operation": "change", "plan": "activity", "at": "period_end"}),
        ("get", here, None),
    ):
        address = path.format(subscription_id=one.pk, number=bill.number)
        answer = getattr(client, method)(address, body, content_type="application/json", headers=headers)
        told = document["paths"][path][method]["responses"][str(answer.status_code)]
        assert answer.status_code < 300, (address, answer.content)
        jsonschema.validate(answer.json(), told["content"]["application/json"]["schema"] | document)
