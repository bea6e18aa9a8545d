"""Every question about many calls, answered from a replica of the record. See README.md here."""
