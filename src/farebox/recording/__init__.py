"""What the proxy and the SDK do alike: whose call it is, its INTENT and DONE, a meter that cannot fail."""
