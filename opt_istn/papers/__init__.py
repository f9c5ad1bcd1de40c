"""The figures and tables of both papers by command: ours, what is proven, and what is printed."""
