"""Interactive sessions as the command line sees them: the stream, the terminal, files, tunnels."""
