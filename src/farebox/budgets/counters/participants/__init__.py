"""Who lets calls pass: leases, reservations, and calls that wait their turn."""
