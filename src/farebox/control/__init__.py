"""What commands set: `control.db`, and the snapshot of it that everybody else reads.

Nothing is imported here: SQLAlchemy is loaded by whoever opens the database, and by nobody else.
"""
