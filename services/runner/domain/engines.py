"""What is said of an engine that is not there. Pure."""

from services.errors import UnavailableError


class EngineAwayError(UnavailableError):
    """The engine that workplaces run in cannot be reached, or does not answer in time.

    This says nothing of the image or the entity: whoever needed a workplace may hand back what it
    holds, as if it had never begun. What the engine refuses is an UnavailableError and no more.
    """
