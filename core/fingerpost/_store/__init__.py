"""The store: every record as its source gave it, what was made of it, and what each run did.

It never knows the rules. Everything in which SQLite and PostgreSQL differ stands in `dialect`.
"""
