"""How the program reads and speaks small things: plain text, days, errors, near spellings, logs, TOML documents.

Every other room uses it; it knows none of them.
"""
