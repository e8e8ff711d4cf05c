"""Starts the sandbox: python -m billing.stripe.sandbox --port 12111 --database sandbox.sqlite3."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from billing.stripe.sandbox.errors import ConfigurationError
from billing.stripe.sandbox.server import run
from billing.stripe.sandbox.settings import DEFAULT_API_KEY, DEFAULT_WEBHOOK_SECRET


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted; 2 where a setting is refused."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        run(**vars(options))
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        return 0
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="billing.stripe.sandbox", description="A local stand-in for Stripe.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, required=True, help="port to listen at; 0 takes a free one")
    parser.add_argument("--database", type=Path, required=True, help="SQLite file that keeps the state")
    parser.add_argument("--webhook-url", help="where to post events; on this machine only")
    secret = os.environ.get("STRIPE_WEBHOOK_SECRET") or DEFAULT_WEBHOOK_SECRET
    parser.add_argument(
        "--webhook-secret", default=secret, help="what events are signed with; else STRIPE_WEBHOOK_SECRET is"
    )
    parser.add_argument("--api-key", default=DEFAULT_API_KEY, help="the secret key to accept; sk_test_...")
    return parser


if __name__ == "__main__":
    sys.exit(main())
