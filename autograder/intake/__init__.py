"""What students hand in, opened: from the mailbox to a typed record."""
