"""Exports in protobuf and JSON, and what of a span is kept."""

import json

import pytest
from google.protobuf import json_format
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from agents.errors import MalformedRequestError, UnsupportedContentTypeError
from agents.otlp import conventions, spans, wire
from agents.otlp.wire import Form
from tests.otlp import factories as make


def as_json(request):
    """OTLP/JSON is protobuf's JSON but for ids, which are hexadecimal."""
    document = json_format.MessageToDict(request)
    for resource in document["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span, wire_span in zip(scope["spans"], request.resource_spans[0].scope_spans[0].spans, strict=True):
                span["traceId"], span["spanId"] = wire_span.trace_id.hex(), wire_span.span_id.hex().upper()
                if wire_span.parent_span_id:
                    span["parentSpanId"] = wire_span.parent_span_id.hex()
    return document


def decode_json(document):
    return wire.decode(body=json.dumps(document).encode(), form=Form.JSON)


@pytest.mark.parametrize("framework", make.FRAMEWORKS)
def test_json_and_protobuf_say_the_same(framework):
    request = make.export(*framework(make.trace_id()))
    from_bytes = wire.decode(body=request.SerializeToString(), form=Form.PROTOBUF)
    from_json = decode_json(as_json(request))
    assert spans.read(request=from_json) == spans.read(request=from_bytes)
    assert len(spans.read(request=from_json).spans[0].trace_id) == 32


def test_unknown_fields_links_and_events_are_passed_over():
    document = as_json(make.export(*make.pydantic_ai(make.trace_id())))
    span = document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span |= {"invented": {"a": [1]}, "links": [{"traceId": "zz"}], "events": [{"name": make.SECRET, "no": 1}]}
    document["future"] = True
    assert len(spans.read(request=decode_json(document)).spans) == 4


def test_64_bit_numbers_come_as_text_in_json():
    document = as_json(make.export("x", [make.chat(make.trace_id(), None)]))
    assert '"intValue": "52"' in json.dumps(document)
    assert spans.read(request=decode_json(document)).spans[0].facts["prompt_tokens"] == 52


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"1", b'{"resourceSpans": 1}', b'{"resourceSpans": [{"scopeSpans": {"a": 1}}]}', b"\xff",
             b'{"resourceSpans": [{"resource": {"attributes": [{"key": "\\ud800"}]}}]}', b"[" * 100_000,
             b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": 1e400}]}]}]}']
)  # fmt: skip
def test_a_body_that_cannot_be_read_is_refused_without_quoting_it(body):
    with pytest.raises(MalformedRequestError) as refused:
        wire.decode(body=body, form=Form.JSON)
    assert "resourceSpans" not in str(refused.value)


def test_bytes_that_are_no_export_are_refused():
    with pytest.raises(MalformedRequestError):
        wire.decode(body=b"\xff\xff\xff", form=Form.PROTOBUF)
    with pytest.raises(UnsupportedContentTypeError):
        wire.form_of("text/plain")
    assert wire.form_of("application/json; charset=utf-8") is Form.JSON


def faulty():
    good = make.chat(make.trace_id(), None)
    short, zero, parent, running = (make.chat(make.trace_id(), None) for _ in range(4))
    short.trace_id, zero.span_id, parent.parent_span_id = b"abc", bytes(8), b"abc"
    running.end_time_unix_nano = 0
    return [good, short, zero, parent, running]


def test_a_bad_span_is_told_and_costs_no_other():
    export = spans.read(request=make.export("x", faulty()))
    assert (len(export.spans), len(export.faults)) == (1, 4)


@pytest.mark.parametrize("bad", ["zz" * 16, "00" * 16, "", 7, None, "abc"])
def test_an_id_that_is_not_hexadecimal_costs_no_other_span(bad):
    request = make.export("x", [make.chat(make.trace_id(), None) for _ in range(2)])
    document = as_json(request)
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] = bad
    export = spans.read(request=decode_json(document))
    assert (len(export.spans), len(export.faults)) == (1, 1)


@pytest.mark.parametrize("form", Form)
def test_answers_come_in_the_form_of_the_request(form):
    parse = _reader(form)
    assert (
        parse(wire.answer(rejected=0, reason="", form=form), ExportTraceServiceResponse())
        == ExportTraceServiceResponse()
    )
    partial = parse(wire.answer(rejected=2, reason="no", form=form), ExportTraceServiceResponse()).partial_success
    assert (partial.rejected_spans, partial.error_message) == (2, "no")
    status = parse(wire.status(http_status=503, reason="later", form=form), Status())
    assert (status.code, status.message) == (14, "later")


def _reader(form):
    if form is Form.JSON:
        return json_format.Parse
    return lambda body, message: type(message).FromString(body)


@pytest.mark.parametrize("framework", make.FRAMEWORKS)
def test_only_what_the_table_names_is_kept(framework):
    kept = make.read(*framework(make.trace_id()))
    allowed = {name for row in conventions.CONVENTIONS for name in row.facts} | {"service"}
    assert {name for span in kept for name in span.facts} <= allowed
    assert make.SECRET not in repr(kept)


def test_texts_are_cut_to_what_a_meter_can_be_split_by_and_the_database_can_store():
    sent = make.gen_ai(make.trace_id(), "invoke_agent", agent="\0" + "\N{SNOWMAN}" * 100)
    name = make.read("x", [sent])[0].facts["agent"]
    assert len(name.encode()) <= 128
    assert name.startswith("\N{REPLACEMENT CHARACTER}\N{SNOWMAN}")


def test_odd_token_counts_are_left_out():
    trace = make.trace_id()
    for odd in (-1, 10**17, 1.5, "many", True):
        sent = make.gen_ai(trace, "chat", gen_ai__usage__input_tokens=odd)
        assert "prompt_tokens" not in make.read("x", [sent])[0].facts


def test_every_instant_that_fits_the_wire_is_one():
    sent = make.chat(make.trace_id(), None)
    sent.start_time_unix_nano, sent.end_time_unix_nano = 0, 2**64 - 1
    kept = make.read("x", [sent])[0]
    assert (kept.started_at.year, kept.ended_at.year) == (1970, 2554)


def test_a_scope_finds_its_row_and_an_unknown_one_the_general_one():
    names = {scope: conventions.find(scope=scope).name for scope in (make.PYDANTIC_AI, make.OPENINFERENCE, "new", "")}
    assert names == {
        make.PYDANTIC_AI: "pydantic-ai",
        make.OPENINFERENCE: "OpenInference",
        "new": conventions.CONVENTIONS[-1].name,
        "": conventions.CONVENTIONS[-1].name,
    }
