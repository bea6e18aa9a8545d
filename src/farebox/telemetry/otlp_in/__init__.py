"""OTLP requests as events of the record."""
