"""The untrusted side: what keeps student code away from everything else."""
