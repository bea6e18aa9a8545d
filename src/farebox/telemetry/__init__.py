"""Telemetry in and out: OTLP read and sent, and figures for Prometheus. See README.md here."""
