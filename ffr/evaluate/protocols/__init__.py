"""The shipped protocols of evaluation, as YAML."""
