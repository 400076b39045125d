"""How an answer is scored: accuracy, format, Robust Improvement Reward, group advantages."""
