"""Tests of the OpenAPI document, and of the service against it."""
