"""History of prices: every state that a plan, a version or a rate card ever had, written by triggers, append-only."""

from typing import Final

import pghistory

from billing.models.catalog import Plan, PlanVersion, RateCard

# Makes PlanEvent, PlanVersionEvent and RateCardEvent: the row after each insert and update and before each delete,
# with time, label, and the context in which it happened (config.history).
TRACKED: Final = (Plan, PlanVersion, RateCard)
for _model in TRACKED:
    pghistory.track(pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent())(_model)
