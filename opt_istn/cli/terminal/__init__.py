"""How the command line reads and speaks: streams, tables, warnings, exit codes."""
