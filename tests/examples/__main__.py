"""Writes the README's table of prices from the examples: `python -m tests.examples`; with `--check` it only looks."""

import sys

from tests.examples.documents import README, written


def main() -> int:
    before = README.read_text(encoding="utf-8")
    after = written(before)
    if before == after:
        return 0
    if "--check" in sys.argv:
        sys.stderr.write("The README's prices are not those of the examples: run python -m tests.examples\n")
        return 1
    README.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
