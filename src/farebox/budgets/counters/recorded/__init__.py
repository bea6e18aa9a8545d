"""The ledger's part: what is recorded is counted as recorded, once, and no longer as settled."""
