"""Lesson 3: fine-tuning with LoRA, what it forgets, and when it pays."""
