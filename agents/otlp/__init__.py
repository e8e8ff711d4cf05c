"""OpenTelemetry: spans of unmodified agent frameworks, made into the turns, decisions and tool calls they stand for.

`conventions` is the table of what each instrumentation calls things; `spans` reads an export down to what that table
allows; `traces` keeps the spans until their trace is whole; `derivation` decides what the trace amounts to.
"""
