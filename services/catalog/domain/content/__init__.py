"""What archives and uploads hold."""
