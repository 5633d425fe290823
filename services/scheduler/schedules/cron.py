"""Cron expressions."""

from datetime import datetime

from cronsim import CronSim, CronSimError

from services.errors import InvalidArgumentError


def next_time(expression: str, *, after: datetime) -> datetime | None:
    """When a cron expression of five fields is due next, in UTC; none where it never is.

    Raises:
        InvalidArgumentError: It cannot be read.
    """
    try:
        return next(CronSim(expression, after), None)
    except CronSimError as error:
        raise InvalidArgumentError(
            f"{expression!r} is no cron expression: {error}; write five fields (minute, hour, day, "
            "month, day of the week), e.g. `30 2 * * 1-5`",
            field="schedule.cron",
        ) from error
