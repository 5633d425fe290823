"""Interactive sessions: a shell, a command or JupyterLab in an environment, for a person."""
