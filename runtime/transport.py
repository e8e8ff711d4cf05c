"""One POST to the service, and what its answer means."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import requests
from requests.exceptions import ChunkedEncodingError, ContentDecodingError, Timeout
from requests.exceptions import ConnectionError as NetworkError

from runtime import wire
from runtime.errors import DeliveryError, DeliveryRefusedError
from runtime.spool import Batch

_CONNECT_SECONDS, _READ_SECONDS = 5, 60
_LONGEST_REASON = 300
_COUNTS = ("accepted", "duplicate", "conflict", "rejected")
_TRANSIENT = (NetworkError, Timeout, ChunkedEncodingError, ContentDecodingError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The service has committed the batch; the counts are its verdicts."""

    accepted: int
    duplicate: int
    conflict: int
    rejected: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The service misses events before this batch and expects another sequence."""

    expected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The service said no for good."""

    error: DeliveryError


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """No answer that counts: trying again may help, after `retry_after` seconds if the service said so."""

    reason: str
    retry_after: float | None = None


def _bear(key: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Return what puts the API key on a request. As authentication, not as a header, so that no .netrc replaces it."""

    def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {key}"
        return request

    return authorize


class Transport:
    """A connection to one service under one API key."""

    def __init__(self, *, url: str, api_key: str) -> None:
        """`url` is the service's base address, such as https://meter.example; raises ValueError for another scheme."""
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"url: {url!r} does not begin with http:// or https://")
        if not api_key.strip() or not api_key.isascii():
            raise ValueError("key: the API key is empty or not ASCII")
        self._url = url.rstrip("/") + wire.EVENTS_PATH
        self._session = requests.Session()
        self._session.auth = _bear(api_key.strip())

    def post(self, batch: Batch, signature: str) -> Receipt | Gap | Refused | Unavailable:
        """Post a batch once and say what came of it."""
        headers = {
            "Content-Type": wire.BATCH_CONTENT_TYPE,
            wire.BATCH_HEADER: wire.to_base64url(batch.header.to_bytes()),
            wire.SIGNATURE_HEADER: signature,
        }
        try:
            response = self._session.post(
                self._url,
                data=batch.body,
                headers=headers,
                timeout=(_CONNECT_SECONDS, _READ_SECONDS),
                allow_redirects=False,  # a redirected POST may become a GET, whose 200 would look like an answer
            )
        except _TRANSIENT as error:
            return Unavailable(reason=f"{type(error).__name__}: {_shorten(str(error))}")
        except requests.RequestException as error:
            return Refused(error=DeliveryRefusedError(f"{self._url}: {_shorten(str(error))}"))
        return _interpret(response, batch)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _interpret(response: requests.Response, batch: Batch) -> Receipt | Gap | Refused | Unavailable:
    status, body = response.status_code, _read_object(response)
    if status == HTTPStatus.OK:
        receipt = _read_receipt(body, batch)
        return receipt or Unavailable(reason="200, but not from an Agentmeter service or not for this batch")
    reason = _explain(response, body)
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unavailable(reason=reason, retry_after=_read_retry_after(response.headers.get("Retry-After")))
    expected = body.get("expected")
    if status == HTTPStatus.CONFLICT and type(expected) is int:
        return Gap(expected=expected)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        reason += " (check the API key, and that the device is enrolled with this public key)"
    return Refused(error=DeliveryRefusedError(reason))


def _read_object(response: requests.Response) -> Mapping[str, object]:
    try:
        body = response.json()
    except requests.exceptions.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _read_receipt(body: Mapping[str, object], batch: Batch) -> Receipt | None:
    """Return the receipt, or None unless it says that this device's chain is committed up to this batch's end.

    A captive portal or a proxy also answers 200; believing it would lose events.
    """
    device, counts = body.get("device"), [body.get(name) for name in _COUNTS]
    if not isinstance(device, dict) or device.get("epoch") != batch.header.epoch:
        return None
    reached = device.get("sequence")
    if type(reached) is not int or reached < batch.header.last:
        return None
    accepted, duplicate, conflict, rejected = (count if type(count) is int else -1 for count in counts)
    if min(accepted, duplicate, conflict, rejected) < 0:
        return None
    return Receipt(
        accepted=accepted,
        duplicate=duplicate,
        conflict=conflict,
        rejected=rejected,
        reasons=tuple(_read_reasons(body.get("verdicts"))),
    )


def _read_reasons(verdicts: object) -> list[str]:
    """Return why events were not accepted, in the service's words."""
    reasons = []
    for verdict in verdicts if isinstance(verdicts, list) else ():
        if not isinstance(verdict, dict) or verdict.get("verdict") not in ("conflict", "rejected"):
            continue
        errors = verdict.get("errors")
        details = [
            f"{error.get('pointer', '')} {error.get('detail', '')}".strip()
            for error in (errors if isinstance(errors, list) else ())
            if isinstance(error, dict)
        ]
        reasons.append(_shorten(f"{verdict.get('id')} {verdict['verdict']}: {'; '.join(details) or 'no reason given'}"))
    return reasons


def _explain(response: requests.Response, body: Mapping[str, object]) -> str:
    """Return the status and what the problem document says of it."""
    said = " ".join(str(body[name]) for name in ("title", "detail") if body.get(name))
    location = response.headers.get("Location")
    if response.is_redirect and location:
        said = f"redirects to {location}; use that address"
    return f"{response.status_code}: {_shorten(said or response.reason or 'no reason given')}"


def _read_retry_after(value: str | None) -> float | None:
    """Return the seconds of a Retry-After header, which is a number or a date (RFC 9110, section 10.2.3)."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + "..."
