"""Figures of the record as Prometheus scrapes them."""
