"""Whose a call is and what its customer's plan charges for it, when appended and when corrected."""
