"""What customers are charged beside what providers charge for the same usage."""
