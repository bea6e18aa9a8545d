"""What a program can ask: what was spent, what a call costs, what is left."""
