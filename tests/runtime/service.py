"""A service on the loopback that keeps what devices send, by the rules of the wire, and fails on command."""

import json
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from typing_extensions import override

from runtime import wire

DROP, LOSE_ACK = "drop", "lose_ack"


class Service(ThreadingHTTPServer):
    """Holds one device's chain.

    `faults` are taken one a request: DROP closes the connection before anything is done, LOSE_ACK after the events were
    committed, a tuple (status, headers, body) is answered as it stands, None means nothing goes wrong.
    """

    daemon_threads = True

    def __init__(self, *, public_key, device):
        super().__init__(("127.0.0.1", 0), Handler)
        self.public_key, self.device = public_key, device
        self.hashes = [wire.genesis(device=device, epoch=1)]
        self.events = {}
        self.faults: deque[object] = deque()
        self.headers_seen = []
        self.firsts = []
        self.verdict = None
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def close(self):
        self.shutdown()
        self._thread.join()
        self.server_close()

    def take(self, headers, body):
        """Verify and keep a batch; return status and answer."""
        raw = wire.from_base64url(headers[wire.BATCH_HEADER])
        wire.verify(self.public_key, raw, headers[wire.SIGNATURE_HEADER])
        header, events = wire.BatchHeader.from_bytes(raw), json.loads(body)
        self.firsts.append(header.first)
        hashes = wire.check_chain(header, events)
        if header.first > len(self.hashes):
            return 409, {"title": "Sequence gap", "expected": len(self.hashes)}
        if self.hashes[header.first - 1].hex() != header.previous:
            return 409, {"title": "Fork"}
        new = hashes[len(self.hashes) - header.first :]
        self.hashes += new
        for event in events:
            self.events.setdefault(event["id"], event)
        return 200, self.describe(header, len(events), len(new))

    def describe(self, header, count, new):
        """Return the answer to a batch that was committed."""
        refused = {"id": "e-0", "source": "s", "verdict": self.verdict, "errors": [{"pointer": "/x", "detail": "bad"}]}
        return {
            "batch": 1,
            "accepted": new - (1 if self.verdict else 0),
            "duplicate": count - new,
            "conflict": int(self.verdict == "conflict"),
            "rejected": int(self.verdict == "rejected"),
            "verdicts": [refused] if self.verdict else [],
            "received_at": "2026-11-23T12:00:00.000000Z",
            "device": {"epoch": header.epoch, "sequence": len(self.hashes) - 1},
        }


class Handler(BaseHTTPRequestHandler):
    """Answers POST /v1/events."""

    protocol_version = "HTTP/1.1"
    server: Service

    @override
    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.headers_seen.append({**self.headers, "path": self.path})
        fault = self.server.faults.popleft() if self.server.faults else None
        if fault == DROP:
            self.close_connection = True
            return
        if isinstance(fault, tuple):
            self.answer(*fault)
            return
        status, answer = self.server.take(self.headers, body)
        if fault == LOSE_ACK:
            self.close_connection = True
            return
        self.answer(status, {"Content-Type": "application/json"}, json.dumps(answer))

    def answer(self, status, headers, body):
        raw = body.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)
