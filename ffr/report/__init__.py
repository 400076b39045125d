"""Reports people look at: one HTML page, or a folder, that works without a network."""
