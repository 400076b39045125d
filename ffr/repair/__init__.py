"""Context repair, engine-free: first pass, diagnosis, second pass, choice, reward, rows."""
