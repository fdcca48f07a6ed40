"""Acme Widgets: an HTTP service on Python's standard library."""
