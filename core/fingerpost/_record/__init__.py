"""The canonical careers record: its models, the kinds of activity, and the parsers of its values.

It never knows where a value came from.
"""
