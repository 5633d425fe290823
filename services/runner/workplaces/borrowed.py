"""What a borrower of a workplace and the pool tell each other."""

from services.runner.ports import Workplace
from services.runner.sessions.outcome import Cleanliness


class Borrowed:
    """A workplace for the time of one check."""

    def __init__(self, workplace: Workplace) -> None:
        self.workplace = workplace
        self.cleanliness: Cleanliness | None = None  # set by the borrower from the outcome
        self.abandoned = False
        self.retired = ""  # why it takes no other check; known once it is given back
