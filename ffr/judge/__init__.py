"""The text judge of Video-R2's rewards and metrics: prompts, replies, cache, endpoint."""
