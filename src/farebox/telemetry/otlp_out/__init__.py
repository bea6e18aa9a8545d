"""Calls of the record as spans and metrics for an OTLP endpoint."""
