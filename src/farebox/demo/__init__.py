"""Made-up data for a home of its own: a company, its programs, and thirty days of their calls.

Calls are written to a journal, rated, appended and watched by alerts as real ones are; only the clock is
handed in. `company` says who there is, `conversations` and `calls` what they do, `home` where it may be put.
"""
