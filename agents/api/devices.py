"""`GET /v1/devices` and `GET /v1/devices/{key}`: how far each device was received, and what is wrong with it."""

from typing import Any, Final

from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import ledger
from agents.api.reading import reader, refuse_unknown
from agents.models import Device, DeviceFinding
from runtime.wire import BatchHeader, format_time

_PAGE: Final = 100
_RANGES: Final = 100


class DeviceListView(APIView):
    """The devices of the caller's customer."""

    def get(self, request: Request) -> Response:
        """List devices by key, a page at a time: `after` is the `next` of the page before."""
        customer_id = reader(request).customer_id
        refuse_unknown(request, {"after"})
        devices = Device.objects.filter(customer_id=customer_id, key__gt=request.query_params.get("after", ""))
        page = list(devices.order_by("key")[: _PAGE + 1])
        following = page[_PAGE - 1].key if len(page) > _PAGE else None
        return Response({"devices": [_summary(one) for one in page[:_PAGE]], "next": following})


class DeviceView(APIView):
    """One device of the caller's customer."""

    def get(self, request: Request, key: str) -> Response:
        """Show a device with its findings and the newest runs of its chain, each with the hash it ended at."""
        customer_id = reader(request).customer_id
        refuse_unknown(request, set())
        device = Device.objects.filter(customer_id=customer_id, key=key).first()
        if device is None:
            raise Http404(f"There is no device {key}.")
        findings = DeviceFinding.objects.filter(device=device).select_related("device").order_by("-seen_at", "-pk")
        return Response(
            _summary(device)
            | {
                "findings": [_finding(one) for one in findings[:_RANGES]],
                "ranges": _ranges(device),
            }
        )


def _summary(device: Device) -> dict[str, Any]:
    reached = ledger.complete_up_to(device=device)
    return {
        "key": device.key,
        "epoch": device.epoch,
        "last_sequence": device.last_sequence,
        "complete_up_to": reached and format_time(reached),
        "last_seen_at": device.last_seen_at and format_time(device.last_seen_at),
        "enrolled_at": format_time(device.enrolled_at),
        "quarantined_at": device.quarantined_at and format_time(device.quarantined_at),
        "revoked_at": device.revoked_at and format_time(device.revoked_at),
        "missing_until": device.gap_until,
    }


def _finding(finding: DeviceFinding) -> dict[str, Any]:
    touched = ledger.touched(finding=finding)
    return {
        "kind": finding.kind,
        "epoch": finding.epoch,
        "first": finding.first,
        "last": finding.last,
        "seen_at": format_time(finding.seen_at),
        "detail": finding.detail,
        "resolved_at": finding.resolved_at and format_time(finding.resolved_at),
        "resolution": finding.resolution,
        "batches": [one.batch_id for one in touched[:_RANGES]],
        "events": sum(one.event_count for one in touched),
    }


def _ranges(device: Device) -> list[dict[str, Any]]:
    return [
        {
            "batch": one.batch_id,
            "epoch": one.epoch,
            "first": one.first,
            "last": one.last,
            "head": BatchHeader.from_bytes(one.header).head,
            "received_at": format_time(one.received_at),
            "events": one.event_count,
        }
        for one in ledger.ranges(device=device, limit=_RANGES)
    ]
