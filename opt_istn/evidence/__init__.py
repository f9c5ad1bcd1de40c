"""What backs records: certificates beside them, and checking all of it again."""
