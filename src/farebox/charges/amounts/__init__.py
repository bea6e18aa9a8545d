"""What amounts are made of: charges, bounds, discounts, commitments, taxes and credits."""
