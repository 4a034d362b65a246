"""Run language models on this machine and measure them; shared by all lessons."""
