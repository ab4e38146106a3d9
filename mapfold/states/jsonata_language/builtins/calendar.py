"""Days of the proleptic Gregorian calendar, for years of any size, and the weeks of ISO 8601."""

from __future__ import annotations

from dataclasses import dataclass

DAY_MILLIS = 86_400_000


def days_of(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01. A month outside of 1 … 12 is one of another year; a day counts on from the first."""
    year += (month - 1) // 12
    month = (month - 1) % 12 + 1
    shifted = year - (month <= 2)
    era, of_era = divmod(shifted, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468 + day - 1


def date_of(days: int) -> tuple[int, int, int]:
    """Year, month and day of a number of days since 1970-01-01."""
    era, of_era = divmod(days + 719_468, 146_097)
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted_month = (5 * of_year + 2) // 153
    day = of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + (3 if shifted_month < 10 else -9)
    return year + era * 400 + (month <= 2), month, day


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment in UTC, by its parts."""

    days: int
    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    millisecond: int

    @property
    def weekday(self) -> int:
        """1 for Monday to 7 for Sunday."""
        return (self.days + 3) % 7 + 1

    @property
    def day_of_year(self) -> int:
        return self.days - days_of(self.year, 1, 1) + 1

    @property
    def week_of_year(self) -> int:
        return _week(self.days, (self.year, 1), (self.year + 1, 1), (self.year - 1, 1), most=52)

    @property
    def week_of_month(self) -> int:
        year, month = self.year, self.month
        return _week(self.days, (year, month), (year, month + 1), (year, month - 1), most=4)

    @property
    def week_year(self) -> int:
        """The year that the ISO week belongs to."""
        if self.days < first_week(self.year, 1):
            return self.year - 1
        return self.year + 1 if self.days >= first_week(self.year + 1, 1) else self.year

    @property
    def week_month(self) -> int:
        """The month that the week belongs to."""
        if self.days < first_week(self.year, self.month):
            return (self.month - 2) % 12 + 1
        if self.days >= first_week(self.year, self.month + 1):
            return self.month % 12 + 1
        return self.month


def moment_of(millis: int) -> Moment:
    """The parts of a moment in milliseconds since 1970."""
    days, rest = divmod(millis, DAY_MILLIS)
    seconds, millisecond = divmod(rest, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return Moment(days, *date_of(days), hour, minute, second, millisecond)


def first_week(year: int, month: int) -> int:
    """The Monday of the first week of a month: the one with its first Thursday."""
    first = days_of(year, month, 1)
    weekday = (first + 3) % 7 + 1
    return first + 8 - weekday if weekday > 4 else first - (weekday - 1)


def _week(days: int, this: tuple[int, int], following: tuple[int, int], previous: tuple[int, int], *, most: int) -> int:
    week = (days - first_week(*this)) // 7 + 1
    if week > most and days >= first_week(*following):
        return 1
    return (days - first_week(*previous)) // 7 + 1 if week < 1 else week
