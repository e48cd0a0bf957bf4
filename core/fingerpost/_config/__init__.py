"""The configuration: its settings, how `fingerpost.toml` is read, and a college that is opened.

It never knows the run.
"""
