"""The forms in which vendors of billing and metering take usage: events in, requests out, responses to
answers.

One module a vendor. Nothing here opens a connection, knows a database or the record. Rules of the vendors'
public APIs are cited where they are kept."""
