"""Mappings: what the fields of a source mean, read from TOML, compiled once and applied to chunks of rows.

It never uses the store.
"""
