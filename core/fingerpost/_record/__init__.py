"""The canonical careers record: its models, the kinds of activity, and the parsers of its values.

It does not know where a value came from.
"""
