"""The admin of metering: everything can be seen; what is received is never changed, and meters are only added."""

from metering.admin.evidence import BatchAdmin, EventAdmin, FoldAdmin, RefusalAdmin, VoidAdmin
from metering.admin.meters import MeterAdmin

__all__ = ["BatchAdmin", "EventAdmin", "FoldAdmin", "MeterAdmin", "RefusalAdmin", "VoidAdmin"]
