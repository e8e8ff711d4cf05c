"""What is wrong with an attribute of an event, if anything: one rule for each context attribute, one for extensions."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final

REQUIRED: Final = ("id", "source", "specversion", "type")
_CACHED: Final = 4096  # sources, types and subjects recur; each is judged once
LONGEST: Final = 512  # characters
LONGEST_ID: Final = 256  # of an id, a type or a subject
_INT32: Final = 2**31

_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EXTENSION: Final = re.compile(r"[a-z0-9]{1,20}")
_SEQUENCE: Final = re.compile(r"[1-9][0-9]{0,17}")
_URI_REFERENCE: Final = re.compile(r"[^\s\"<>\\^`{|}]+")
_ABSOLUTE_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\"<>\\^`{|}]+")
_JSON_TYPE: Final = re.compile(
    r"[a-z0-9!#$&^_.+-]+/([a-z0-9!#$&^_.+-]+\+)?json\s*(;[\x20-\x7e]*)?", re.ASCII | re.IGNORECASE
)
# What a CloudEvents String may not hold: controls, surrogates, noncharacters.
_DISALLOWED: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
    + "]"
)


def fault_of(name: str, value: object) -> str | None:
    """Return what is wrong with the value of an attribute that is there, or with its name; None where nothing is."""
    rule = _RULES.get(name)
    if rule is None:
        return _extension_fault(name, value)
    if type(value) is not str or not value:
        return "A non-empty text is required."
    return rule(value)


def instant_of(text: str) -> datetime:
    """Return the instant of a `time` without fault."""
    return datetime.fromisoformat(text.upper())


def instant_or_none(text: str) -> datetime | None:
    """Return the instant of a `time`, or None where it has a fault."""
    if not _TIME.fullmatch(text) or not "1970" <= text < "9999":
        return None
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        return None


def plain_text(value: object) -> object:
    """Return an extension as it would stand in a header, so that an event is the same in every mode."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else value


def _text_fault(text: str, *, longest: int = LONGEST) -> str | None:
    if len(text) > longest:
        return f"At most {longest} characters."
    if text.isascii() and text.isprintable():
        return None
    return "Control characters, surrogates and noncharacters are not allowed." if _DISALLOWED.search(text) else None


def _id_fault(text: str) -> str | None:
    return _text_fault(text, longest=LONGEST_ID)


def _formed(form: re.Pattern[str], fault: str, *, longest: int = LONGEST) -> Callable[[str], str | None]:
    """Return the rule of an attribute that has a form and recurs."""

    def judge(text: str) -> str | None:
        return _text_fault(text, longest=longest) or (None if form.fullmatch(text) else fault)

    judged = lru_cache(maxsize=_CACHED)(judge)
    return lambda text: judged(text) if len(text) <= longest else judge(text)  # no long text is kept


def _time_fault(text: str) -> str | None:
    if not _TIME.fullmatch(text):
        return "An RFC 3339 time with an offset is required, such as 2026-01-31T12:00:00Z."
    if not "1970" <= text < "9999":
        return "A time before 1970 or after 9998 is a clock that was never set."
    return None if instant_or_none(text) else "There is no such time."


def _extension_fault(name: str, value: object) -> str | None:
    if not _EXTENSION.fullmatch(name):
        return "Extension names are 1 to 20 lower-case letters and digits."
    if isinstance(value, str):
        return _text_fault(value, longest=2048)
    if isinstance(value, bool) or (isinstance(value, int) and -_INT32 <= value < _INT32):
        return None
    return "An extension is a text, a whole number of 32 bits or a boolean."


_ANY: Final = re.compile(r".+", re.DOTALL)
_RULES: Final[Mapping[str, Callable[[str], str | None]]] = {
    "id": _id_fault,
    "source": _formed(_URI_REFERENCE, "A URI reference is required."),
    "specversion": _formed(re.compile(r"1\.0"), "Only CloudEvents 1.0 is understood."),
    "type": _formed(_ANY, "", longest=LONGEST_ID),
    "subject": _formed(_ANY, "", longest=LONGEST_ID),
    "time": _time_fault,
    "datacontenttype": _formed(_JSON_TYPE, "Only JSON data is understood."),
    "dataschema": _formed(_ABSOLUTE_URI, "An absolute URI is required."),
    "sequence": _formed(_SEQUENCE, "A positive whole number as text is required."),
}
