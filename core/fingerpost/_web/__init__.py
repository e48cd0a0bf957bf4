"""How connectors talk to the web: addresses, limits, retries, certificates.

It does not know who asks, or for what.
"""
