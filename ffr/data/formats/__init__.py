"""The published forms of records that can be converted, each in a module of its own."""
