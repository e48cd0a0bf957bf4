"""Words, dates and sentences: plain text, days, errors, near spellings, logs, TOML documents.

Every other room uses it; it never uses them.
"""
