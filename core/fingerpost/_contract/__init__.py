"""What a plugin sees: base classes, hook specifications, messages, items and receipts, facts about occupations.

It never knows the store or the configuration. A vendor reads the same names in `fingerpost`.
"""
