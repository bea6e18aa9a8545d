"""Speed and size, measured beside nginx: `make bench`, or `python -m tools.bench --help`."""
