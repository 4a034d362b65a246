"""Collect what students submit and open it, up to a typed record."""
