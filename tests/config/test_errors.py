"""Every error of the domain has an answer over HTTP, or is named as one that no caller can bring about."""

import json

import pytest

import agents.compat.errors
import agents.errors
import billing.errors
import billing.stripe.errors
import metering.errors
import runtime.wire.errors
from config.errors import INTERNAL, STATUS, problem

ROOTS = (
    agents.errors.AgentsError,
    billing.errors.BillingError,
    metering.errors.MeteringError,
    runtime.wire.errors.WireError,
)
MODULES = (agents.errors, agents.compat.errors, billing.errors, billing.stripe.errors, metering.errors)


def leaves(root):
    below = root.__subclasses__()
    return [leaf for one in below for leaf in leaves(one)] if below else [root]


FOUND = sorted({one for root in ROOTS for one in leaves(root)}, key=lambda one: (one.__module__, one.__name__))


def test_the_trees_are_walked_to_their_leaves():
    names = {one.__name__ for one in FOUND}
    assert {"CouponError", "InsufficientCreditError", "ChangeFieldError", "DuplicateError"} <= names
    assert len(FOUND) > 50


@pytest.mark.parametrize("error", FOUND, ids=lambda one: f"{one.__module__}.{one.__name__}")
def test_every_error_has_an_answer_or_is_ours(error):
    told = [kind for kind in error.__mro__ if kind in STATUS]
    assert told or issubclass(error, INTERNAL), error


def test_no_table_names_an_error_that_is_gone():
    ours = {kind for kind in STATUS if kind.__module__.split(".")[0] in {"agents", "billing", "metering", "runtime"}}
    assert all(issubclass(kind, ROOTS) for kind in ours)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (billing.errors.CouponError("spent"), 422),
        (billing.errors.CreditConflictError("another grant"), 409),
        (billing.errors.PriceError("tiers[1].up_to", "is missing"), 422),
        (billing.errors.ChangeFieldError("at", "is past"), 422),
        (billing.errors.ChangeRefusedError("paused"), 409),
        (billing.errors.UnbalancedError("off by one"), 503),
        (billing.stripe.errors.RefusedError("no"), 503),
    ],
)
def test_a_refusal_says_why_and_a_fault_of_ours_does_not(error, status):
    answer = problem(error)
    told = json.loads(answer.content)
    assert (answer.status_code, told["status"]) == (status, status)
    assert (str(error) == told["detail"]) is (status < 500)
    assert ("Retry-After" in answer) is (status == 503)


def test_a_field_is_named_by_a_pointer():
    told = json.loads(problem(billing.errors.PriceError("price.tiers[1].up_to", "is missing")).content)
    assert told["errors"] == [{"pointer": "/price/tiers/1/up_to", "detail": "is missing"}]
