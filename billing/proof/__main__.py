"""The stand-alone verifier: `python -m billing.proof bundle.zip [--json]`; it ends with 0 where all is proved."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from billing.proof.checking import prove

PROVED, NOT_PROVED, UNUSABLE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a bundle, say what was found, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m billing.proof", description="Check an invoice from its bundle.")
    parser.add_argument("bundle", type=Path, help="the zip that came with the invoice")
    parser.add_argument("--digest", help="the digest printed on the invoice, to be sure that the bundle is of it")
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    options = parser.parse_args(arguments)
    try:
        with options.bundle.open("rb") as file:
            report = prove(file)
    except OSError as error:
        sys.stderr.write(f"{options.bundle}: {error}\n")
        return UNUSABLE
    if options.digest is not None and options.digest.lower() != report.facts.get("digest"):
        report.find("invoice", "digest", f"it is not {options.digest}")
    text = json.dumps(report.to_document(), indent=2) if options.json else "\n".join(report.lines())
    sys.stdout.write(f"{text}\n")
    return PROVED if report.is_proved else NOT_PROVED


if __name__ == "__main__":
    sys.exit(main())
