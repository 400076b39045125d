"""Configuration: typed schema, layered YAML, dotted overrides."""
