"""Prepare assignments before students get them: build, check, release, bundle."""
