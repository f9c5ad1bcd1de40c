"""Integer programs of PUSH and the engines that solve them."""
