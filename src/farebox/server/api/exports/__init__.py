"""Exports of usage."""
