"""What is looked at before step 0: versions, devices, data, teacher, memory, one dry rollout."""
