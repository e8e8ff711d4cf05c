"""Folds every second, as the worker of the service does; ends with its process."""

import time
from datetime import UTC, datetime

import django

if __name__ == "__main__":
    django.setup()
    from metering.fold import fold_all

    while True:
        fold_all(now=datetime.now(UTC))
        time.sleep(1)
