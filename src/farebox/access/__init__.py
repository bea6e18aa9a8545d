"""Who may do what through a listener of ours, and how it is reached: TLS, tokens, roles, rates, addresses.

One implementation for the proxy, the dashboard's API and whatever listens later. Nothing here opens a
connection or knows a database.
"""
