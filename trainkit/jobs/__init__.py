"""The functions behind the commands, callable from Python with the same arguments."""
