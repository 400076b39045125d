"""The demo world: generated videos, questions, and a scripted teacher that really looks."""
