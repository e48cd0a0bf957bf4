"""The store: every record as its source has it, what was made of it, and what each run did.

It never knows the rules. All differences between SQLite and PostgreSQL are in `dialect`.
"""
