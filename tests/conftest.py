"""What holds for all tests."""

import signal

# A shell's background jobs ignore interrupts, and so would every process that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
