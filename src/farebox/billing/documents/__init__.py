"""Invoices and credit notes on paper: HTML, PDF, CSV, JSON, and a message that is ready to be sent.

What is shown comes from the stored document (`billing.invoices.document`) and from the seller's details in
the configuration (`billing:`); nothing is looked up or computed anew, so that a document looks the same
years later.
"""

from farebox.billing.documents.rendering import FORMATS, MEDIA_TYPES, Format, RenderedDocument, rendered

__all__ = ["FORMATS", "MEDIA_TYPES", "Format", "RenderedDocument", "rendered"]
