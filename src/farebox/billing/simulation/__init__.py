"""What a past period would have come to by other plans, prices or models. Nothing is saved."""
