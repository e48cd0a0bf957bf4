"""How connectors talk to the web: addresses, limits, retries, certificates.

It never knows who asks, or for what.
"""
