"""``ffr elect serve``: chat completions in, elected chat completions out."""
