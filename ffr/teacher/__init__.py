"""The frozen teacher: who looks into the video and writes evidence patches."""
