"""The plugin host: which plugins are admitted, and the one guard around every hook of a configured connector.

It never knows about runs.
"""
