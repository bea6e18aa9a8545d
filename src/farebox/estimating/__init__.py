"""Estimate usage that providers charge and do not state, in a process of its own: `estimator_process.py`."""
