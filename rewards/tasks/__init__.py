"""Accuracy rewards of whole responses, by declared problem type (Video-R1) or inferred."""
