"""What every station of a submission's way reads and writes."""
