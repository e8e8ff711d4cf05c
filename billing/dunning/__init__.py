"""Dunning: an unpaid invoice is reminded of by a schedule, then its customer is suspended; paying lifts that.

Whoever grants leases and limits asks `dunning.is_suspended(customer=...)`.
"""

from billing.dunning.standing import Arrear, Standing, standing_of
from billing.dunning.suspensions import is_suspended

__all__ = ["Arrear", "Standing", "is_suspended", "standing_of"]
