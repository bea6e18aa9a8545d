"""Calls that were made before, read from what others kept of them: agents' logs, exported files.

A reader turns each kind of history into `ToldCall`s; `BulkWriter` writes them to a journal, as events like
any other. Who saw them live is found out by the ledger, which joins the witnesses of one call.
"""
