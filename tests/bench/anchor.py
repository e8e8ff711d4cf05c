"""What PostgreSQL itself can do: COPY of the same rows into a bare table, two connections, 1,000 rows a transaction."""

import json
import threading
import time

import psycopg

from tests.bench.events import events

ROWS = 1000
BUFFERS = 40


def make_table(url: str) -> None:
    """Create the bare table anew."""
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE IF EXISTS bench_copy")
        connection.execute(
            "CREATE TABLE bench_copy (id uuid, source text, type text, subject text, time timestamptz, data jsonb)"
        )


def buffers() -> list[bytes]:
    """Return transactions' worth of rows as COPY text."""
    made = [json.loads(one) for one in events(ROWS * BUFFERS)]
    rows = [
        "\t".join((e["id"], e["source"], e["type"], e["subject"], e["time"], json.dumps(e["data"]))) + "\n"
        for e in made
    ]
    return ["".join(rows[start : start + ROWS]).encode() for start in range(0, len(rows), ROWS)]


def measure(url: str, made: list[bytes], *, seconds: float, connections: int = 2) -> float:
    """Return rows a second, each transaction durable before the next."""
    counts = [0] * connections
    start = time.perf_counter()

    def work(number: int) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while time.perf_counter() - start < seconds:
                with connection.cursor().copy("COPY bench_copy FROM STDIN") as copy:
                    copy.write(made[(counts[number] // ROWS + number) % len(made)])
                counts[number] += ROWS

    threads = [threading.Thread(target=work, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - start)
