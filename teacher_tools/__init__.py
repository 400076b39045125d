"""What a teacher can do to a video, and the API for new tools."""
