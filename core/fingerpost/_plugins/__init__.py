"""The plugin host: which plugins are let in, and the one guard around every hook of a configured connector.

It never knows the run.
"""
