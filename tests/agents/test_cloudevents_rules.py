"""Every rule of CloudEvents 1.0 that a sender of usage can meet, decided as in agents/cloudevents/README.md."""

import json
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import cloudevents
from agents.cloudevents import strict
from agents.errors import MalformedRequestError, UnsupportedContentTypeError
from metering.event import Malformed, UsageEvent
from runtime.wire import canonical
from tests.factories import NOW

EVENT = {"specversion": "1.0", "id": "e1", "source": "/robots/7", "type": "com.example.turn", "data": {"amount": 1}}
HEADERS = {"Ce-Specversion": "1.0", "Ce-Id": "e1", "Ce-Source": "/robots/7", "Ce-Type": "com.example.turn"}
ATTRIBUTES = cloudevents.attributes_of({name.lower(): value for name, value in HEADERS.items()})
JSON_TYPE = "application/json"


def parsed(document):
    return cloudevents.parse(document=document, index=0, environment="live", received_at=NOW)


def structured(**changes):
    return read(json.dumps(EVENT | changes))


def read(text):
    body = text if isinstance(text, bytes) else text.encode()
    return parsed(cloudevents.decode(body=body, content_type=cloudevents.SINGLE)[0])


def binary(body=b'{"amount":1}', content_type=JSON_TYPE, **headers):
    given = {name.lower(): value for name, value in (HEADERS | headers).items() if value is not None}
    attributes = cloudevents.attributes_of(given)
    return parsed(cloudevents.decode(body=body, content_type=content_type, attributes=attributes)[0])


def faults(event):
    assert isinstance(event, Malformed), event
    return [problem.pointer for problem in event.errors]


def sound(event):
    assert isinstance(event, UsageEvent), event
    return event


# The context attributes


@pytest.mark.parametrize("source", ["/robots/7", "urn:uuid:6e8bc430", "mailto:a@b.example", "#", "a", "ü", "x" * 512])
def test_a_source_is_any_uri_reference(source):
    assert sound(structured(source=source)).source == source


@pytest.mark.parametrize("source", ["", " ", "a b", "<a>", "{a}", "a\nb", "x" * 513, "a\u0000", "\ud800", "\ufffe"])
def test_a_source_that_is_none_is_named(source):
    assert faults(structured(source=source)) == ["/source"]


@pytest.mark.parametrize("version", ["0.3", "1", "1.0.2", "2.0", "1.0 "])
def test_only_version_one_is_understood(version):
    assert faults(structured(specversion=version)) == ["/specversion"]


@pytest.mark.parametrize("name", ["id", "type", "subject"])
@pytest.mark.parametrize("text", ["a\tb", "\u007f", "\u0085", "\ufdd0", "\U0001ffff", "\udfff"])
def test_a_text_without_meaning_is_refused_in_every_attribute(name, text):
    assert faults(structured(**{name: text})) == [f"/{name}"]


@pytest.mark.parametrize("text", ["Grüße", "日本語", "🚲", " ", "a b", "é" * 256])
def test_text_of_any_language_is_kept(text):
    assert sound(structured(id=text, subject=text)).subject == text


@pytest.mark.parametrize("time", ["2026-11-15T12:00:00Z", "2026-11-15t12:00:00z", "2026-11-15T17:45:00.000+05:45"])
def test_a_time_is_rfc_3339_with_an_offset(time):
    assert sound(structured(time=time)).time == datetime(2026, 11, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-15T12:00:00",
        "2026-11-15",
        "2026-11-15 12:00:00Z",
        "2026-11-15T12:00Z",
        "20261115T120000Z",
        "2026-W46-7T12:00:00Z",
        "2026-11-15T24:00:00Z",
        "2026-11-15T23:59:60Z",
        "2026-02-29T00:00:00Z",
        "2026-11-15T12:00:00+24:00",
        "2026-11-15T12:00:00+0100",
        "2026-11-15T12:00:00.1234567890Z",
        "٢٠٢٦-11-15T12:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59-14:00",
        1763200000,
        "",
    ],
)
def test_a_time_that_is_none_is_named(time):
    assert faults(structured(time=time)) == ["/time"]


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=utf-8", "text/json", "application/vnd.a.b+json", "a/json"]
)
def test_data_may_have_any_type_of_json(kind):
    assert sound(structured(datacontenttype=kind)).data == {"amount": 1}


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "json", "application/json2", "application/jsonx+"])
def test_data_of_another_type_is_refused(kind):
    assert faults(structured(datacontenttype=kind)) == ["/datacontenttype"]


@pytest.mark.parametrize(("schema", "accepted"), [("https://a.example/s", True), ("urn:a", True), ("/s", False)])
def test_a_dataschema_is_an_absolute_uri(schema, accepted):
    assert isinstance(structured(dataschema=schema), UsageEvent) is accepted


@pytest.mark.parametrize("value", ["text", "", 0, -(2**31), 2**31 - 1, True])
def test_an_extension_is_a_text_a_32_bit_number_or_a_boolean(value):
    sound(structured(taskid=value))


@pytest.mark.parametrize("value", [2**31, 1.5, [], {}, "a\u0000", "x" * 2049])
def test_an_extension_of_another_type_is_named(value):
    assert faults(structured(taskid=value)) == ["/taskid"]


@pytest.mark.parametrize("name", ["Taskid", "task_id", "task-id", "", "x" * 21, "tâche", "a/b"])
def test_an_extension_is_named_in_lower_case_letters_and_digits(name):
    assert len(faults(structured(**{name: "x"}))) == 1


def test_a_name_in_a_pointer_is_escaped_and_fit_to_print():
    assert faults(structured(**{"a/b~c\ud800": 1})) == ["/a~1b~0c?"]


@pytest.mark.parametrize("name", [*EVENT, "subject", "time", "datacontenttype", "dataschema", "taskid", "data_base64"])
def test_null_is_the_same_as_absent(name):
    with_null = structured(**{name: None})
    without = read(json.dumps({key: value for key, value in EVENT.items() if key != name}))
    assert type(with_null) is type(without)
    if isinstance(with_null, Malformed):
        assert faults(with_null) == faults(without) == [f"/{name}"]


@pytest.mark.parametrize("data", ["text", 1, True, [], [{}]])
def test_data_is_an_object(data):
    assert faults(structured(data=data)) == ["/data"]


@pytest.mark.parametrize("name", ["id", "source", "type", "subject", "time", "sequence"])
def test_a_number_is_no_text(name):
    for number in ("1", "1.5", "1e3"):
        assert faults(read(json.dumps(EVENT | {name: 0}).replace(f'"{name}": 0', f'"{name}": {number}'))) == [
            f"/{name}"
        ]


def test_base64_is_refused_alone_and_beside_data():
    assert faults(structured(data_base64="e30=")) == ["/data_base64"]
    assert faults(read(json.dumps({**EVENT, "data_base64": "e30="}))) == ["/data_base64"]


def test_the_environment_of_an_event_is_one_of_two():
    assert sound(structured(data={"environment": "test"})).environment == "test"
    for value in ("staging", ["test"], {"test": 1}, 1):
        assert faults(structured(data={"environment": value})) == ["/data/environment"]


# JSON


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1e-400", "9" * 41, "9" * 5000, str(2**63), "1E+99"])
def test_a_number_that_no_quantity_can_be_is_named(number):
    event = read(json.dumps(EVENT).replace('"amount": 1', f'"amount": [{number}]'))
    assert faults(event) == ["/data/amount/0"]


@pytest.mark.parametrize(
    ("number", "kept"),
    [("0.1", "0.1"), ("1.50", "1.50"), ("12e2", "1200"), ("1E-3", "0.001"), (str(2**63 - 1), 2**63 - 1), ("-0", 0)],
)
def test_a_number_keeps_every_digit(number, kept):
    assert sound(read(json.dumps(EVENT).replace('"amount": 1', f'"amount": {number}'))).data == {"amount": kept}


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity", "01", "+1", ".5", "1.", "0x1", "'a'"])
def test_what_is_no_json_number_makes_the_request_unreadable(constant):
    with pytest.raises(MalformedRequestError):
        read(json.dumps(EVENT).replace('"amount": 1', f'"amount": {constant}'))


@pytest.mark.parametrize(
    "body",
    [
        '{"specversion":"1.0","id":"a","id":"b","source":"/s","type":"t"}',
        '{"specversion":"1.0","id" :"a","id":"b","source":":s","type":"t"}',
        '{"specversion":"1.0","id":"a","\\u0069d":"b","source":"/s","type":"t"}',
    ],
)
def test_a_name_that_stands_twice_is_refused(body):
    assert faults(read(body)) == ["/id"]


def test_a_name_that_stands_twice_inside_data_is_named_and_fails_no_other_event():
    twice = '{"specversion":"1.0","id":"a","source":"/s","type":"t","data":{"a":{"b":1,"b":2}}}'
    documents = cloudevents.decode(body=f"[{twice},{json.dumps(EVENT)}]".encode(), content_type=cloudevents.BATCH)
    assert faults(parsed(documents[0])) == ["/data/a/b"]
    sound(parsed(documents[1]))


@pytest.mark.parametrize("text", [":", '":', 'a":b', " : ", "\\"])
def test_a_colon_in_a_text_is_no_name(text):
    assert sound(structured(data={"said": text, text: 1})).data == {"said": text, text: 1}


def test_nesting_is_bounded():
    def nested(depth):
        return structured(data={"a": json.loads("[" * depth + "]" * depth)})

    sound(nested(30))
    assert isinstance(nested(31), Malformed)
    assert isinstance(nested(100), Malformed)
    with pytest.raises(MalformedRequestError):
        read("[" * 200_000)


@pytest.mark.parametrize("depth", [40, 100, 300, 480, 500, 900, 990, 1_000, 5_000, 50_000])
@pytest.mark.parametrize("pair", ["[]", ('{"a":', "}")])
def test_no_depth_breaks_the_reader(depth, pair):
    value = pair[0] * depth + ("1" if pair[0] != "[" else "") + pair[1] * depth
    try:
        assert isinstance(read(json.dumps(EVENT).replace('"amount": 1', f'"amount": {value}')), Malformed)
    except MalformedRequestError:
        assert depth > 400


def test_an_event_of_two_megabytes_is_refused():
    assert faults(structured(data={"a": "x" * 2_000_000})) == [""]


@pytest.mark.parametrize("text", ["\ud800", "a\udfff"])
def test_a_lone_surrogate_is_named_wherever_it_is(text):
    assert faults(structured(data={"a": {"b": [text]}})) == ["/data/a/b/0"]
    assert faults(structured(data={text: 1})) == ["/data"]


@pytest.mark.parametrize(
    "body", [b"\xef\xbb\xbf{}", '{"a":1}'.encode("utf-16"), b'{"id":"\xff"}', b'{"id":"\xed\xa0\x80"}']
)
def test_a_body_in_another_encoding_than_utf_8_is_unreadable(body):
    with pytest.raises(MalformedRequestError):
        read(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=4) | st.sampled_from(['":', " :"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=10,
)


@given(document=JSON, spaced=st.booleans(), escaped=st.booleans())
def test_the_fast_reader_and_the_slow_one_agree(document, spaced, escaped):
    separators = (" , ", " : ") if spaced else (",", ":")
    body = json.dumps(document, separators=separators, ensure_ascii=escaped).encode()
    assert strict.read(body) == document


@given(data=st.dictionaries(st.text(max_size=4), JSON, max_size=4))
def test_what_the_parser_hashes_is_the_canonical_form_of_the_wire(data):
    event = parsed(EVENT | {"data": data})
    if isinstance(event, UsageEvent):
        assert event.body == canonical(EVENT | {"data": data})


# The content modes


def test_an_event_in_binary_mode_is_the_same_event():
    assert binary() == structured()
    assert binary(content_type="application/json; charset=UTF-8") == structured(datacontenttype=JSON_TYPE)
    assert binary(**{"Ce-Taskid": "7", "Ce-Retry": "true"}) == structured(taskid=7, retry=True)


def test_names_of_headers_have_no_case():
    upper = {name.upper(): value for name, value in HEADERS.items()}
    assert binary(**dict.fromkeys(HEADERS), **upper) == binary()


@pytest.mark.parametrize(
    "encoded", ["Gr%C3%BC%C3%9Fe%20%22x%22", "Gr%c3%bc%c3%9fe%20%22x%22", "%47r%C3%BC%C3%9Fe %22x%22"]
)
def test_a_header_is_percent_decoded_once_whatever_was_encoded(encoded):
    assert sound(binary(**{"Ce-Subject": encoded})).subject == 'Grüße "x"'
    assert sound(binary(**{"Ce-Subject": "100%2525"})).subject == "100%25"


def test_a_quoted_header_of_an_older_sender_is_read():
    assert sound(binary(**{"Ce-Subject": '"a \\"b\\" c"'})).subject == 'a "b" c'


@pytest.mark.parametrize("encoded", ["%ff", "%C3", "%", "%4", "%zz", "%ED%A0%80", "Grüße"])
def test_a_header_that_is_no_encoded_utf_8_makes_the_request_unreadable(encoded):
    with pytest.raises(MalformedRequestError):
        binary(**{"Ce-Subject": encoded})


def test_the_content_type_is_said_once():
    with pytest.raises(MalformedRequestError):
        binary(**{"Ce-Datacontenttype": JSON_TYPE})


@pytest.mark.parametrize("name", ["Ce-Id", "Ce-Source", "Ce-Type", "Ce-Specversion"])
def test_a_required_header_is_never_invented(name):
    assert faults(binary(**{name: None})) == [f"/{name[3:].lower()}"]
    assert faults(binary(**{name: ""})) == [f"/{name[3:].lower()}"]


@pytest.mark.parametrize("kind", ["application/vnd.example+json", "text/json", "APPLICATION/JSON"])
def test_data_in_binary_mode_may_have_any_type_of_json(kind):
    assert sound(binary(content_type=kind)).data == {"amount": 1}


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "application/octet-stream", "application/json;charset=latin1"]
)
def test_data_in_binary_mode_of_another_type_is_not_understood(kind):
    with pytest.raises(UnsupportedContentTypeError):
        binary(content_type=kind)


def test_an_event_in_binary_mode_may_have_no_data():
    assert sound(binary(body=b"", content_type="")).data == {}
    assert sound(binary(body=b"")).data == {}
    assert sound(binary(body=b"null")).data == {}
    assert faults(binary(body=b"[1]")) == ["/data"]


def test_without_attributes_in_headers_plain_json_is_not_understood():
    with pytest.raises(UnsupportedContentTypeError):
        cloudevents.decode(body=json.dumps(EVENT).encode(), content_type=JSON_TYPE, attributes={})


@pytest.mark.parametrize("document", [[], "text", 7, None])
def test_a_structured_event_is_one_object(document):
    assert faults(read(json.dumps(document))) == [""]


@pytest.mark.parametrize("document", [{}, "text", 7, None])
def test_a_batch_is_an_array(document):
    with pytest.raises(MalformedRequestError):
        cloudevents.decode(body=json.dumps(document).encode(), content_type=cloudevents.BATCH)


def test_content_types_have_no_case_and_may_have_parameters():
    assert cloudevents.is_batch("Application/CloudEvents-Batch+JSON ; charset=utf-8")
    assert not cloudevents.is_batch(cloudevents.SINGLE)
    with pytest.raises(UnsupportedContentTypeError):
        cloudevents.decode(body=b"[]", content_type=cloudevents.BATCH + "; charset=utf-16")


@given(body=st.binary(max_size=60), kind=st.sampled_from([cloudevents.SINGLE, cloudevents.BATCH, JSON_TYPE]))
def test_no_bytes_break_the_reader(body, kind):
    try:
        documents = cloudevents.decode(
            body=body,
            content_type=kind,
            attributes=cloudevents.attributes_of({name.lower(): value for name, value in HEADERS.items()}),
        )
    except MalformedRequestError:
        return
    assert all(isinstance(parsed(document), UsageEvent | Malformed) for document in documents)


def test_recursion_leaves_no_trace():
    before = sys.getrecursionlimit()
    with pytest.raises(MalformedRequestError):
        read('{"a":' * 100_000)
    assert sys.getrecursionlimit() == before


TEXTS = st.sampled_from(["a", "b c", "ä", "\x7f", "", "1.0", "x" * 300, "2026-02-31T12:00:00Z"])
VALUES = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
)
MEMBERS = VALUES | st.dictionaries(st.sampled_from(["amount", "agent", "environment", "\u2028"]), VALUES)
NAMES = ("specversion", "id", "source", "type", "subject", "time", "data", "sequence", "datacontenttype", "Bad")


@given(
    changes=st.lists(st.dictionaries(st.sampled_from(NAMES), MEMBERS, max_size=3), min_size=1, max_size=3),
    environment=st.sampled_from(["live", "test"]),
    indent=st.sampled_from([None, 1]),
)
def test_the_fast_reader_reads_what_the_strict_one_reads(changes, environment, indent):
    body = json.dumps([EVENT | one for one in changes], indent=indent).encode()
    fast, strict = (
        [
            cloudevents.parse(document=one, index=place, environment=environment, received_at=NOW)
            for place, one in enumerate(
                cloudevents.decode(body=body, content_type=cloudevents.BATCH, as_written=written)
            )
        ]
        for written in (False, True)
    )
    assert fast == strict


def test_a_name_that_stands_twice_is_seen_by_the_fast_reader_too():
    twice = (
        b'{"specversion":"1.0","id":"e1","source":"/r","type":"t","time":"2026-01-31T12:00:00Z","data":{"a":1,"a":2}}'
    )
    assert faults(read(twice)) == ["/data/a"]
