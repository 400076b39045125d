"""Video-R2: times in reasoning, Temporal Alignment Reward, consistency gate, TAC and VAS."""
