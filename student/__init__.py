"""What a student sees and says: prompt, frames, parsing, tiny model."""
