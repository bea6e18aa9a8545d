"""Prove to somebody else what the record, the audit and the invoices were: signed checkpoints, a
package, a verifier."""
