__version__ = "0.1.0"
"""The release of the whole distribution; `fingerpost.API_VERSION` is apart from it."""
