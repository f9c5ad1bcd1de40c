"""Images of contents: drawn or from folders, and the networks that tell them apart."""
