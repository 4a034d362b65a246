"""What every station reads and writes."""
