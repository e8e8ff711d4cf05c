"""The load generator, a process of its own: connections that each send the next request when the last is answered.

Reads its orders as JSON from standard input: {"host", "port", "path", "headers", "connections", "seconds", "warmup",
"size", "bodies"}; writes what it measured as JSON. Requests are made before the clock starts.
"""

import json
import select
import socket
import sys
import time
from typing import Any

from tests.bench.events import body


class Connection:
    """One keep-alive connection with at most one request under way."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at = 0.0
        self.buffer = b""

    def send(self, request: bytes) -> None:
        """Send the next request."""
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> int | None:
        """Take what came; returns the status once the answer is whole."""
        piece = self.socket.recv(262_144)
        if not piece:
            raise ConnectionError("The server closed a connection.")
        self.buffer += piece
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self.buffer[:end].lower()
        place = head.index(b"content-length:") + 15
        length = int(head[place:].split(b"\r\n", 1)[0])
        if len(self.buffer) < end + 4 + length:
            return None
        self.buffer = b""
        return int(head[9:12])


def run(orders: dict[str, Any]) -> dict[str, Any]:
    """Send for the time ordered, and return the rate and the latencies."""
    requests = _requests(orders)
    connections = {}
    poll = select.epoll()
    for _ in range(orders["connections"]):
        one = Connection(orders["host"], orders["port"])
        connections[one.socket.fileno()] = one
        poll.register(one.socket.fileno(), select.EPOLLIN)
    print("ready", flush=True)
    sys.stdin.readline()
    return _measure(orders, requests, connections, poll)


def _requests(orders: dict[str, Any]) -> list[bytes]:
    head = f"POST {orders['path']} HTTP/1.1\r\nHost: {orders['host']}:{orders['port']}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in orders["headers"].items())
    made = (body(orders["size"]) for _ in range(orders["bodies"]))
    return [f"{head}Content-Length: {len(one)}\r\n\r\n".encode() + one for one in made]


def _measure(
    orders: dict[str, Any], requests: list[bytes], connections: dict[int, Connection], poll: select.epoll
) -> dict[str, Any]:
    latencies: list[float] = []
    refused: dict[int, int] = {}
    rest = iter(requests)
    start = time.perf_counter()
    begin, end = start + orders["warmup"], start + orders["warmup"] + orders["seconds"]
    for one in connections.values():
        one.send(next(rest))
    now, last = start, start
    while now < end:
        for number, _ in poll.poll(0.5):
            one = connections[number]
            status = one.receive()
            if status is None:
                continue
            now = time.perf_counter()
            if status != 200:
                refused[status] = refused.get(status, 0) + 1
            elif begin <= now:
                latencies.append(now - one.sent_at)
                last = now
            following = next(rest, None)
            if following is None:
                raise RuntimeError("The requests made beforehand ran out; order more bodies.")
            one.send(following)
        now = time.perf_counter()
    latencies.sort()
    count = len(latencies)
    return {
        "rate": count * orders["size"] / (last - begin) if count else 0.0,
        "requests": count,
        "p50": latencies[count // 2] * 1000 if count else None,
        "p99": latencies[int(count * 0.99)] * 1000 if count else None,
        "refused": refused,
    }


if __name__ == "__main__":
    print(json.dumps(run(json.loads(sys.stdin.readline()))), flush=True)
