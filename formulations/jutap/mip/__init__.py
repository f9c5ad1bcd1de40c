"""The arc-flow model of JUTAP, and the engines that solve it."""
