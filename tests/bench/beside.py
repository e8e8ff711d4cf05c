"""A worker beside the one that is measured: it has its connection and its code, and begins on the word."""

from multiprocessing.synchronize import Event, Semaphore

import django


def work(run_id: int, ready: Semaphore, go: Event) -> None:
    """Help with a run from the moment that `go` is set; the target of a fresh process."""
    django.setup()
    from django.db import connection

    from billing import runs, workers

    assert not runs.is_finished(run_id=run_id)
    connection.ensure_connection()
    ready.release()
    go.wait()
    workers.work(run_id)
