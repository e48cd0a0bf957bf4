"""Mappings, frameworks and activity kinds: data only."""
