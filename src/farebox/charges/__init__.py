"""The one charge engine: plans, usage and prices in, exact amounts out. Pure: no I/O, no clock, no floats."""
