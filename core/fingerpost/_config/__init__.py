"""The configuration: its settings, the reader of `fingerpost.toml`, and an opened college.

It never knows about runs.
"""
