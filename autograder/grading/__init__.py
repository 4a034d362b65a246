"""From collected submissions to scores in the gradebook."""
