"""How the service logs: structured lines, and tracebacks without the values of variables."""

import structlog


def configure() -> None:
    """Set structlog up.

    Its own choice shows every variable of a traceback, among them bodies with prompts and keys with their secrets.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ]
    )
