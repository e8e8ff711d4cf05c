"""The plan that is measured: five charges, each of another kind."""

from typing import Any

OFFER: dict[str, Any] = {
    "plan": "bench",
    "name": "Bench",
    "version": 1,
    "currency": "EUR",
    "rate_cards": [
        {"key": "base", "name": "Base fee", "unit": "month", "price": {"kind": "flat", "amount": "49.00"}},
        {
            "key": "turns",
            "name": "Turns",
            "unit": "turn",
            "meter": "turns",
            "allowance": "100",
            "price": {"kind": "unit", "amount": "0.02"},
        },
        {
            "key": "decisions",
            "name": "Decisions",
            "unit": "decision",
            "meter": "decisions",
            "price": {
                "kind": "graduated",
                "tiers": [
                    {"up_to": "100", "unit": "0.05"},
                    {"up_to": "1000", "unit": "0.03"},
                    {"up_to": "inf", "unit": "0.01"},
                ],
            },
        },
        {
            "key": "tasks",
            "name": "Tasks",
            "unit": "task",
            "meter": "tasks",
            "price": {"kind": "package", "size": "10", "amount": "1.50"},
        },
        {
            "key": "compute",
            "name": "Compute time",
            "unit": "second",
            "meter": "compute-seconds",
            "price": {
                "kind": "volume",
                "tiers": [{"up_to": "500", "unit": "0.004"}, {"up_to": "inf", "unit": "0.003"}],
            },
        },
    ],
}
