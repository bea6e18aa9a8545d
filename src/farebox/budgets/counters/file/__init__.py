"""The counters' file: where its words stand, who may change them, and how that survives a kill."""
