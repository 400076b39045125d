"""Evidence patches: their schema, their images and the store that keeps them."""
