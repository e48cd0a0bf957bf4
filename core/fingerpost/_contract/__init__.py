"""What a plugin sees: base classes, hook specifications, messages, items and receipts, facts about occupations.

It never uses the store or the configuration. A vendor imports the same names from `fingerpost`.
"""
