"""Newer price lists: fetched, compared with what is in force, taken over or held for review.

Used by `farebox prices update` and by the server, which looks for a newer list at an interval
(`prices:` in the configuration). Owns the folder `prices.updates/` of the state directory; what is taken
over is appended by `farebox.pricing.sources.price_updates`. Nothing here is on the request path.
"""
