"""The server's entry: events are taken in beside Django, small requests together; all else is Django's.

Django's own request handling costs more than storing an event does (a no-op view under granian: 140 us), and a commit
costs more than both. So `POST /v1/events` is answered without Django's handler, and requests that arrive while a commit
is under way share the next one. What a request means is decided in `agents.api.events` either way.
"""
