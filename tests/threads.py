"""Several threads at the database at once, as several workers are."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection


def at_once(*actions: Callable[[], Any], refusals: tuple[type[Exception], ...] = ()) -> list[Any]:
    """Run the actions in threads with connections of their own, started together; one of `refusals` is a result."""
    barrier = threading.Barrier(len(actions), timeout=20)

    def run(action: Callable[[], Any]) -> Any:
        try:
            barrier.wait()
            return action()
        except refusals as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(actions)) as pool:
        return [future.result(timeout=60) for future in [pool.submit(run, action) for action in actions]]
