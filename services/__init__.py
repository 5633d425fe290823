"""The services of ACKREP (catalog, scheduler, runner) and the few modules that they share."""

import os

# Services start other programs, but never go on in a forked copy of themselves: without this,
# gRPC's fork handlers log a line for each child process. It has to be set before grpc is loaded.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
