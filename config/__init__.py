"""Wires the house together: settings, addresses, servers and commands; nobody imports it."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
