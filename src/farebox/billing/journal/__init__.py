"""The journal of money: double entries, chained and never changed; see README.md."""
