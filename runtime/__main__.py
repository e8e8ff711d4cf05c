"""The command line of the edge: python -m runtime init | run | send | status.

Exit codes: 0 done, 1 failed, 2 wrong usage.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from runtime import home
from runtime.commands import init, send, status, work
from runtime.errors import EdgeError
from runtime.wire import DEVICE_KEY, MAX_BATCH_EVENTS, WireError

_FAILED, _USAGE = 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = _build_parser()
    arguments = parser.parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except send.UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return _USAGE
    except (EdgeError, WireError) as error:
        print(f"error: {error}", file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        print("error: interrupted; what was not done can be done again", file=sys.stderr)
        return _FAILED


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m runtime", description="Run a metered agent on this device.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, "init", init.run, "make a device's home and show its public key").add_argument(
        "--device", help="the device's key; default: a random one"
    )
    _add_run(_add(commands, "run", work.run, "let an agent work and record what it uses"))
    _add_send(_add(commands, "send", send.run, "deliver what was recorded to the service"))
    _add(commands, "status", status.run, "say where the device's chain stands")
    return parser


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    command: Callable[[argparse.Namespace], int],
    what: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=what, description=what.capitalize() + ".")
    parser.set_defaults(command=command)
    parser.add_argument(
        "--home", type=Path, default=home.default_path(), help="the device's folder; default: %(default)s"
    )
    parser.add_argument("--json", action="store_true", help="show the result as JSON")
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", help="the device's key, when the home is new; default: a random one")
    parser.add_argument("--tasks", type=_positive, default=20, help="how many tasks; default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="which stream of tasks; default: %(default)s")
    parser.add_argument("--model", default="nano-Q8_0", help="a shipped model or a file; default: %(default)s")
    parser.add_argument("--agent", type=_agent_key, default="edge-agent", help="the agent's key; default: %(default)s")
    parser.add_argument(
        "--environment",
        choices=("production", "test"),
        default="production",
        help="test is never billed; default: %(default)s",
    )
    parser.add_argument("--byoc", action="store_true", help="the customer brought the compute")


def _add_send(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="the service's base address; default: $AGENTMETER_URL")
    parser.add_argument(
        "--key-env",
        metavar="NAME",
        default="AGENTMETER_KEY",
        help="the environment variable that holds the API key; default: %(default)s",
    )
    parser.add_argument(
        "--attempts", type=_positive, default=8, help="how often a batch is tried; default: %(default)s"
    )
    parser.add_argument(
        "--batch", type=_batch_size, default=MAX_BATCH_EVENTS, help="events a batch at most; default: %(default)s"
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not a number from 1")
    return value


def _batch_size(text: str) -> int:
    value = _positive(text)
    if value > MAX_BATCH_EVENTS:
        raise argparse.ArgumentTypeError(f"{value} is more than {MAX_BATCH_EVENTS}")
    return value


def _agent_key(text: str) -> str:
    if not DEVICE_KEY.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 to 100 letters, digits or ._~-")
    return text


if __name__ == "__main__":
    sys.exit(main())
