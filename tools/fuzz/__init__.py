"""Coverage-guided fuzzing of framings and of the extractor (`make fuzz`); needs atheris."""
