"""Typed readers of the environment, so that settings say what they need and a wrong value names itself."""

import os
import secrets
from pathlib import Path


class SettingError(ValueError):
    """A setting in the environment cannot be used; the message names it."""


def text(name: str, default: str) -> str:
    """Return the variable `name`, or `default` where it is unset or empty."""
    return os.environ.get(name) or default


def flag(name: str, *, default: bool) -> bool:
    """Return a yes/no variable; raises SettingError for anything but 1/0, true/false, yes/no, on/off."""
    value = os.environ.get(name, "").strip().lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise SettingError(f"{name} is {value!r}; write 1 or 0.")


def number(name: str, default: int) -> int:
    """Return a whole number; raises SettingError where it is none."""
    value = os.environ.get(name, "").strip()
    try:
        return int(value) if value else default
    except ValueError:
        raise SettingError(f"{name} is {value!r}; write a whole number.") from None


def amounts(name: str, default: str) -> dict[str, int]:
    """Return whole amounts by currency, written as EUR=500,USD=500; raises SettingError for anything else."""
    value = text(name, default)
    try:
        pairs = (part.split("=") for part in value.split(","))
        return {currency.strip().upper(): int(amount) for currency, amount in pairs}
    except ValueError:
        raise SettingError(f"{name} is {value!r}; write EUR=500,USD=500.") from None


def secret(name: str, *, keep_in: Path) -> str:
    """Return a secret from `name`, from the file that `name`_FILE points to, or one made once and kept in `keep_in`.

    A secret has no default in the code: the kept file is random, private to its owner, and made on first use.
    """
    if value := os.environ.get(name):
        return value
    if path := os.environ.get(f"{name}_FILE"):
        return Path(path).read_text(encoding="utf-8").strip()
    keep_in.parent.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(keep_in, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(48))
    except FileExistsError:
        pass
    return keep_in.read_text(encoding="utf-8").strip()
