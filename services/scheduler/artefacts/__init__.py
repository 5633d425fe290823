"""Files that checks left: stored by digest, and how long they are kept."""
