"""OpenTelemetry: spans of unmodified agent frameworks, made into the turns, decisions and tool calls they stand for.

`wire` and `spans` read an export down to what `conventions`, the table of what each instrumentation calls things,
allows; `arrivals` keeps the spans; `derivation` decides what a trace amounts to, `events` says it, `traces` writes it.
"""
