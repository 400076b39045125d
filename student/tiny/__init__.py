"""A tiny real student: tokenizer, model and checkpoint made from a configuration."""
