"""The HTTP stacks that clients are built on, one module each. Only the lowest of a stack is metered."""
