"""Files that were exported from somewhere: CSV, JSON lines, Helicone, Langfuse, LiteLLM."""
