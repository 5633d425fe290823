"""The Docker engine: containers and images. The only folder that imports `docker`."""
