"""What others record, taken in: bodies read, items judged, records written. See README.md here."""
