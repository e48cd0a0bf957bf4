"""The plugin host: which plugins are admitted, and the one guard around every hook of a configured connector.

It knows nothing of runs.
"""
