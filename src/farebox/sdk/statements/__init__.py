"""What a program says itself: usage it knows, responses it has, outcomes and scores."""
