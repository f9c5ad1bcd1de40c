"""What a reading of the papers is worth, where they are silent or contradict themselves."""
