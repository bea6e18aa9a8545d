"""Invoices: a question of the record as of one seq, rated, numbered and frozen."""
