"""What is kept of persons, where and until when: told, handed out, erased, and forgotten after a time."""
